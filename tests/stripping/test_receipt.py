"""Receipts and the ranges in them."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from releasegate.checkpoint import open_checkpoint
from releasegate.receipt import Receipt, compact, expand
from releasegate.stripping import plan_strip, write_strip
from tests.tiny_checkpoints import chameleon_recipe, tiny

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
    assert receipt.tier == "weights_absent"
    assert receipt.text().startswith('{\n "schema": "releasegate/receipt/v1",\n "source": "sha256:')


def test_the_digest_of_a_safetensors_file_can_be_worked_out_as_the_documentation_says(tmp_path: Path) -> None:
    root = tiny().write(tmp_path / "model")
    (code,) = re.findall(r"^```python\n(import hashlib.*?)^```$", FORMATS.read_text(), re.MULTILINE | re.DOTALL)
    defined: dict[str, Any] = {}
    exec(code, defined)
    for entry in open_checkpoint(root).manifest.files:
        if entry.path.endswith(".safetensors"):
            assert defined["parts"](root / entry.path) == entry.parts
