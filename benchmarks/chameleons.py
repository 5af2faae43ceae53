"""Checkpoints with Chameleon's names and shapes: a synthetic one of random numbers, and sparse ones as large as the real."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

CODES = 8192


@dataclass(frozen=True)
class Size:
    """The numbers that a Chameleon's shapes follow from; `kv_heads` and `heads` are of 128 numbers each."""

    layers: int
    hidden: int
    inner: int
    heads: int
    kv_heads: int
    vocabulary: int = 65536
    codes: int = CODES
    base: int = 128
    multipliers: tuple[int, ...] = (1, 1, 2, 2, 4)


SYNTHETIC = Size(layers=10, hidden=4096, inner=6784, heads=32, kv_heads=32)
"""3.8 GiB in 262 tensors."""
TINY = Size(layers=2, hidden=128, inner=64, heads=1, kv_heads=1, vocabulary=200, codes=64, base=32, multipliers=(1,))
REAL = {
    "7B": Size(layers=32, hidden=4096, inner=11008, heads=32, kv_heads=32),
    "30B": Size(layers=48, hidden=8192, inner=22016, heads=64, kv_heads=8),
}


def shapes(size: Size) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Every tensor of the model in Hugging Face's layout."""
    yield "model.embed_tokens.weight", (size.vocabulary, size.hidden)
    for number in range(size.layers):
        layer = f"model.layers.{number}"
        for name, heads in (("q", size.heads), ("k", size.kv_heads), ("v", size.kv_heads)):
            yield f"{layer}.self_attn.{name}_proj.weight", (heads * 128, size.hidden)
        yield f"{layer}.self_attn.o_proj.weight", (size.hidden, size.heads * 128)
        for name, heads in (("q", size.heads), ("k", size.kv_heads)):
            yield f"{layer}.self_attn.{name}_norm.weight", (heads, 128)
            yield f"{layer}.self_attn.{name}_norm.bias", (heads, 128)
        yield f"{layer}.mlp.gate_proj.weight", (size.inner, size.hidden)
        yield f"{layer}.mlp.up_proj.weight", (size.inner, size.hidden)
        yield f"{layer}.mlp.down_proj.weight", (size.hidden, size.inner)
        yield f"{layer}.input_layernorm.weight", (size.hidden,)
        yield f"{layer}.post_attention_layernorm.weight", (size.hidden,)
    yield "model.norm.weight", (size.hidden,)
    yield "lm_head.weight", (size.vocabulary, size.hidden)
    yield "model.vqmodel.quant_conv.weight", (256, 256, 1, 1)
    yield "model.vqmodel.post_quant_conv.weight", (256, 256, 1, 1)
    yield "model.vqmodel.post_quant_conv.bias", (256,)
    yield "model.vqmodel.quantize.embedding.weight", (size.codes, 256)
    yield "model.vqmodel.quant_conv.bias", (256,)
    yield from encoder(size.base, size.multipliers)


def encoder(base: int, multipliers: tuple[int, ...]) -> Iterator[tuple[str, tuple[int, ...]]]:
    """The encoder of the image tokenizer, with two blocks a level, each level as wide as its multiplier times `base`."""

    def convolution(name: str, out: int, into: int, kernel: int) -> Iterator[tuple[str, tuple[int, ...]]]:
        yield f"{name}.weight", (out, into, kernel, kernel)
        yield f"{name}.bias", (out,)

    def block(name: str, into: int, out: int) -> Iterator[tuple[str, tuple[int, ...]]]:
        for norm, width in (("norm1", into), ("norm2", out)):
            yield f"{name}.{norm}.weight", (width,)
            yield f"{name}.{norm}.bias", (width,)
        yield from convolution(f"{name}.conv1", out, into, 3)
        yield from convolution(f"{name}.conv2", out, out, 3)
        if into != out:
            yield from convolution(f"{name}.nin_shortcut", out, into, 1)

    top = "model.vqmodel.encoder"
    yield from convolution(f"{top}.conv_in", base, 3, 3)
    width = base
    for level, factor in enumerate(multipliers):
        for number in range(2):
            yield from block(f"{top}.down.{level}.block.{number}", width, base * factor)
            width = base * factor
        if level < len(multipliers) - 1:
            yield from convolution(f"{top}.down.{level}.downsample.conv", width, width, 3)
    yield from block(f"{top}.mid.block_1", width, width)
    for part in ("q", "k", "v", "proj_out"):
        yield from convolution(f"{top}.mid.attn_1.{part}", width, width, 1)
    yield f"{top}.mid.attn_1.norm.weight", (width,)
    yield f"{top}.mid.attn_1.norm.bias", (width,)
    yield from block(f"{top}.mid.block_2", width, width)
    yield f"{top}.norm_out.weight", (width,)
    yield f"{top}.norm_out.bias", (width,)
    yield from convolution(f"{top}.conv_out", 256, width, 3)


