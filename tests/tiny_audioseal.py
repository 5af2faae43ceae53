"""An AudioSeal checkpoint with random weights: the package's own classes, with few channels."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import nn

from releasegate.subjects.audioseal import AudioSealConfig, Networks

SEANET: dict[str, Any] = {
    "channels": 1,
    "dimension": 16,
    "n_filters": 4,
    "n_residual_layers": 1,
    "ratios": [5, 4, 2],
    "activation": "ELU",
    "activation_params": {"alpha": 1.0},
    "norm": "none",
    "norm_params": {},
    "kernel_size": 7,
    "last_kernel_size": 7,
    "residual_kernel_size": 3,
    "dilation_base": 2,
    "causal": False,
    "pad_mode": "constant",
    "true_skip": True,
    "compress": 2,
    "lstm": 1,
    "disable_norm_outer_blocks": 0,
}
CONFIG: dict[str, Any] = {
    "model_type": "audioseal",
    "sample_rate": 16000,
    "nbits": 8,
    "generator": {
        "seanet": SEANET,
        "decoder": {"final_activation": None, "final_activation_params": None, "trim_right_ratio": 1.0},
    },
    "detector": {"seanet": SEANET, "output_dim": 32},
    "envelope": {"snr_db": 24.0, "window": 640},
}


def fill(module: nn.Module, seed: int = 0) -> None:
    """Gives the module random weights under which signals neither die out nor explode."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in module.parameters():
            spread = parameter[0].numel() ** -0.5 if parameter.ndim > 1 else 0.1
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * spread)


def save_audioseal(root: Path, **changes: Any) -> Path:
    """The folder `root` with a checkpoint; `changes` are to its configuration, after the tensors were made."""
    networks = Networks(AudioSealConfig.model_validate_json(json.dumps(CONFIG)))
    fill(networks)
    root.mkdir()
    changed = {key: value for key, value in (CONFIG | changes).items() if value is not None}
    (root / "config.json").write_text(json.dumps(changed))
    save_file(dict(networks.state_dict()), root / "model.safetensors", metadata={"format": "pt"})
    return root
