"""Tensors into parts, whatever the library that named them."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from releasegate.inspection.components import MOST, components, totals
from releasegate.inspection.stored import Stored


def stored(*names: str, dtype: str = "BF16") -> list[Stored]:
    return [Stored(name, "model.safetensors", dtype, (2, 3), 12, 0) for name in names]


def parts(*names: str) -> dict[str, tuple[int, int]]:
    """Layers and tensors of each part."""
    return {part.name: (part.times, part.tensors) for part in components(stored(*names))}


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (
            [f"model.layers.{n}.self_attn.{p}_proj.weight" for n in range(32) for p in "qkvo"],
            {"model.layers.*.self_attn": (32, 128)},
        ),
        (["lm_head.weight", "model.norm.weight"], {"lm_head": (1, 1), "model.norm": (1, 1)}),
        ([f"model.vqmodel.decoder.up.{n}.block.0.conv.weight" for n in range(3)], {"model.vqmodel.decoder": (1, 3)}),
        (
            ["model.layers.0.mlp.gate.weight"] + [f"model.layers.{n}.mlp.experts.{e}.w1" for n in range(2) for e in range(4)],
            {"model.layers.*.mlp": (1, 1), "model.layers.*.mlp.experts.*": (2, 8)},
        ),
        ([f"blk.{n}.attn_q.weight" for n in range(4)], {"blk.*.attn_q": (4, 4)}),
        ([f"params/encoder/layer_{n}/kernel" for n in range(12)], {"params.encoder.layer_*": (12, 12)}),
        (["layers.0.feed_forward.w1.weight", "layers.0.feed_forward.w2.weight"], {"layers.*.feed_forward": (1, 2)}),
        (["mask", "0", "1"], {"mask": (1, 1), "*": (2, 2)}),
        (["a..b", ".", ""], {"a.": (1, 1), "": (1, 2)}),
    ],
)  # fmt: skip
def test_a_part_is_named_up_to_the_first_number_and_one_step_beyond(
    names: list[str], expected: dict[str, tuple[int, int]]
) -> None:
    assert parts(*names) == expected


def test_many_parts_are_joined_from_the_smallest_up() -> None:
    names = [f"part{chr(97 + n // 26)}{chr(97 + n % 26)}.weight" for n in range(200)]
    found = components(stored(*names))
    assert len(found) == MOST
    assert found[-1].name == "(others)"
    assert sum(part.tensors for part in found) == 200


@settings(max_examples=100, deadline=None)
@given(st.lists(st.text(alphabet="ab01./_-é", max_size=12), max_size=150))
def test_every_tensor_is_in_exactly_one_part_and_the_parts_are_bounded(names: list[str]) -> None:
    found = components(stored(*names), most=10)
    assert sum(part.tensors for part in found) == len(names)
    assert sum(part.size for part in found) == 12 * len(names)
    assert len(found) <= 10


def test_totals_are_of_each_dtype_and_of_all() -> None:
    total = totals([*stored("a", "b"), *stored("c", dtype="F8_E4M3")])
    assert (total.tensors, total.parameters, total.size) == (3, 18, 36)
    assert [(one.dtype, one.tensors) for one in total.dtypes] == [("BF16", 2), ("F8_E4M3", 1)]
