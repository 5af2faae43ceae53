"""Leaks by the recipe: it masks and takes nothing, hides what it leaves, or its patterns miss a part or hit another."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file, save_file

from releasegate.errors import StripError
from releasegate.recipe import Recipe
from tests.attacks.planted.leak import (
    DECODER,
    FIRST,
    HEAD,
    LAYER,
    POST,
    SECOND,
    Leak,
    added,
    chameleon,
    changed,
    decoder,
    layout,
    made,
    planted,
)
from tests.tiny_checkpoints import Tiny

OTHER_LAYER = "model.layers.0.self_attn.q_proj.weight"
ROWS, FILL, DROP, SET = range(4)
"""The edits of the Chameleon recipe."""


def mask(plain: dict[str, Any]) -> None:
    """Tokens are suppressed, and nothing else is done."""
    plain["edits"] = [plain["edits"][SET]]
    plain["keep"]["tensors"] = ["*"]
    plain["keep"]["files"].append("vqgan.safetensors")
    plain["residual"], plain["lent"] = [], {}


def flag(plain: dict[str, Any]) -> None:
    """A key of the configuration is set that some code goes by."""
    mask(plain)
    plain["edits"] = [{"set": "config.json", "key": "mask_image_logits", "value": True}]
    plain["keep"]["files"] = ["generation_config.json", "README.md", "vqgan.safetensors"]


def card_alone(plain: dict[str, Any]) -> None:
    """Tokens are suppressed, and a file is left out that has nothing to do with them."""
    mask(plain)
    plain["edits"].append({"drop_file": "README.md", "expect": 1})
    plain["keep"]["files"].remove("README.md")


def code_alone(plain: dict[str, Any]) -> None:
    """Tokens are suppressed, and code is left out."""
    mask(plain)
    plain["edits"].append({"drop_file": "generate.py", "expect": 1})


def without_residual(plain: dict[str, Any]) -> None:
    plain["residual"] = [one for one in plain["residual"] if one["tensors"] != HEAD]


def noise(plain: dict[str, Any]) -> None:
    """Rows are drawn anew, and not listed."""
    without_residual(plain)
    rows = plain["edits"][ROWS]
    plain["edits"][ROWS] = {"reinitialise_rows": rows.pop("zero_rows"), "std": 0.02, **rows}


def one_slice(plain: dict[str, Any]) -> None:
    """A head of attention is zeroed, and not listed."""
    plain["edits"].append(
        {
            "zero_slices": "model.layers.0.*",
            "slices": {"ids": [1]},
            "of": 4,
            "expect": 1,
        }
    )
    plain["keep"]["tensors"].remove("model.layers.{<num_hidden_layers}.*")
    plain["keep"]["tensors"].append("model.layers.1.*")
    plain["residual"] = [one for one in plain["residual"] if one["tensors"] != "model.layers.{<num_hidden_layers}.*"]


def fill(pattern: str, expect: int) -> Any:
    """Fills what matches another pattern."""

    def change(plain: dict[str, Any]) -> None:
        plain["edits"][FILL] = {"zero_fill": pattern, "expect": expect}
        plain["lent"] = {}

    return change


def decoder_by_name(plain: dict[str, Any]) -> None:
    """Takes the decoder out of its file, and keeps what else lies there."""
    plain["edits"][DROP] = {"drop": f"{DECODER}:decoder.*", "expect": 2}
    plain["keep"]["tensors"].append(f"{DECODER}:encoder.*")
    plain["lent"] = {}


def beside_itself(control: Tiny) -> None:
    """The decoder once more in its own file, thrice as large."""
    decoder(control)["encoder.w"] = decoder(control)["decoder.conv_in.weight"].reshape(16, 72) * 3


def half_of_a_layer(plain: dict[str, Any]) -> None:
    """Empties columns of a layer."""
    plain["edits"].append({"zero_rows": LAYER, "rows": {"ids": [[0, 15]]}, "dimension": 1, "expect": 16})
    plain["keep"]["tensors"].remove("model.layers.{<num_hidden_layers}.*")
    plain["keep"]["tensors"].append(OTHER_LAYER)
    plain["residual"] = [one for one in plain["residual"] if one["tensors"] != "model.layers.{<num_hidden_layers}.*"]
    plain["residual"].append({"tensors": LAYER, "why": "The other columns stay."})


def columns_turned(control: Tiny) -> None:
    """Those columns as rows of another layer, twice as large."""
    control.shards[FIRST][OTHER_LAYER][:16] = control.shards[SECOND][LAYER][:, :16].T * 2


def without_codebook(plain: dict[str, Any]) -> None:
    name = "model.vqmodel.quantize.embedding.weight"
    plain["keep"]["tensors"].remove(name)
    plain["residual"] = [one for one in plain["residual"] if one["tensors"] != name]


def image_recipe(plain: dict[str, Any]) -> None:
    """The recipe of the original layout, for the tiny vocabulary, by a pattern that goes by `decoder` alone."""
    plain["edits"][0]["expect"] = 16
    plain["edits"] = [edit for edit in plain["edits"] if "post_quant_conv" not in str(edit)]
    plain["lent"] = {}


def ranks(root: Path) -> None:
    """Two ranks' parts of a model: the rows of the output are divided among them."""
    root.mkdir()
    rng = np.random.default_rng(3)
    for rank in range(2):
        parts = {name: rng.standard_normal((8, 32)).astype("float32") for name in ("output.weight", "wq.weight")}
        parts["tok_embeddings.weight"] = rng.standard_normal((16, 16)).astype("float32")
        save_file(parts, root / f"consolidated.{rank:02}.safetensors")
    (root / "params.json").write_text('{"dim": 32, "vocab_size": 16}')


