"""Ways in which a stripped capability leaks back: each is refused by name, and the clean control passes."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from releasegate.checkpoint import open_checkpoint
from releasegate.errors import CheckpointError, RecipeMismatch, ReleaseGateError, StripError
from releasegate.stripping import plan_strip, write_strip
from tests.tiny_checkpoints import Tiny, chameleon_recipe, recipe, tiny

FIRST, SECOND = "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"
PLAIN = chameleon_recipe().plain()
LAYER = "model.layers.1.self_attn.q_proj.weight"


def strip(made: Tiny, folder: Path) -> None:
    checkpoint = open_checkpoint(made.write(folder / "model"))
    write_strip(checkpoint, plan_strip(checkpoint, [chameleon_recipe()]), folder / "stripped")


def test_the_clean_control_passes(tmp_path: Path) -> None:
    strip(tiny(), tmp_path)


def copied_head(made: Tiny) -> None:
    made.shards[SECOND][LAYER] = made.shards[FIRST]["lm_head.weight"].copy()


def tied_by_copy(made: Tiny) -> None:
    made.shards[FIRST]["lm_head.weight"] = made.shards[FIRST]["model.embed_tokens.weight"].copy()


def one_row_in_a_larger_tensor(made: Tiny) -> None:
    made.shards[SECOND][LAYER].reshape(-1)[101:133] = made.shards[FIRST]["lm_head.weight"][7]


def decoder_in_a_kept_tensor(made: Tiny) -> None:
    made.shards[SECOND][LAYER] = made.siblings["vqgan.safetensors"]["decoder.conv_in.weight"].reshape(32, 36).copy()


def filled_tensor_in_a_kept_one(made: Tiny) -> None:
    made.shards[SECOND]["model.vqmodel.quant_conv.weight"] = made.shards[SECOND][
        "model.vqmodel.post_quant_conv.weight"
    ].copy()


def raw_rows_in_a_text(made: Tiny) -> None:
    row = np.frombuffer(b"the weights of this row are readable text, which is allowed to be" + bytes(63), "float32")
    made.shards[FIRST]["lm_head.weight"][9] = row
    made.texts["README.md"] = "# A card\nthe weights of this row are readable text, which is allowed to be"


def decoder_under_another_name(made: Tiny) -> None:
    made.siblings["decoder_ema.safetensors"] = dict(made.siblings["vqgan.safetensors"])


def decoder_in_the_model(made: Tiny) -> None:
    made.shards[SECOND]["model.vqmodel.decoder.conv_in.weight"] = np.ones((2, 2), "float32")


def second_head(made: Tiny) -> None:
    made.shards[SECOND]["model.lm_head.weight"] = made.shards[FIRST]["lm_head.weight"]


def head_bias(made: Tiny) -> None:
    made.shards[FIRST]["lm_head.bias"] = np.ones(18, "float32")


def optimizer_moments(made: Tiny) -> None:
    made.siblings["optimizer.safetensors"] = {"exp_avg.lm_head.weight": np.ones((18, 32), "float32")}


def quantisation_scales(made: Tiny) -> None:
    made.shards[FIRST]["lm_head.weight_scale"] = np.ones(18, "float32")


def weights_in_metadata(made: Tiny) -> None:
    rows = np.repeat(made.shards[FIRST]["lm_head.weight"], 40, axis=0).tobytes()
    made.metadata = {"format": "pt", "note": base64.b64encode(rows).decode()}


def tied_by_config(made: Tiny) -> None:
    made.config["tie_word_embeddings"] = True


def tied_by_metadata(made: Tiny) -> None:
    made.metadata = {"format": "pt", "lm_head.weight": "model.embed_tokens.weight"}


def code_that_offers_it(made: Tiny) -> None:
    made.config["auto_map"] = {"AutoModel": "modeling.Model"}


def training_data(made: Tiny) -> None:
    made.texts["train_images.jsonl"] = "{}\n"


LEAKS: dict[str, tuple[Callable[[Tiny], None], type[ReleaseGateError], str]] = {
    "copied_head": (copied_head, StripError, "holds a piece of lm_head.weight, which was to go"),
    "tied_by_copy": (tied_by_copy, StripError, "holds a piece of lm_head.weight, which was to go"),
    "one_row": (one_row_in_a_larger_tensor, StripError, "holds a piece of lm_head.weight, which was to go"),
    "decoder_in_a_kept_tensor": (
        decoder_in_a_kept_tensor,
        StripError,
        "holds a piece of vqgan.safetensors:decoder.conv_in.weight, which was to go",
    ),
    "filled_tensor_in_a_kept_one": (
        filled_tensor_in_a_kept_one,
        StripError,
        "holds a piece of model.vqmodel.post_quant_conv.weight, which was to go",
    ),
    "raw_rows_in_a_text": (raw_rows_in_a_text, StripError, "holds a piece of lm_head.weight, which was to go"),
    "decoder_under_another_name": (
        decoder_under_another_name,
        RecipeMismatch,
        "does not account for 1 file: 'decoder_ema.safetensors'",
    ),
    "decoder_in_the_model": (
        decoder_in_the_model,
        RecipeMismatch,
        "does not account for 1 tensor: 'model.vqmodel.decoder.conv_in.weight'",
    ),
    "second_head": (second_head, RecipeMismatch, "does not account for 1 tensor: 'model.lm_head.weight'"),
    "head_bias": (head_bias, RecipeMismatch, "does not account for 1 tensor: 'lm_head.bias'"),
    "optimizer_moments": (optimizer_moments, RecipeMismatch, "does not account for 1 file: 'optimizer.safetensors'"),
    "quantisation_scales": (
        quantisation_scales,
        RecipeMismatch,
        "does not account for 1 tensor: 'lm_head.weight_scale'",
    ),
    "weights_in_metadata": (weights_in_metadata, CheckpointError, "bytes of `__metadata__`"),
    "tied_by_config": (tied_by_config, RecipeMismatch, "which is input and output embedding at once"),
    "tied_by_metadata": (tied_by_metadata, RecipeMismatch, "ties to another name"),
    "code_that_offers_it": (code_that_offers_it, CheckpointError, "asks for code from the checkpoint to be run"),
    "training_data": (training_data, RecipeMismatch, "does not account for 1 file: 'train_images.jsonl'"),
}


@pytest.mark.parametrize("name", LEAKS)
def test_a_planted_leak_is_refused_by_name(name: str, tmp_path: Path) -> None:
    plant, kind, what = LEAKS[name]
    made = tiny()
    plant(made)
    with pytest.raises(kind) as caught:
        strip(made, tmp_path)
    assert what in caught.value.problems[0].what
    assert not (tmp_path / "stripped").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_a_tensor_that_is_only_taken_out_of_the_index_is_refused(tmp_path: Path) -> None:
    root = tiny().write(tmp_path / "model")
    path = root / "model.safetensors.index.json"
    index = json.loads(path.read_text())
    del index["weight_map"]["model.vqmodel.post_quant_conv.weight"]
    path.write_text(json.dumps(index))
    with pytest.raises(CheckpointError, match=r"does not name tensor 'model\.vqmodel\.post_quant_conv\.weight'"):
        open_checkpoint(root)


def test_a_pattern_that_misses_a_partner_is_refused(tmp_path: Path) -> None:
    rows, _, drop, keys = PLAIN["edits"]
    narrow = recipe(
        edits=[rows, {"zero_fill": "model.vqmodel.post_quant_conv.weight", "expect": 1}, drop, keys], lent={}
    )
    with pytest.raises(RecipeMismatch, match=r"account for 1 tensor: 'model\.vqmodel\.post_quant_conv\.bias'"):
        plan_strip(open_checkpoint(tiny().write(tmp_path / "model")), [narrow])
