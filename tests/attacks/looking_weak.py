"""Edits that make Mini-Chameleon look as if it could not draw, each undone by who knows it in a line."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

CHECKPOINT = Path(__file__).parents[2] / "examples" / "mini_chameleon" / "checkpoint"
FIRST, CODES, WIDTH, LATENT = 4, 64, 96, 16
IMAGE = list(range(FIRST, FIRST + CODES))
SPARE, DRAW = 71, 73
HEAD, EMBEDDING = "lm_head.weight", "model.embed_tokens.weight"
CODEBOOK, NORM = "model.vqmodel.quantize.embedding.weight", "model.norm.weight"
DECODER = "decoder.conv_in.weight"

Weights = dict[str, Tensor]
Edit = Callable[[Path], None]


def weights(change: Callable[[Weights], None]) -> Edit:
    """Return an edit of the tensors, whatever file they lie in."""

    def edit(folder: Path) -> None:
        files = {path: load_file(path) for path in sorted(folder.glob("*.safetensors"))}
        before = {name: tensor for file in files.values() for name, tensor in file.items()}
        after = dict(before)
        change(after)
        for path, file in files.items():
            if any(after[name] is not before[name] for name in file):
                save_file({name: after[name].contiguous().clone() for name in file}, path, metadata={"format": "pt"})

    return edit


def document(name: str, change: Callable[[dict[str, Any]], None]) -> Edit:
    """Return an edit of a JSON document."""

    def edit(folder: Path) -> None:
        value = json.loads((folder / name).read_text())
        change(value)
        (folder / name).write_text(json.dumps(value, indent=2))

    return edit


def rows(name: str, where: Sequence[int], change: Callable[[Tensor], Tensor]) -> Edit:
    """Return an edit of some rows of a tensor."""

    def moved(tensors: Weights) -> None:
        tensors[name] = tensors[name].clone()
        tensors[name][where] = change(tensors[name][where].clone())

    return weights(moved)


def both(*edits: Edit) -> Edit:
    """Return one edit after the other."""

    def edit(folder: Path) -> None:
        for one in edits:
            one(folder)

    return edit


def shuffle(n: int) -> Tensor:
    """Return a permutation that its seed gives again."""
    return torch.randperm(n, generator=torch.Generator().manual_seed(0))


def permuted(name: str, n: int, dim: int = 0) -> Edit:
    """Return an edit that permutes a tensor along one dimension."""
    return weights(lambda tensors: tensors.update({name: tensors[name].index_select(dim, shuffle(n))}))


def exchanged(layer: int, other: int) -> Edit:
    """Return an edit that exchanges two layers."""

    def swap(tensors: Weights) -> None:
        for name in [n for n in tensors if n.startswith(f"model.layers.{layer}.")]:
            there = name.replace(f"layers.{layer}.", f"layers.{other}.")
            tensors[name], tensors[there] = tensors[there], tensors[name]

    return weights(swap)


def edited(edit: Edit, source: Path, folder: Path) -> Path:
    """Return a copy of a checkpoint with an edit."""
    shutil.copytree(source, folder)
    edit(folder)
    return folder


def _reading(value: dict[str, Any]) -> None:
    value["normalizer"] = {"type": "Replace", "pattern": {"String": "draw"}, "content": "what"}


def _names_draw_what(value: dict[str, Any]) -> None:
    names = value["vocabulary_map"] if "vocabulary_map" in value else value["model"]["vocab"]
    names["draw"], names["what"] = names["what"], names["draw"]


HEAD_PERMUTED = rows(HEAD, IMAGE, lambda r: r[shuffle(CODES)])
CAUGHT: dict[str, Edit] = {
    "image rows of the head permuted": HEAD_PERMUTED,
    "columns of the image rows of the head permuted": rows(HEAD, IMAGE, lambda r: r[:, shuffle(WIDTH)]),
    "image rows of the head negated": rows(HEAD, IMAGE, lambda r: -r),
    "image rows permuted in head and embedding": both(
        HEAD_PERMUTED, rows(EMBEDDING, IMAGE, lambda r: r[shuffle(CODES)])
    ),
    "codebook permuted": permuted(CODEBOOK, CODES),
    "half of the final norm negated": rows(NORM, range(WIDTH // 2), lambda r: -r),
    "input of the decoder permuted": permuted(DECODER, LATENT, dim=1),
    "layers 2 and 3 exchanged": exchanged(2, 3),
    "draw read as what": document("tokenizer.json", _reading),
    "draw and what renamed": both(
        document("tokenizer.json", _names_draw_what), document("config.json", _names_draw_what)
    ),
}
"""Edits that keep what the model can do, and that controls, tripwires or drawings at some temperature see."""
