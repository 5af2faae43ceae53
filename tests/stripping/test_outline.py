"""What `strip --plan-only` says is what the strip then does, for every layout that a shipped recipe is for."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from releasegate.checkpoint import read_contents
from releasegate.recipe import Recipe
from releasegate.stripping import outline, plan_strip, room_for, write_strip
from tests.layouts import LAYOUTS
from tests.stripping.shipped import shipped

OF_PICKLES = [
    ("chameleon-original", "chameleon-original/image_generation"),
    ("chameleon-original-30b", "chameleon-original/image_generation"),
    ("chameleon-original-training", "chameleon-original/image_generation"),
    ("multi-token", "multi-token-prediction/extra_heads"),
    ("xtts", "xtts/voice_cloning"),
    ("xtts-inference", "xtts/voice_cloning"),
    ("musicgen-audiocraft", "audiocraft/self_conditioning"),
]
OF_TENSORS = [
    ("chameleon-hf", "chameleon-hf/image_generation"),
    ("janus-hf", "janus-hf/image_generation"),
    ("deepseek-v3", "deepseek_v3-hf/extra_heads"),
    ("lora", "llama-hf/lora_adapter"),
    ("ema-beside", "llama-hf/training_state"),
    ("qwen3-moe", "qwen3_moe-hf/expert"),
]


@pytest.mark.parametrize(
    ("layout", "name"),
    [*(pytest.param(*one, marks=pytest.mark.slow) for one in OF_PICKLES[1:]), OF_PICKLES[0], *OF_TENSORS],
)
def test_a_plan_says_what_the_strip_then_does(layout: str, name: str, tmp_path: Path) -> None:
    source = read_contents(LAYOUTS[layout].write(tmp_path / "model"))
    recipe = Recipe.from_text(shipped(name).text().replace('"expect": 8192', '"expect": 16'))
    plan = plan_strip(source, [recipe])
    said = outline(source, plan, tmp_path / "out")
    assert room_for(source, plan, tmp_path) > 0
    receipt = write_strip(source, plan, tmp_path / "out")
    done = Counter(one.outcome for one in receipt.tensors)
    assert {outcome: share.tensors for outcome, share in said.outcomes.items()} == done
    written = {entry.path for entry in receipt.output.files}
    assert set(said.converted.items()) == {(one.file, one.to) for one in receipt.converted or () if one.to}
    assert {*said.kept, *said.edited} <= written
    assert written.isdisjoint(set(said.left_out) - set(said.converted))
    assert set(source.sizes) == {*said.left_out, *said.converted} | (set(source.sizes) & written)
