"""What files are called in the output whose form changes."""

from __future__ import annotations

from pathlib import PurePosixPath

INDEX = ".index.json"


def converted_name(pickle: str) -> str:
    """What the safetensors file is called that a pickle becomes.

    >>> converted_name("tokenizer/vqgan.ckpt"), converted_name("pytorch_model-00001-of-00002.bin")
    ('tokenizer/vqgan.safetensors', 'model-00001-of-00002.safetensors')
    """
    path = PurePosixPath(pickle)
    stem = path.stem.removeprefix("pytorch_") if path.stem.startswith("pytorch_model") else path.stem
    return str(path.with_name(f"{stem}.safetensors"))


def index_name(index: str) -> str:
    """The name of the index of a sharded model in the output.

    >>> index_name("pytorch_model.bin.index.json"), index_name("model.safetensors.index.json")
    ('model.safetensors.index.json', 'model.safetensors.index.json')
    """
    return converted_name(index.removesuffix(INDEX)) + INDEX


def values_name(converted: str) -> str:
    """The file that holds the values of a pickle that are not tensors, beside the safetensors file `converted`.

    >>> values_name("consolidated.00.safetensors")
    'consolidated.00.json'
    """
    return converted.removesuffix(".safetensors") + ".json"
