"""Makes a checkpoint of AudioSeal's published files, which `torch.save` wrote, without executing their pickles.

    python examples/audioseal/convert.py --generator generator_base.pth --detector detector_base.pth --out FOLDER
    python examples/audioseal/convert.py --hub facebook/audioseal --out FOLDER

The sizes of the networks are those that a file holds under `xp.cfg`, or else those of the cards that the package `audioseal`
ships. A file whose configuration is an object of some library is refused: load it where it can be trusted, and save the
dictionary of tensors alone.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import click
import torch
from huggingface_hub import hf_hub_download
from safetensors.torch import save_file
from torch import Tensor

from releasegate.checkpoint import open_checkpoint
from releasegate.checkpoint.load import load_torch_file
from releasegate.errors import CheckpointError, NotFound
from releasegate.subjects.audioseal import SEANet, open_subject
from releasegate.yamltext import parse_yaml

FILES = {"generator": "generator_base.pth", "detector": "detector_base.pth"}
"""What the parts are called on the hub."""
CARDS = {"generator": "audioseal_wm_16bits.yaml", "detector": "audioseal_detector_16bits.yaml"}
"""What their cards are called in the package."""
PREFIXES = ("best_state.model.", "model.", "")
"""Under which of these the tensors stand in a file; the first that leads to any counts."""
FIRST = {"generator": "encoder.", "detector": "detector."}
"""How the names of each part's tensors begin; the generator has others, too."""
SETTINGS = "xp.cfg."
SAMPLE_RATE = 16000

_PLAIN = re.compile(r"(\.conv|\.convtr)\.((?:weight|bias|weight_[gv]|parametrizations\.weight\.original[01])$)")
_DIRECTIONS = {"weight_v": "weight_g", "parametrizations.weight.original1": "parametrizations.weight.original0"}
"""The direction of a weight, and its length: weight norm keeps the two apart."""


def convert(files: Mapping[str, Path], out: Path) -> None:
    """Writes `config.json` and `model.safetensors` to the folder `out`, which is made, and opens what it wrote.

    Args:
        files: the file of `generator` and of `detector`.

    Raises:
        CheckpointError: a file is not what torch writes, or its tensors are not those of its configuration.
    """
    tensors: dict[str, Tensor] = {}
    config: dict[str, Any] = {"model_type": "audioseal", "sample_rate": SAMPLE_RATE}
    for part, path in files.items():
        stored, values = load_torch_file(path)
        own = merged({modern(name): tensor for name, tensor in _own(stored, part, path).items()})
        tensors |= {f"{part}.{name}": tensor.contiguous() for name, tensor in own.items()}
        config[part] = _sizes(part, settings(values) or card(part))
    config["nbits"] = len(tensors["generator.msg_processor.msg_processor.weight"]) // 2  # one row for 0, one for 1
    out.mkdir(parents=True, exist_ok=True)
    (out / "config.json").write_text(json.dumps(config, indent=1) + "\n")
    save_file(tensors, out / "model.safetensors", metadata={"format": "pt"})
    (out / "model.safetensors").chmod(0o644)  # as the configuration
    open_subject(open_checkpoint(out), None, torch.device("cpu"), torch.float32)


def _own(stored: Mapping[str, Tensor], part: str, path: Path) -> dict[str, Tensor]:
    """The part's tensors, by their names in its state dict."""
    for prefix in PREFIXES:
        found = {name.removeprefix(prefix): tensor for name, tensor in stored.items() if name.startswith(prefix)}
        if any(name.startswith(FIRST[part]) for name in found):
            return found
    raise CheckpointError(str(path), f"holds no {part}", "give the file that was published as the " + part)


def modern(name: str) -> str:
    """What a tensor of an old state dict is called by the package's present classes.

    >>> modern("encoder.model.0.conv.conv.weight_g"), modern("detector.1.weight")
    ('encoder.model.0.conv.conv.inner_conv.weight_g', 'detector.1.weight')
    """
    return _PLAIN.sub(r"\1.inner_conv.\2", name)


