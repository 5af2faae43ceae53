"""Recipes held against names alone come to what a strip comes to."""

from __future__ import annotations

from typing import Any

import pytest

from releasegate.inspection.fitting import Names, fitting
from releasegate.inspection.record import RecipeFit
from tests.tiny_checkpoints import recipe

LAYOUT = "chameleon-hf"


def fit(edits: list[dict[str, Any]], keep: dict[str, Any], **beside: list[str]) -> RecipeFit:
    """Of a model with tensors `a.0`, `a.1` and `b`, files README and those of `beside` (a full stop is written as `__`)."""
    made = recipe(edits=edits, keep={"tensors": [], **keep}, residual=[], lent={})
    files = {name.replace("__", "."): tensors for name, tensors in beside.items()}
    names = Names(["a.0", "a.1", "b"], files, ["README", *files], {"depth": 1})
    (found,) = fitting([made], LAYOUT, names)
    return found


DROP = {"drop": "a.*", "expect": 2}


@pytest.mark.parametrize(
    ("edits", "keep", "beside", "expected"),
    [
        ([DROP], {"tensors": ["b"], "files": ["*"]}, {}, {"fits": True}),
        ([DROP], {"tensors": ["b"]}, {}, {"files": 1, "unaccounted": ("README",)}),
        ([DROP], {"files": ["*"]}, {}, {"tensors": 1, "unaccounted": ("b",)}),
        ([DROP], {"tensors": ["*"], "files": ["*"]}, {}, {"twice": ("a.0", "a.1")}),
        ([{"drop": "c", "expect": 1}], {"tensors": ["*"], "files": ["*"]}, {}, {"idle": ("drop c",), "takes_nothing": True}),
        (
            [{"drop": "c", "expect": {"min": 0, "max": 1}}], {"tensors": ["*"], "files": ["*"]}, {},
            {"fits": True, "takes_nothing": True},
        ),
        ([{"drop": "a.{>=depth}", "expect": 1}], {"tensors": ["a.{<depth}", "b"], "files": ["*"]}, {}, {"fits": True}),
        ([DROP], {"tensors": ["b"], "files": ["*"]}, {"x__pth": ["a.0"]}, {"fits": True}),
        ([DROP], {"tensors": ["b", "x.pth:*"], "files": ["README"]}, {"x__pth": ["a.0"]}, {"fits": True}),
        ([DROP], {"tensors": ["b", "x.pth:*"], "files": ["README"]}, {"x__pth": []}, {"fits": True}),
        (
            [DROP], {"tensors": ["b", "x.pth:z"], "files": ["README"]}, {"x__pth": ["a.0", "z"]},
            {"tensors": 1, "unaccounted": ("x.pth:a.0",)},
        ),
        ([DROP], {"tensors": ["b", "x.pth:*"], "files": ["*"]}, {"x__pth": ["a.0"]}, {"twice": ("x.pth",)}),
        ([DROP], {"tensors": ["b"], "files": ["README"]}, {"x__pth": ["a.0"]}, {"files": 1, "unaccounted": ("x.pth",)}),
        (
            [{"zero_rows": "b", "rows": {"ids": [n]}, "expect": 1} for n in (0, 1)], {"tensors": ["a.*"], "files": ["*"]}, {},
            {"fits": True},
        ),
        (
            [{"set": "README", "key": k, "value": 1} for k in "xy"], {"tensors": ["*"]}, {},
            {"fits": True, "takes_nothing": True},
        ),
    ],
)  # fmt: skip
def test_a_recipe_accounts_for_every_name_once(
    edits: list[dict[str, Any]], keep: dict[str, Any], beside: dict[str, list[str]], expected: dict[str, Any]
) -> None:
    found = fit(edits, keep, **beside)
    assert found.plain() == RecipeFit(id=found.id, **{"fits": False, **expected}).plain()


def test_recipes_of_other_layouts_are_left_out() -> None:
    assert fitting([recipe()], "llama-hf", Names([], {}, [], {})) == []
    assert fitting([recipe()], None, Names([], {}, [], {})) == []
