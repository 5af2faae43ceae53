"""The search for near copies on whole checkpoints: a planted copy is found, and a clean strip is clean."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from releasegate.checkpoint import Checkpoint, open_checkpoint
from releasegate.errors import StripError
from releasegate.stripping import StripPlan, plan_strip, write_strip
from releasegate.stripping.searching.nearcopies import NearSearch, search_near_copies
from releasegate.stripping.searching.removedparts import RemovedPart
from releasegate.stripping.searching.sketches import Sketches, sketch_removed
from tests.tiny_checkpoints import Tiny, chameleon_recipe, tiny

FIRST, SECOND = "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"
LAYER = "model.layers.1.self_attn.q_proj.weight"
EMBEDDED = Path(__file__).parents[2] / "examples" / "mini_chameleon" / "checkpoint"


def sketched(checkpoint: Checkpoint, plan: StripPlan) -> Sketches:
    """Everything that the plan takes out of safetensors files."""
    parts: list[RemovedPart] = []
    for name, edit in plan.tensors.items():
        file, entry = checkpoint.tensors[name].file, checkpoint.tensors[name].entry
        ranges = edit.rows if edit.outcome == "rows_zeroed" else None
        parts.append(RemovedPart(name, file, entry, checkpoint.shards[file].data_start, ranges))
    for file in plan.dropped:
        header = checkpoint.siblings[file]
        parts += [
            RemovedPart(f"{file}:{name}", file, entry, header.data_start) for name, entry in header.entries.items()
        ]
    return sketch_removed(checkpoint.root, parts, {**checkpoint.shards, **checkpoint.siblings})


def strip_and_search(model: Path, out: Path) -> NearSearch:
    checkpoint = open_checkpoint(model)
    plan = plan_strip(checkpoint, [chameleon_recipe()])
    write_strip(checkpoint, plan, out)
    written = open_checkpoint(out)
    return search_near_copies(sketched(checkpoint, plan), out, {**written.shards, **written.siblings})


def test_a_stripped_mini_chameleon_holds_no_near_copy(tmp_path: Path) -> None:
    found = strip_and_search(EMBEDDED, tmp_path / "out")
    assert found == NearSearch((), ())


@pytest.mark.parametrize("seed", range(8))
def test_a_clean_strip_holds_no_near_copy(seed: int, tmp_path: Path) -> None:
    assert strip_and_search(tiny(seed).write(tmp_path / "model"), tmp_path / "out").copies == ()


def scaled_head(made: Tiny) -> None:
    made.shards[SECOND][LAYER][3:11] = made.shards[FIRST]["lm_head.weight"][4:12] * -0.25


def one_row(made: Tiny) -> None:
    made.shards[SECOND][LAYER][20] = made.shards[FIRST]["lm_head.weight"][7] * 3


def turned_head(made: Tiny) -> None:
    made.shards[SECOND][LAYER][:, 5:13] = made.shards[FIRST]["lm_head.weight"][4:12].T * 1.5


def head_in_half_precision(made: Tiny) -> None:
    made.shards[SECOND][LAYER] = made.shards[FIRST]["lm_head.weight"].astype("f2")


def quantised_head(made: Tiny) -> None:
    head = made.shards[FIRST]["lm_head.weight"]
    made.shards[SECOND][LAYER] = np.round(head / np.abs(head).max(axis=1, keepdims=True) * 127).astype("i1")


def scaled_decoder(made: Tiny) -> None:
    made.shards[SECOND][LAYER] = made.siblings["vqgan.safetensors"]["decoder.conv_in.weight"].reshape(16, 72) * 2


@pytest.mark.parametrize(
    ("plant", "part"),
    [
        (scaled_head, "lm_head.weight"),
        (one_row, "lm_head.weight"),
        (turned_head, "lm_head.weight"),
        (head_in_half_precision, "lm_head.weight"),
        (quantised_head, "lm_head.weight"),
        (scaled_decoder, "vqgan.safetensors:decoder.conv_in.weight"),
    ],
)
def test_a_planted_near_copy_is_found_by_name(plant: Callable[[Tiny], None], part: str, tmp_path: Path) -> None:
    made = tiny()
    plant(made)
    with pytest.raises(StripError) as caught:
        strip_and_search(made.write(tmp_path / "model"), tmp_path / "out")
    assert caught.value.problems[0].what.startswith(f"has a near copy of {part}, which was to go, in {LAYER}: ")
    assert not (tmp_path / "out").exists()
