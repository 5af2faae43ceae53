"""Small checkpoints in Chameleon's layout, made without torch, and hand-made safetensors files."""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import rfc8785
from numpy.typing import NDArray
from safetensors.numpy import save_file

from releasegate.documents import parse_document
from releasegate.recipe import Recipe

Tensors = dict[str, NDArray[Any]]

VOCABULARY = {
    **{name: index for index, name in enumerate(("<s>", "<pad>", "</s>", "<unk>"))},
    **{f"IMGIMG{chr(65 + code)}Z": 4 + code for code in range(8)},
    **{name: 12 + index for index, name in enumerate(("<eoss>", "<racm3:break>", "<image>", "seven", "what", "draw"))},
}
"""18 tokens; ids 4 to 11 are image tokens."""

RECIPES = Path(__file__).parent.parent / "policies" / "recipes"


WIDE = "chameleon-hf/drawing"
"""The id of the recipe for the tiny checkpoint."""


def chameleon_recipe_text() -> str:
    """The recipe that ships for Chameleon's image generation, made wide: the tiny checkpoint is of no library's class."""
    text = (RECIPES / "chameleon-hf" / "image_generation.yaml").read_text()
    return text.replace("  exactly: class\n", "").replace("id: chameleon-hf/image_generation", f"id: {WIDE}")


def write_recipes(root: Path) -> Path:
    """The recipes that ship and that for the tiny checkpoint, in a gate repository that is begun at `root`."""
    recipes = root / "policies" / "recipes"
    shutil.copytree(RECIPES, recipes)
    (recipes / f"{WIDE}.yaml").write_text(chameleon_recipe_text())
    return recipes


def chameleon_recipe() -> Recipe:
    """The same, read."""
    return parse_document(Recipe, chameleon_recipe_text(), "image_generation.yaml").record


def recipe(**changes: Any) -> Recipe:
    """The Chameleon recipe with some of its top-level keys replaced."""
    return Recipe.from_text(json.dumps({**chameleon_recipe().plain(), **changes}))


@dataclass
class Tiny:
    """A checkpoint that can be changed before it is written."""

    shards: dict[str, Tensors]
    siblings: dict[str, Tensors]
    config: dict[str, Any]
    texts: dict[str, str] = field(default_factory=dict)
    metadata: dict[str, str] = field(default_factory=lambda: {"format": "pt"})

    def write(self, root: Path) -> Path:
        """The folder `root`, made."""
        root.mkdir(parents=True)
        for name, tensors in {**self.shards, **self.siblings}.items():
            save_file(tensors, root / name, metadata=self.metadata)
        (root / "config.json").write_text(json.dumps(self.config))
        if list(self.shards) != ["model.safetensors"]:
            places = {tensor: shard for shard, tensors in self.shards.items() for tensor in tensors}
            size = sum(array.nbytes for tensors in self.shards.values() for array in tensors.values())
            count = sum(array.size for tensors in self.shards.values() for array in tensors.values())
            index = {"metadata": {"total_size": size, "total_parameters": count}, "weight_map": places}
            (root / "model.safetensors.index.json").write_text(json.dumps(index))
        for name, text in self.texts.items():
            (root / name).write_text(text)
        return root


def tiny(seed: int = 0, dtype: Any = np.float32) -> Tiny:
    """A checkpoint with every kind of tensor that the Chameleon recipe names, in two shards, with a decoder."""
    rng = np.random.default_rng(seed)

    def drawn(*shape: int) -> NDArray[Any]:
        return rng.standard_normal(shape).astype(dtype)

    rows = len(VOCABULARY)
    return Tiny(
        shards={
            "model-00001-of-00002.safetensors": {
                "model.embed_tokens.weight": drawn(rows, 32),
                "model.layers.0.self_attn.q_proj.weight": drawn(32, 32),
                "model.norm.weight": drawn(32),
                "lm_head.weight": drawn(rows, 32),
            },
            "model-00002-of-00002.safetensors": {
                "model.layers.1.self_attn.q_proj.weight": drawn(32, 32),
                "model.vqmodel.encoder.conv_in.weight": drawn(8, 3, 3, 3),
                "model.vqmodel.quant_conv.weight": drawn(8, 8, 1, 1),
                "model.vqmodel.quantize.embedding.weight": drawn(8, 8),
                "model.vqmodel.post_quant_conv.weight": drawn(8, 8, 1, 1),
                "model.vqmodel.post_quant_conv.bias": drawn(32),
            },
        },
        siblings={
            "vqgan.safetensors": {"decoder.conv_in.weight": drawn(16, 8, 3, 3), "decoder.conv_in.bias": drawn(16)}
        },
        config={
            "model_type": "chameleon",
            "vocab_size": rows,
            "num_hidden_layers": 2,
            "tie_word_embeddings": False,
            "vocabulary_map": VOCABULARY,
            "vq_config": {"num_embeddings": 8},
        },
        texts={"generation_config.json": '{"bos_token_id": 0}', "README.md": "# A card\n"},
    )


def safetensors(header: object, data: bytes = b"", *, length: int | None = None) -> bytes:
    """A safetensors file with the given header (JSON data, or raw bytes), padded to the 8-byte grid."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    text = text.ljust(-(-len(text) // 8) * 8, b" ")
    return (len(text) if length is None else length).to_bytes(8, "little") + text + data


def bytes_of(root: Path) -> dict[str, bytes]:
    """Every file under `root` with what it holds."""
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


def file_digests(name: str, content: bytes) -> tuple[str | None, str | None]:
    """The two digests of a file's entry, worked out anew: of its bytes, or of the parts of a safetensors file."""

    def sha256(data: bytes) -> str:
        return "sha256:" + hashlib.sha256(data).hexdigest()

    if not name.endswith(".safetensors"):
        return sha256(content), None
    start = 8 + int.from_bytes(content[:8], "little")
    entries = {key: entry for key, entry in json.loads(content[8:start]).items() if key != "__metadata__"}
    spans = sorted(entry["data_offsets"] for entry in entries.values())
    tensors = [sha256(content[start + begin : start + end]) for begin, end in spans]
    return None, sha256(rfc8785.dumps({"safetensors": {"header": sha256(content[:start]), "tensors": tensors}}))