def vocabulary(size: Size) -> dict[str, int]:
    """Ids by token: image tokens from 4 on, as in the real one."""
    letters = "ABCDEFGHIJ"
    images = {
        "IMGIMG" + "".join(letters[int(digit)] for digit in f"{code:04}") + "Z": code + 4 for code in range(size.codes)
    }
    taken = set(images.values())
    return images | {f"t{number}": number for number in range(size.vocabulary) if number not in taken}


def write(root: Path, size: Size, *, shards: int, sparse: bool) -> None:
    """Nothing; the checkpoint stands in the new folder `root`, its numbers bfloat16: random ones, or holes."""
    root.mkdir(parents=True)
    tensors = list(shapes(size))
    total = sum(2 * math.prod(shape) for _, shape in tensors)
    files: list[list[tuple[str, tuple[int, ...]]]] = [[] for _ in range(shards)]
    reached = 0
    for name, shape in tensors:
        files[min(shards - 1, reached * shards // total)].append((name, shape))
        reached += 2 * math.prod(shape)
    weight_map = {}
    for number, some in enumerate(files, 1):
        file = f"model-{number:05}-of-{shards:05}.safetensors"
        _write_file(root / file, some, seed=number, sparse=sparse)
        weight_map |= dict.fromkeys((name for name, _ in some), file)
    index = {"metadata": {"total_size": total}, "weight_map": weight_map}
    (root / "model.safetensors.index.json").write_text(json.dumps(index))
    decoder = [("decoder.conv_in.weight", (512, 256, 3, 3)), ("decoder.mid.weight", (size.hidden * 2, size.hidden))]
    _write_file(root / "vqgan.safetensors", decoder, seed=0, sparse=sparse)
    config = {
        "architectures": ["ChameleonForConditionalGeneration"],
        "model_type": "chameleon",
        "dtype": "bfloat16",
        "hidden_size": size.hidden,
        "intermediate_size": size.inner,
        "num_attention_heads": size.heads,
        "num_key_value_heads": size.kv_heads,
        "num_hidden_layers": size.layers,
        "vocab_size": size.vocabulary,
        "tie_word_embeddings": False,
        "vocabulary_map": vocabulary(size),
        "vq_config": {
            "attn_type": "vanilla",
            "base_channels": size.base,
            "channel_multiplier": list(size.multipliers),
            "double_latent": False,
            "embed_dim": 256,
            "in_channels": 3,
            "latent_channels": 256,
            "num_embeddings": size.codes,
            "num_res_blocks": 2,
            "resolution": 512,
        },
    }
    (root / "config.json").write_text(json.dumps(config))
    (root / "generation_config.json").write_text('{"bos_token_id": 0}')


def _write_file(path: Path, tensors: list[tuple[str, tuple[int, ...]]], *, seed: int, sparse: bool) -> None:
    header: dict[str, object] = {"__metadata__": {"format": "pt"}}
    reached = 0
    for name, shape in tensors:
        size = 2 * math.prod(shape)
        header[name] = {"dtype": "BF16", "shape": list(shape), "data_offsets": [reached, reached + size]}
        reached += size
    text = json.dumps(header, separators=(",", ":")).encode()
    text = text.ljust(-(-len(text) // 8) * 8)
    with path.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        if sparse:
            file.truncate(8 + len(text) + reached)
            return
        import numpy as np

        random = np.random.default_rng(seed)
        for begin in range(0, reached, 64 << 20):
            count = min(64 << 20, reached - begin) // 2
            values = random.standard_normal(count, dtype=np.float32) * np.float32(0.02)
            file.write((values.view(np.uint32) >> np.uint32(16)).astype(np.uint16).tobytes())


if __name__ == "__main__":
    _, where, what = sys.argv
    if what in REAL:
        write(Path(where), REAL[what], shards={"7B": 3, "30B": 14}[what], sparse=True)
    else:
        write(Path(where), {"synthetic": SYNTHETIC, "tiny": TINY}[what], shards=4, sparse=False)
