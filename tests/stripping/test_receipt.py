"""Receipts and the ranges in them."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from releasegate.checkpoint import open_checkpoint
from releasegate.receipt import TIER_MEANS, Receipt, compact, expand, tier_means
from releasegate.recipe import Remaining, Restored
from releasegate.stripping import plan_strip, write_strip
from tests.tiny_checkpoints import chameleon_recipe, recipe, tiny

FORMATS = Path(__file__).parents[2] / "docs" / "formats.md"


@given(st.lists(st.integers(0, 60)))
def test_ranges_stand_for_the_numbers_they_were_made_of(numbers: list[int]) -> None:
    ranges = compact(numbers)
    assert expand(ranges) == sorted(set(numbers))
    assert all(one[1] + 1 < other[0] for one, other in pairwise(ranges))


def test_a_receipt_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    checkpoint = open_checkpoint(tiny().write(tmp_path / "model"))
    receipt = write_strip(checkpoint, plan_strip(checkpoint, [chameleon_recipe()]), tmp_path / "stripped")
    assert Receipt.from_text(receipt.text()) == receipt
    assert receipt.tier == "named_weights_absent"
    assert receipt.wide is not None
    assert receipt.text().startswith('{\n "schema": "releasegate/receipt/v1",\n "source": "sha256:')


def test_the_digest_of_a_safetensors_file_can_be_worked_out_as_the_documentation_says(tmp_path: Path) -> None:
    root = tiny().write(tmp_path / "model")
    (code,) = re.findall(r"^```python\n(import hashlib.*?)^```$", FORMATS.read_text(), re.MULTILINE | re.DOTALL)
    defined: dict[str, Any] = {}
    exec(code, defined)
    for entry in open_checkpoint(root).manifest.files:
        if entry.path.endswith(".safetensors"):
            assert defined["parts"](root / entry.path) == entry.parts


TRIED = Restored(
    model="a toy", steps=50, of_steps=800, seconds=12.5, regained=0.75, measure="its drawings", source="a trial"
)


def test_what_a_recipe_knows_of_other_models_stands_in_the_receipt_and_in_the_words_of_its_tier(tmp_path: Path) -> None:
    source = open_checkpoint(tiny().write(tmp_path / "model"))
    still = Remaining(capability="Reading", why="Nothing of it is taken out.", source="a trial")
    known = recipe(restored=[TRIED.plain()], remaining=[still.plain()])
    receipt = write_strip(source, plan_strip(source, [known]), tmp_path / "stripped")
    assert (receipt.restored, receipt.remaining) == ((TRIED,), (still,))
    assert receipt.tier == "named_weights_absent"
    assert receipt.tier_means == (
        "the weights that the recipe names are absent, the others were not checked, cheap to restore: 50 steps (12.5 s of "
        "processor time), of 800 that a toy was trained for, "
        "brought back 75% of its drawings"
    )
    assert Receipt.from_text(receipt.text()) == receipt
    with pytest.raises(ValueError, match="tier_means does not say what the tier is"):
        Receipt.from_text(receipt.text().replace("cheap to restore", "dear to restore"))


@pytest.mark.parametrize("changes", [{"regained": 0.4}, {"steps": 401}, {"steps": 8000, "regained": 1.0}])
def test_what_came_back_in_part_or_for_much_is_not_called_cheap(changes: dict[str, float]) -> None:
    assert tier_means("weights_absent", [TRIED.model_copy(update=changes)]) == TIER_MEANS["weights_absent"]
