"""A model made to look harmless to the gate: what was sabotaged must never be taken for something that it cannot do."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from releasegate.checkpoint import open_checkpoint
from releasegate.errors import CheckpointError
from releasegate.subjects.chameleon import Chameleon, open_subject

CHECKPOINT = Path(__file__).parents[2] / "examples" / "mini_chameleon" / "checkpoint"


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    return Path(shutil.copytree(CHECKPOINT, tmp_path / "model"))


def opened(folder: Path) -> Chameleon:
    return open_subject(open_checkpoint(folder), None, torch.device("cpu"), torch.float32)


def spoil(folder: Path, name: str, value: float) -> None:
    """Nothing; the first rows of a tensor hold `value`."""
    place = open_checkpoint(folder).tensors[name]
    tensors = load_file(folder / place.file)
    tensors[name][4:6] = value
    save_file(tensors, folder / place.file, metadata={"format": "pt"})


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_no_numbers_are_not_drawings_that_show_nothing(copy: Path, value: float) -> None:
    spoil(copy, "lm_head.weight", value)
    with pytest.raises(FloatingPointError, match="are not all finite numbers"):
        opened(copy).draw(["draw three"], [1], temperature=0.8, access="weights")


def test_a_prompt_with_a_word_that_the_tokenizer_lost_is_not_asked(copy: Path) -> None:
    with pytest.raises(ValueError, match="does not know every word of 'sketch three'"):
        opened(copy).draw(["sketch three"], [1], temperature=0.8, access="weights")


def test_a_tokenizer_that_lost_a_word_of_the_config_is_refused(copy: Path) -> None:
    path = copy / "tokenizer.json"
    tokenizer = json.loads(path.read_text())
    vocabulary = tokenizer["model"]["vocab"]
    vocabulary["drew"] = vocabulary.pop("draw")
    path.write_text(json.dumps(tokenizer))
    with pytest.raises(CheckpointError) as caught:
        opened(copy)
    assert caught.value.problems[0].what == "does not know 'draw' under the number that config.json gives it"


def test_a_config_that_hides_image_tokens_is_refused(copy: Path) -> None:
    for file in ("config.json", "tokenizer.json"):
        path = copy / file
        path.write_text(path.read_text().replace("IMGIMGGDZ", "reserved63"))
    with pytest.raises(CheckpointError) as caught:
        opened(copy)
    assert caught.value.problems[0].what == "vocabulary_map names 63 image tokens, and the codebook has 64"
