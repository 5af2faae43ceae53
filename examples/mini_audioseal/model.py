"""The generator and the detector, of the audioseal package's own classes, and their configuration."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

os.environ.setdefault("NO_TORCH_COMPILE", "1")  # read when the package is imported; compiling takes minutes

import torch
from audioseal.builder import (
    AudioSealDetectorConfig,
    AudioSealWMConfig,
    DecoderConfig,
    DetectorConfig,
    SEANetConfig,
    create_detector,
    create_generator,
)
from audioseal.models import AudioSealDetector, AudioSealWM
from safetensors.torch import load_file, save_file

NBITS = 8
SEANET = SEANetConfig(
    channels=1,
    dimension=32,
    n_filters=8,
    n_residual_layers=1,
    ratios=[5, 4, 4, 4],  # the encoder takes them from the right; 4 first, since what runs at 16 kHz costs most
    activation="ELU",
    activation_params={"alpha": 1.0},
    norm="none",  # the package's weight norm does not build with current torch
    norm_params={},
    kernel_size=7,
    last_kernel_size=7,
    residual_kernel_size=3,
    dilation_base=2,
    causal=False,
    pad_mode="constant",
    true_skip=True,
    compress=2,
    lstm=0,
    disable_norm_outer_blocks=0,
)
DECODER = DecoderConfig(final_activation=None, final_activation_params=None, trim_right_ratio=1.0)
SNR_DB, WINDOW = 25.0, 640  # of the envelope
MESSAGE_SCALE = 0.7  # of the embeddings at the start, so that the message outweighs the speech


def make_config() -> dict[str, Any]:
    """What `config.json` says: sizes of both networks, bits of a message, and how the residual is scaled."""
    return {
        "model_type": "audioseal",
        "sample_rate": 16000,
        "nbits": NBITS,
        "generator": {"seanet": asdict(SEANET), "decoder": asdict(DECODER)},
        "detector": {"seanet": asdict(SEANET), "output_dim": 32},
        "envelope": {"snr_db": SNR_DB, "window": WINDOW},
    }


def build(config: dict[str, Any]) -> tuple[AudioSealWM, AudioSealDetector]:
    """An untrained generator and detector of a configuration, from torch's global generator of random numbers."""
    generator = create_generator(
        AudioSealWMConfig(
            nbits=config["nbits"],
            seanet=SEANetConfig(**config["generator"]["seanet"]),
            decoder=DecoderConfig(**config["generator"]["decoder"]),
        )
    )
    detector = create_detector(
        AudioSealDetectorConfig(
            nbits=config["nbits"],
            seanet=SEANetConfig(**config["detector"]["seanet"]),
            detector=DetectorConfig(output_dim=config["detector"]["output_dim"]),
        )
    )
    for network in (generator, detector):
        _initialise(network)
    with torch.no_grad():
        embedding = generator.msg_processor.msg_processor.weight  # [2 * nbits, dimension]: 0 and 1 of each bit in turn
        embedding.mul_(MESSAGE_SCALE)
        embedding[1::2] = -embedding[::2]
    return generator, detector


def _initialise(network: torch.nn.Module) -> None:
    """Draws every convolution anew so that it passes on the variance of its input, with biases of zero.

    Torch's own start shrinks a signal by half a layer. Through the twelve layers of a decoder nothing of a message would
    reach the residual, which the envelope scales up to the same level whatever is in it: a constant, made of biases.
    """
    for layer in network.modules():
        if isinstance(layer, torch.nn.Conv1d):
            torch.nn.init.normal_(layer.weight, std=(layer.in_channels * layer.kernel_size[0]) ** -0.5)
        elif isinstance(layer, torch.nn.ConvTranspose1d):
            taps = max(1, layer.kernel_size[0] // layer.stride[0])  # of the input that reach one sample of the output
            torch.nn.init.normal_(layer.weight, std=(layer.in_channels * taps) ** -0.5)
        else:
            continue
        if layer.bias is not None:
            torch.nn.init.zeros_(layer.bias)


def write_checkpoint(generator: AudioSealWM, detector: AudioSealDetector, config: dict[str, Any], folder: Path) -> None:
    """Writes `config.json` and `model.safetensors` (float16, tensors `generator.*` and `detector.*`)."""
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {
        f"{part}.{name}": tensor.detach().to(torch.float16).contiguous()
        for part, module in (("generator", generator), ("detector", detector))
        for name, tensor in module.state_dict().items()
    }
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")


def read_checkpoint(folder: Path) -> tuple[AudioSealWM, AudioSealDetector, dict[str, Any]]:
    """The generator and detector of a folder in float32, ready to run, and its configuration."""
    config = json.loads((folder / "config.json").read_text())
    tensors = load_file(folder / "model.safetensors")
    generator, detector = build(config)
    for part, module in (("generator", generator), ("detector", detector)):
        prefix = f"{part}."
        module.load_state_dict({k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)})
        module.eval()
    return generator, detector, config
