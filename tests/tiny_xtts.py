"""An XTTS checkpoint with the published names at a tiny size: random weights, and a tokenizer of letters."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor
from transformers.audio_utils import mel_filter_bank

from tests.layouts import LAYOUTS
from tests.layouts.tokenizers_files import tokenizer_json
from tests.layouts.xtts import SPEAKER_MELS

RATE = 24_000
SPECIAL = ("[STOP]", "[UNK]", "[SPACE]", "[en]", "[es]", "[fr]", "[START]")
LETTERS = "abcdefghijklmnopqrstuvwxyz'.,!?-"
VOCABULARY = {token: number for number, token in enumerate((*SPECIAL, *LETTERS))}


def tiny_config(**changes: Any) -> dict[str, Any]:
    """`config.json`; clones are short, and drawn as the library draws by default."""
    config = json.loads(json.dumps(LAYOUTS["xtts"].contents("tiny").texts["config.json"]))
    config["model_args"] |= {"gpt_max_audio_tokens": 17, "gpt_max_text_tokens": 14, **changes.pop("model_args", {})}
    return {**config, "temperature": 0.75, "repetition_penalty": 2.0, "top_k": 20, "top_p": 0.85, **changes}


def tiny_tensors(seed: int = 0) -> dict[str, Tensor]:
    """The tensors of `model.pth` below `model`, by their published names."""
    generator = torch.Generator().manual_seed(seed)
    shapes = {n: s.shape for n, s in LAYOUTS["xtts"].contents("tiny").torch["model.pth"]["model"].items()}
    return {name: _value(name, shape, generator) for name, shape in shapes.items() if isinstance(name, str)}


def _value(name: str, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    if name.endswith("num_batches_tracked"):
        return torch.tensor(3)
    if name.endswith("torch_spec.0.filter"):
        return torch.tensor([[[-0.97, 1.0]]])
    if name.endswith("spectrogram.window"):
        return torch.hamming_window(400)
    if name.endswith("mel_scale.fb"):
        bank = mel_filter_bank(257, SPEAKER_MELS, 0.0, 8000.0, 16000, norm=None, mel_scale="htk")
        return torch.from_numpy(bank).float()
    random = torch.randn(shape, generator=generator)
    if name == "mel_stats" or name.endswith(("running_var", "original0", "gamma")):
        return 1 + 0.2 * random.abs()
    if len(shape) > 1:
        return random / math.sqrt(shape[0] if ".c_" in name else math.prod(shape[1:]))
    return 1 + 0.1 * random if "norm" in name and name.endswith("weight") else 0.1 * random


def save_xtts(root: Path, *, prefix: str = "", tensors: dict[str, Tensor] | None = None, **changes: Any) -> Path:
    """The folder `root`, made, with a checkpoint; `changes` are to its configuration."""
    root.mkdir(parents=True)
    stored = tiny_tensors() if tensors is None else tensors
    save_file({f"{prefix}{name}": tensor.contiguous() for name, tensor in stored.items()}, root / "model.safetensors")
    (root / "config.json").write_text(json.dumps(tiny_config(**changes)))
    vocabulary = tokenizer_json(VOCABULARY, SPECIAL)
    vocabulary["model"]["unk_token"] = "[UNK]"
    (root / "vocab.json").write_text(json.dumps(vocabulary))
    return root


def voice(seconds: float = 1.0, pitch: float = 150.0, seed: int = 0) -> Tensor:
    """float32 [t] at 24 kHz: a buzz with some noise, in place of a recording."""
    time = torch.arange(int(seconds * RATE)) / RATE
    buzz = sum(torch.sin(2 * math.pi * pitch * k * time) / k for k in range(1, 8))
    noise = torch.randn(len(time), generator=torch.Generator().manual_seed(seed))
    return 0.15 * buzz + 0.02 * noise
