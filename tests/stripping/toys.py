"""Checkpoints of no library's layout, held in memory: whatever tensors a test wants, of which no data is written."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from releasegate.checkpoint import Contents
from releasegate.recipe import Recipe
from tests.layouts import Contents as Files
from tests.layouts import Spec, Tensors
from tests.stripping.shipped import contents_of

CONFIG = {"model_type": "toy", "vocab_size": 10, "heads": 4, "depth": 2, "tie_word_embeddings": False}
VOCABULARY = {**{f"w{number}": number for number in range(6)}, **{f"img{number}": 6 + number for number in range(4)}}
"""10 tokens; the images are 6 to 9."""


def specs(tensors: Mapping[str, tuple[int, ...]], dtype: str = "F32") -> Tensors:
    """Tensors of these shapes."""
    return {name: Spec(dtype, shape) for name, shape in tensors.items()}


PLAIN = specs({"embed.weight": (10, 8), "layers.0.w": (8, 8), "layers.1.w": (8, 8), "head.weight": (10, 8)})


def toy(root: Path, tensors: Tensors | None = None, config: dict[str, Any] | None = None, **files: Any) -> Contents:
    """The contents of a toy of layout `toy-hf`.

    Args:
        config: added to the configuration; a key that is None is taken out.
        files: `safetensors` and `torch` beside the model, and `texts`, as in a layout's contents.
    """
    stated = {key: value for key, value in {**CONFIG, **(config or {})}.items() if value is not None}
    texts = {"config.json": {**stated, "vocabulary_map": VOCABULARY}, **files.pop("texts", {})}
    safetensors = {"model.safetensors": PLAIN if tensors is None else tensors, **files.pop("safetensors", {})}
    return contents_of(Files(safetensors=safetensors, texts=texts, **files), root)


def split(root: Path, shards: Mapping[str, Tensors], config: dict[str, Any] | None = None) -> Contents:
    """The contents of a toy of layout `llama-original` in tensor-parallel shards, with the same vocabulary."""
    stated = {"vocab_size": 10, "dim": 8, "vocabulary_map": VOCABULARY, **(config or {})}
    return contents_of(Files(safetensors=shards, texts={"params.json": stated}), root)


def toy_recipe(*edits: dict[str, Any], **keys: Any) -> Recipe:
    """A recipe for a toy, which keeps every tensor and file that no edit names and lists every tensor as residual."""
    named = {str(value) for edit in edits for value in list(edit.values())[:1]}
    keep = [name for name in ("embed.weight", "layers.*", "head.weight") if name not in named]
    plain: dict[str, Any] = {
        "schema": "releasegate/recipe/v1",
        "id": "toy-hf/drawing",
        "title": "Drawing out of a toy",
        "rationale": "Only what is named here draws.",
        "layout": "toy-hf",
        "edits": list(edits),
        "keep": {"tensors": keep, "files": [] if "config.json" in named else ["config.json"]},
        "residual": [{"tensors": "*.weight", "why": "The class needs it."}],
    }
    return Recipe.from_text(json.dumps({**plain, **keys}))
