"""Makes a checkpoint of the weights that the package `resemble-perth` ships: `python examples/perth/export.py --out FOLDER`.

The package is found and not imported; its file of weights is read without executing its pickle.
"""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path

import click
import torch
from safetensors.torch import save_file

from releasegate.checkpoint.load import load_torch_file
from releasegate.errors import NotFound
from releasegate.yamltext import parse_yaml

WEIGHTS = "perth_net/pretrained/implicit/perth_net_250000.pth.tar"
HYPERPARAMETERS = "perth_net/pretrained/implicit/hparams.yaml"
PREFIX = "model."
SAMPLE_RATE = 16000  # of the audio that is measured


def export(package: Path, out: Path) -> None:
    """Writes `config.json` and `model.safetensors` to the folder `out`, which is made.

    Args:
        package: the folder of the package `perth`.

    Raises:
        CheckpointError: the file of weights is not what torch writes.
        ValueError: the weights go with another window than the one that they are used with here.
    """
    parsed = parse_yaml((package / HYPERPARAMETERS).read_bytes(), HYPERPARAMETERS).data
    tensors, _ = load_torch_file(package / WEIGHTS)
    n_fft = parsed["n_fft"]
    if (parsed["window_fn"], parsed["window_size"]) != ("hann", n_fft):
        raise ValueError(f"{HYPERPARAMETERS}: the window is not a Hann window of {n_fft} samples")
    if not torch.allclose(tensors[f"{PREFIX}ap.spectrogram.window"], torch.hann_window(n_fft), atol=1e-6):
        raise ValueError(f"{WEIGHTS}: the window is not a Hann window")
    config = {
        "model_type": "perth",
        "sample_rate": SAMPLE_RATE,
        "inner_rate": parsed["sample_rate"],
        "n_fft": n_fft,
        "hop": parsed["hop_size"],
        "window": "hann",
        "max_wmark_freq": float(parsed["max_wmark_freq"]),
        "hidden_size": parsed["hidden_size"],
        "magnitude_floor": parsed["stft_magnitude_min"],
    }
    kept = {  # what else there is are windows, which the configuration gives
        name.removeprefix(PREFIX): tensor.contiguous()
        for name, tensor in tensors.items()
        if name.startswith((f"{PREFIX}encoder.", f"{PREFIX}decoder."))
    }
    out.mkdir(parents=True, exist_ok=True)
    (out / "config.json").write_text(json.dumps(config, indent=1) + "\n")
    save_file(kept, out / "model.safetensors", metadata={"format": "pt"})
    (out / "model.safetensors").chmod(0o644)  # as the configuration


def installed() -> Path:
    """The folder of the package `perth`.

    Raises:
        NotFound: it is not installed.
    """
    spec = find_spec("perth")
    if spec is None or not spec.submodule_search_locations:
        raise NotFound("perth", "is not installed", "install the extra `audio`, or `pip install resemble-perth`")
    return Path(next(iter(spec.submodule_search_locations)))


@click.command(help=__doc__)
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), required=True, help="Folder to write to.")
def main(out: Path) -> None:
    export(installed(), out)


if __name__ == "__main__":
    main()
