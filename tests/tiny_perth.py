"""A Perth checkpoint with random weights: the frames of the published one, and few channels."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from releasegate.subjects.perth_net import PerthNet

CONFIG: dict[str, Any] = {
    "model_type": "perth",
    "sample_rate": 16000,
    "inner_rate": 32000,
    "n_fft": 2048,
    "hop": 320,
    "window": "hann",
    "max_wmark_freq": 2000.0,
    "hidden_size": 8,
    "magnitude_floor": 1e-9,
}


def save_perth(root: Path, **changes: Any) -> Path:
    """The folder `root` with a checkpoint whose scores of noise lie about .5; `changes` are to its configuration."""
    config = CONFIG | changes
    generator = torch.Generator().manual_seed(0)
    net = PerthNet(128, CONFIG["hidden_size"])
    with torch.no_grad():
        for name, parameter in net.named_parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * parameter[0].numel() ** -0.5)
            if name.startswith("decoder") and name.endswith("6.conv.bias"):
                parameter.fill_(0.5)
            if name.startswith("encoder.layers.6"):
                parameter.mul_(0.02)  # some 4 dB
    root.mkdir()
    (root / "config.json").write_text(json.dumps(config))
    save_file(dict(net.state_dict()), root / "model.safetensors", metadata={"format": "pt"})
    return root
