"""Loading is strict: every tensor of the class comes from the checkpoint, and every tensor of the checkpoint is used."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file, save_file
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import ChameleonForConditionalGeneration

from releasegate.checkpoint import open_checkpoint
from releasegate.checkpoint.load import load_file_tensors, load_model, load_tensors, load_tokenizer
from releasegate.errors import CheckpointError, NotFound
from tests.tiny_chameleon import save_chameleon
from tests.tiny_checkpoints import tiny

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Chameleon that transformers itself made and saved, in several shards."""
    return save_chameleon(tmp_path_factory.mktemp("transformers") / "model")


def copy(source: Path, target: Path) -> Path:
    target.mkdir()
    for path in source.iterdir():
        (target / path.name).write_bytes(path.read_bytes())
    return target


def test_a_model_is_loaded_in_evaluation_mode_with_its_own_weights(saved: Path) -> None:
    checkpoint = open_checkpoint(saved)
    assert len(checkpoint.shards) > 1
    model = load_model(checkpoint, ChameleonForConditionalGeneration, device=CPU, dtype=torch.float32)
    assert not model.training
    stored = load_tensors(checkpoint, ["*"])
    assert set(stored) == set(checkpoint.tensors)
    for name, tensor in model.state_dict().items():
        if name in stored:
            assert torch.equal(tensor, stored[name])


@pytest.mark.parametrize(
    ("removed", "added", "what"),
    [
        ("lm_head.weight", None, "strictly: 1 missing keys, the first lm_head.weight"),
        (None, "model.extra.weight", "strictly: 1 unexpected keys, the first model.extra.weight"),
    ],
)
def test_a_missing_or_unexpected_tensor_is_refused(
    saved: Path, tmp_path: Path, removed: str | None, added: str | None, what: str
) -> None:
    root = copy(saved, tmp_path / "model")
    path = root / "model.safetensors.index.json"
    index = json.loads(path.read_text())
    shard = root / index["weight_map"]["lm_head.weight"]
    tensors = load_file(shard)
    if removed:
        del tensors[removed], index["weight_map"][removed]
    if added:
        tensors[added] = np.zeros(3, "float32")
        index["weight_map"][added] = shard.name
    save_file(tensors, shard, metadata={"format": "pt"})
    path.write_text(json.dumps(index))
    with pytest.raises(CheckpointError) as caught:
        load_model(open_checkpoint(root), ChameleonForConditionalGeneration, device=CPU, dtype=torch.float32)
    assert caught.value.problems[0].what.endswith(what)


def test_named_tensors_are_read_as_they_are_stored(tmp_path: Path) -> None:
    made = tiny(dtype=np.float16)
    checkpoint = open_checkpoint(made.write(tmp_path / "model"))
    found = load_tensors(checkpoint, ["model.vqmodel.post_quant_conv.*", "lm_head.weight"])
    assert {name: tensor.dtype for name, tensor in found.items()} == dict.fromkeys(
        ("model.vqmodel.post_quant_conv.weight", "model.vqmodel.post_quant_conv.bias", "lm_head.weight"), torch.float16
    )
    expected = made.shards["model-00001-of-00002.safetensors"]["lm_head.weight"]
    assert found["lm_head.weight"].numpy().tobytes() == expected.tobytes()


def test_a_pattern_that_matches_nothing_is_an_error(tmp_path: Path) -> None:
    checkpoint = open_checkpoint(tiny().write(tmp_path / "model"))
    with pytest.raises(NotFound, match="has no tensor 'decoder"):
        load_tensors(checkpoint, ["decoder.*"])


def test_a_sibling_is_read_by_its_name(tmp_path: Path) -> None:
    checkpoint = open_checkpoint(tiny().write(tmp_path / "model"))
    assert set(load_file_tensors(checkpoint, "vqgan.safetensors")) == {"decoder.conv_in.weight", "decoder.conv_in.bias"}
    with pytest.raises(NotFound) as caught:
        load_file_tensors(checkpoint, "model-00001-of-00002.safetensors")
    assert caught.value.problems[0].what == "is not a file of tensors beside the model"
    assert caught.value.problems[0].fix == "there are: vqgan.safetensors"


def test_the_tokenizer_of_the_folder_is_loaded(tmp_path: Path) -> None:
    made = tiny()
    words = Tokenizer(models.WordLevel(made.config["vocabulary_map"], unk_token="<unk>"))
    words.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    made.texts["tokenizer.json"] = words.to_str()
    made.texts["tokenizer_config.json"] = json.dumps(
        {"tokenizer_class": "PreTrainedTokenizerFast", "unk_token": "<unk>"}
    )
    tokenizer = load_tokenizer(open_checkpoint(made.write(tmp_path / "model")))
    assert tokenizer.encode("what seven", add_special_tokens=False) == [16, 15]