def merged(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors with each weight's direction and length put together: length * direction / |direction|.

    Lengths are those of the first dimension's slices, as weight norm has it by default.

    Raises:
        KeyError: a direction has no length.
    """
    made: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        ending = next((ending for ending in _DIRECTIONS if name.endswith("." + ending)), None)
        if ending is not None:
            stem = name.removesuffix(ending)
            norm = tensor.flatten(1).norm(dim=1).view(-1, *(1,) * (tensor.ndim - 1))
            made[stem + "weight"] = tensors[stem + _DIRECTIONS[ending]] * tensor / norm
        elif not any(name.endswith("." + length) for length in _DIRECTIONS.values()):
            made[name] = tensor
    return made


def settings(values: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration in a file, from its values by dotted names; empty if it holds none.

    >>> settings({"xp.cfg.nbits": 16, "xp.cfg.seanet.ratios.0": 8, "xp.cfg.seanet.ratios.1": 5, "step": 3})
    {'nbits': 16, 'seanet': {'ratios': {'0': 8, '1': 5}}}
    """
    tree: dict[str, Any] = {}
    for name, value in values.items():
        if name.startswith(SETTINGS):
            *path, last = name.removeprefix(SETTINGS).split(".")
            place = tree
            for step in path:
                place = place.setdefault(step, {})
            place[last] = value
    return tree


def card(part: str) -> dict[str, Any]:
    """The configuration on the package's card.

    Raises:
        NotFound: the package is not installed.
    """
    spec = find_spec("audioseal")
    if spec is None or not spec.submodule_search_locations:
        raise NotFound("audioseal", "is not installed", "install the extra `audio`, or `pip install audioseal`")
    path = Path(next(iter(spec.submodule_search_locations))) / "cards" / CARDS[part]
    read: dict[str, Any] = parse_yaml(path.read_bytes(), path.name).data
    return read


def _sizes(part: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """The part's configuration as a checkpoint has it; what the networks do not need is left out."""
    seanet = {key: value for key, value in given["seanet"].items() if key in SEANet.model_fields}
    seanet |= {"norm": "none", "norm_params": {}}  # merged into the weights
    if isinstance(seanet["ratios"], dict):
        seanet["ratios"] = [seanet["ratios"][str(index)] for index in range(len(seanet["ratios"]))]
    if part == "detector":
        return {"seanet": seanet}
    decoder = {**(given.get("decoder") or {}), **(given["seanet"].get("decoder") or {})}
    return {"seanet": seanet, "decoder": decoder}


def downloaded(repository: str, endpoint: str | None = None) -> dict[str, Path]:
    """The files of both parts, from the hub or its cache.

    Args:
        endpoint: of the hub; None for the one that the environment names.
    """
    links = {part: hf_hub_download(repository, file, endpoint=endpoint) for part, file in FILES.items()}
    return {part: Path(link).resolve() for part, link in links.items()}  # a cache keeps links, which are not read


@click.command(help=__doc__)
@click.option(
    "--generator", type=click.Path(path_type=Path, exists=True, dir_okay=False), help="File of the generator."
)
@click.option("--detector", type=click.Path(path_type=Path, exists=True, dir_okay=False), help="File of the detector.")
@click.option("--hub", metavar="REPOSITORY", help="Fetch both from this repository of the hub.")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), required=True, help="Folder to write to.")
def main(generator: Path | None, detector: Path | None, hub: str | None, out: Path) -> None:
    if hub is not None and generator is None and detector is None:
        convert(downloaded(hub), out)
    elif hub is None and generator is not None and detector is not None:
        convert({"generator": generator, "detector": detector}, out)
    else:
        raise click.UsageError("give --hub, or both --generator and --detector")


if __name__ == "__main__":
    main()