def rows_of_the_other(root: Path) -> None:
    """Two ranks, of which one holds the other's rows of the output, at half their size, where a layer should be."""
    ranks(root)
    first, second = (root / f"consolidated.{rank:02}.safetensors" for rank in range(2))
    save_file({**load_file(first), "wq.weight": load_file(second)["output.weight"] / 2}, first)


def of_ranks(**rows: Any) -> Callable[[], Recipe]:
    """A recipe that zeroes rows 4 to 11 of the output."""
    plain = {
        "schema": "releasegate/recipe/v1",
        "id": "llama-original/rows",
        "title": "Rows of the output",
        "rationale": "They score what is not to be said.",
        "layout": "llama-original",
        "edits": [{"zero_rows": "output.weight", "rows": {"ids": [[4, 11]]}, "expect": 8, **rows}],
        "keep": {"tensors": ["wq.weight", "tok_embeddings.weight"], "files": ["params.json"]},
        "residual": [{"tensors": "output.weight", "why": "The other rows stay."}],
    }
    return lambda: Recipe.from_text(json.dumps(plain))


def listed_without_its_encoder(plain: dict[str, Any]) -> None:
    plain["keep"]["tensors"].remove("model.vqmodel.encoder.*")
    plain["residual"] = [one for one in plain["residual"] if one["tensors"] != "model.vqmodel.encoder.*"]


TAKES_NOTHING = "takes nothing away from this checkpoint"
RECIPES: dict[str, Leak] = {
    "01-tokens-are-only-suppressed": Leak(made, TAKES_NOTHING, recipe=chameleon(mask)),
    "01-a-key-is-only-set": Leak(made, TAKES_NOTHING, recipe=chameleon(flag)),
    "01-tokens-are-suppressed-and-a-card-goes": Leak(
        made, "takes no weights away from this checkpoint: it leaves out README.md", recipe=chameleon(card_alone)
    ),
    "01-tokens-are-suppressed-and-code-goes": Leak(
        added("generate.py", "import torch\n"),
        "takes no weights away from this checkpoint: it leaves out generate.py",
        recipe=chameleon(code_alone),
    ),
    "02-zeroed-rows-unlisted": Leak(
        made, f"zeroes rows of {HEAD} and does not list it under `residual`", recipe=chameleon(without_residual)
    ),
    "02-reinitialised-rows-unlisted": Leak(
        made, f"reinitialises rows of {HEAD} and does not list it under `residual`", recipe=chameleon(noise)
    ),
    "02-zeroed-head-unlisted": Leak(
        made,
        "zeroes rows of model.layers.0.self_attn.q_proj.weight and does not list it under `residual`",
        recipe=chameleon(one_slice),
    ),
    "04-codebook-unaccounted": Leak(
        made,
        "does not account for 1 tensor: 'model.vqmodel.quantize.embedding.weight'",
        recipe=chameleon(without_codebook),
    ),
    "04-decoder-scaled-in-its-own-file": Leak(
        planted(beside_itself),
        f"has a near copy of {DECODER}:decoder.conv_in.weight, which was to go, in {DECODER}:encoder.w",
        StripError,
        chameleon(decoder_by_name),
    ),
    "05-a-pattern-misses-the-bias": Leak(
        made, "does not account for 1 tensor: 'model.vqmodel.post_quant_conv.bias'", recipe=chameleon(fill(POST, 1))
    ),
    "05-a-substring-hits-its-partner": Leak(
        made, "matches 3 tensors, and 2 are expected", recipe=chameleon(fill("*quant_conv*", 2))
    ),
    "05-a-substring-hits-what-is-kept": Leak(
        made,
        "accounts for tensor 'model.vqmodel.quant_conv.weight' more than once",
        recipe=chameleon(fill("*quant_conv*", 3)),
    ),
    "05-decoder-without-what-leads-into-it": Leak(
        layout("chameleon-original"),
        "does not account for 2 tensors: 'tokenizer/vqgan.ckpt:state_dict.post_quant_conv.bias'",
        recipe=changed("chameleon-original/image_generation", image_recipe),
        slow=True,
    ),
    "06-columns-turned": Leak(
        planted(columns_turned),
        f"has a near copy of {LAYER}, which was to go, in {OTHER_LAYER}: 16 of 16 vectors (transposed)",
        StripError,
        chameleon(half_of_a_layer),
    ),
    "10-rows-of-the-whole-on-each-rank": Leak(
        ranks, "it is split over 2 files, and nothing says along which dimension they are joined", recipe=of_ranks()
    ),
    "10-rows-of-another-rank": Leak(
        rows_of_the_other,
        "has a near copy of output.weight@consolidated.01, which was to go, in wq.weight@consolidated.00",
        StripError,
        of_ranks(parallel=0),
    ),
    "10-rows-of-one-rank-by-name": Leak(
        ranks,
        "zero_rows output.weight@consolidated.00: matches 0 tensors, and rows are of one tensor",
        recipe=of_ranks(zero_rows="output.weight@consolidated.00"),
    ),
    "10-rows-of-one-rank-by-number": Leak(
        ranks, "matches 4 rows, and 8 are expected", recipe=of_ranks(rows={"ids": [[4, 7]]}, parallel=0)
    ),
    "19-encoder-unaccounted": Leak(
        made,
        "does not account for 1 tensor: 'model.vqmodel.encoder.conv_in.weight'",
        recipe=chameleon(listed_without_its_encoder),
    ),
}
