"""Where the vocabulary is as long as something else, heads and embeddings are told from projections, which are no tokens."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from releasegate.checkpoint import open_checkpoint
from releasegate.errors import RecipeMismatch
from releasegate.stripping import plan_strip, write_strip
from releasegate.stripping.planning.tokenrows import counts_tokens, other_lengths
from tests.stripping.toys import specs, toy, toy_recipe
from tests.tiny_checkpoints import recipe, tiny

SQUARE = {"hidden_size": 10}
HEADS = {"slices": {"last": 1}, "of": 5, "expect": 1}
Q = "layers.0.self_attn.q_proj.weight"
TENSORS = {"embed.weight": (10, 10), Q: (10, 10), "layers.0.mlp.up_proj.weight": (20, 10), "head.weight": (10, 10)}


@pytest.mark.parametrize(
    "name",
    ["model.embed_tokens.weight", "transformer.wte.weight", "lm_head.weight", "output.weight", "shared.weight",
     "gpt.emb.3.weight", "lm.linears.0.weight", "decoder.embed_tokens.weight", "odd.weight", "vocab_proj.2.weight"],
)  # fmt: skip
def test_heads_and_embeddings_count_tokens_whatever_else_has_their_length(name: str) -> None:
    assert counts_tokens(name, (32, 32), 0, {32})
    assert not counts_tokens(name, (32, 32), 1, {32})


@pytest.mark.parametrize(
    "name",
    ["model.layers.0.self_attn.q_proj.weight", "layers.3.attention.wk.weight", "h.1.mlp.up_proj.weight", "model.norm.weight",
     "layers.2.mlp.shared_experts.up_proj.weight", "encoder.layer.0.output.dense.weight", "layers.0.position_embed.weight"],
)  # fmt: skip
def test_projections_of_layers_do_not_where_the_configuration_has_their_length(name: str) -> None:
    shape = (32,) if "norm" in name else (32, 32)
    assert not counts_tokens(name, shape, 0, {32})
    assert counts_tokens(name, shape, 0, {64}), "nothing else is that long"


def test_lengths_come_of_heads_too_and_never_of_vocabularies() -> None:
    config = {"hidden_size": 64, "num_attention_heads": 8, "num_key_value_heads": 2, "vocab_size": 7, "bos_token_id": 3}
    assert other_lengths({"text_config": config, "vocabulary_map": {"a": 11}}) == {64, 8, 2, 16, 256}
    assert other_lengths({"num_attention_heads": 4, "head_dim": 8}) >= {32}


@pytest.mark.parametrize("kind", ["zero_slices", "remove_slices"])
def test_heads_of_a_projection_are_no_tokens(kind: str, tmp_path: Path) -> None:
    made = toy(tmp_path / "a", specs(TENSORS), SQUARE)
    kept = {"tensors": ["embed.weight", "layers.0.mlp.*", "head.weight"], "files": ["config.json"]}
    assert plan_strip(made, [toy_recipe({kind: Q, **HEADS}, keep=kept)]).tensors


def test_a_projection_is_no_second_end_of_an_embedding(tmp_path: Path) -> None:
    tensors = {name: shape for name, shape in TENSORS.items() if name != "head.weight"}
    rows = {"zero_rows": "embed.weight", "rows": {"vocabulary": "img*"}, "expect": 4}
    kept = {"tensors": ["layers.*"], "files": ["config.json"]}
    with pytest.raises(RecipeMismatch, match="it is the only matrix of the vocabulary's size"):
        plan_strip(toy(tmp_path / "a", specs(tensors), SQUARE), [toy_recipe(rows, keep=kept)])


@pytest.mark.parametrize("name", ["head.weight", "layers.0.odd.weight"])
def test_rows_of_tokens_that_go_without_the_tokens_are_refused_with_their_dimension(name: str, tmp_path: Path) -> None:
    tensors = {**TENSORS, name: (10, 10)}
    rows = {"remove_rows": name, "rows": {"vocabulary": "img*"}, "expect": 4}
    kept = {"tensors": [one for one in tensors if one != name], "files": ["config.json"]}
    with pytest.raises(
        RecipeMismatch, match=rf"{name}, which has a row for each token along dimension 0, and drops no"
    ):
        plan_strip(toy(tmp_path / "a", specs(tensors), SQUARE), [toy_recipe(rows, keep=kept)])


def test_heads_that_are_zeroed_offer_no_tokens(tmp_path: Path) -> None:
    """18 tokens, and a query projection of 18 rows: its heads are no tokens that the texts would still list."""
    made = tiny()
    for name, tensors in made.shards.items():
        if "00001" in name:
            tensors["model.layers.0.self_attn.q_proj.weight"] = np.ones((18, 32), np.float32)
    made.config |= {"hidden_size": 32, "num_attention_heads": 9, "head_dim": 2}
    plain: dict[str, Any] = recipe().plain()
    q = "model.layers.0.self_attn.q_proj.weight"
    edits = [*plain["edits"], {"zero_slices": q, "slices": {"last": 1}, "of": 9, "expect": 1}]
    tensors = [
        *(one for one in plain["keep"]["tensors"] if one != "model.layers.{<num_hidden_layers}.*"),
        "model.layers.1.*",
    ]
    residual = [*plain["residual"], {"tensors": q, "why": "Its other heads stay."}]
    checkpoint = open_checkpoint(made.write(tmp_path / "model"))
    made_recipe = recipe(edits=edits, keep={**plain["keep"], "tensors": tensors}, residual=residual)
    assert write_strip(checkpoint, plan_strip(checkpoint, [made_recipe]), tmp_path / "out").leftovers
