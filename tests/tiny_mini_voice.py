"""A mini-voice checkpoint with random weights and few channels, and sounds that have a pitch."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from releasegate.subjects.audioseal import Networks
from releasegate.subjects.mini_voice import MiniVoiceConfig, Trained
from releasegate.subjects.mini_voice_content import Content
from releasegate.subjects.mini_voice_frames import RATE
from releasegate.subjects.mini_voice_speaker import Speaker
from tests.tiny_audioseal import CONFIG as AUDIOSEAL
from tests.tiny_audioseal import fill

CONFIG: dict[str, Any] = {
    "model_type": "mini-voice",
    "sample_rate": 16000,
    "content": {"width": 32, "heads": 2, "hidden": [48, 40]},
    "converter": {
        "content": 32,
        "width": 24,
        "bottleneck": 12,
        "condition": 16,
        "content_blocks": 1,
        "blocks": 2,
    },
    "vocoder": {"width": 16, "blocks": 1},
    "watermark": AUDIOSEAL,
}


def save_mini_voice(root: Path, **changes: Any) -> Path:
    """The folder `root` with a checkpoint; `changes` are to its configuration, after the tensors were made."""
    config = MiniVoiceConfig.model_validate_json(json.dumps(CONFIG))
    assert config.watermark is not None
    modules: dict[str, nn.Module] = {
        "model": Trained(config),
        "content": Content(**dict(config.content)),
        "speaker": Speaker(),
        "watermark": Networks(config.watermark),
    }
    root.mkdir(parents=True, exist_ok=True)
    for seed, (name, module) in enumerate(modules.items()):
        fill(module, seed)
        save_file({key: value.clone() for key, value in module.state_dict().items()}, root / f"{name}.safetensors")
    (root / "config.json").write_text(json.dumps(CONFIG | changes))
    return root


def sung(hertz: float, seconds: float, level: float = 0.1, seed: int = 0) -> Tensor:
    """float32 [seconds * RATE], a buzz that swells and fades, with noise under it."""
    time = torch.arange(round(seconds * RATE)) / RATE
    buzz = sum(torch.sin(2 * torch.pi * hertz * k * time) / k for k in range(1, 12))
    breath = torch.randn(len(time), generator=torch.Generator().manual_seed(seed))
    swell = 0.6 + 0.4 * torch.sin(2 * torch.pi * 3 * time)
    return level * (swell * buzz + 0.05 * breath)
