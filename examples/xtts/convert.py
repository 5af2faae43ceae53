"""Makes a checkpoint of XTTS v2's published files, which `torch.save` wrote, without executing their pickles.

    python examples/xtts/convert.py --model FOLDER --out FOLDER

FOLDER has `model.pth` (or another file of weights, with `--weights`), `config.json` and `vocab.json`. What a trainer stored
beside the model is left out, as is what training alone needs (`dvae.pth`, `mel_stats.pth`) and the stored speakers. A file
that holds an object of some library beside the tensors, as the first published one does, is refused: where it can be
trusted, save `{"model": torch.load("model.pth", weights_only=False)["model"]}` again.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

import click
import torch
from safetensors.torch import save_file
from torch import Tensor

from releasegate.checkpoint import open_checkpoint
from releasegate.checkpoint.load import load_torch_file
from releasegate.errors import CheckpointError
from releasegate.subjects.xtts import open_subject
from releasegate.subjects.xtts_names import PREFIX, first_name

BESIDE = ("config.json", "vocab.json")
TRAINING = ("torch_mel_spectrogram_style_encoder.", "torch_mel_spectrogram_dvae.", "dvae.")
"""How tensors begin that a trainer's file holds and no voice needs."""


def convert(weights: Path, folder: Path, out: Path) -> None:
    """Writes `config.json`, `vocab.json` and `model.safetensors` to the folder `out`, which is made, and opens what it wrote.

    Args:
        weights: the file that `torch.save` wrote.
        folder: what holds the other two.

    Raises:
        CheckpointError: a file is not what torch writes, or its tensors are not those of its configuration.
    """
    stored, _ = load_torch_file(weights)
    tensors = own(stored, str(weights))
    out.mkdir(parents=True, exist_ok=True)
    for name in BESIDE:
        shutil.copyfile(folder / name, out / name)
    save_file(tensors, out / "model.safetensors", metadata={"format": "pt"})
    (out / "model.safetensors").chmod(0o644)  # as the configuration
    open_subject(open_checkpoint(out), None, torch.device("cpu"), torch.float32)


def own(stored: Mapping[str, Tensor], where: str) -> dict[str, Tensor]:
    """The model's tensors by the names in the published file, second names and a trainer's own left out.

    Raises:
        CheckpointError: there are none, or a second name holds other values than the first.
    """
    below = {
        name.removeprefix(PREFIX).removeprefix("xtts."): t for name, t in stored.items() if name.startswith(PREFIX)
    }
    found = {name: tensor for name, tensor in below.items() if not name.startswith(TRAINING)}
    if not found:
        raise CheckpointError(where, "holds no model", "give the file that holds its tensors under `model`")
    made = {}
    for name, tensor in found.items():
        first = first_name(name)
        if first is None:
            made[f"{PREFIX}{name}"] = tensor.contiguous()
        elif first not in found or not torch.equal(found[first], tensor):
            raise CheckpointError(where, f"has {name} with other values than {first}", "save the model before it spoke")
    return made


@click.command(help=__doc__)
@click.option("--model", "folder", type=click.Path(path_type=Path, exists=True, file_okay=False), required=True)
@click.option("--weights", default="model.pth", show_default=True, help="The file of weights in that folder.")
@click.option("--out", type=click.Path(path_type=Path), required=True)
def main(folder: Path, weights: str, out: Path) -> None:
    convert(folder / weights, folder, out)
    click.echo(f"wrote {out}")


if __name__ == "__main__":
    main()
