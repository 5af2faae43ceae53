"""Fetches the recordings that audio is measured on: `python examples/speech/fetch.py --out runs/speech`.

Downloads the Debian packages that `evals/speech.csv` and `evals/voices.csv` name with `apt-get download` and unpacks each into
a folder of its own; needs neither root nor an installation. Afterwards every listed recording is there with the digest that the
lists say, or the command fails. What is there already stays.
"""

from __future__ import annotations

import hashlib
import logging
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import get_args

sys.path.insert(0, str(Path(__file__).parents[2]))  # for evals/, which is no installed package

import click

from evals import speech, voices
from evals.recording_list import Recording

LOG = logging.getLogger(__name__)
TOOLS = ("apt-get", "dpkg-deb")


def missing(folder: Path, listed: Iterable[Recording]) -> list[str]:
    """The listed recordings, `<package>/<path>`, that do not lie in `folder` with the digest listed."""
    return [
        f"{clip.package}/{clip.path}"
        for clip in listed
        if not (file := folder / clip.package / clip.path).is_file()
        or hashlib.sha256(file.read_bytes()).hexdigest() != clip.sha256
    ]


def fetch(package: str, folder: Path) -> None:
    """Unpacks the newest version of a package that apt knows into `folder/<package>`, in the place of what is there.

    Raises:
        click.ClickException: apt does not have it, or it cannot be unpacked.
    """
    with tempfile.TemporaryDirectory(dir=folder) as temporary:
        _run(["apt-get", "download", package], Path(temporary), f"{package} cannot be downloaded", "apt-get update")
        archives = sorted(Path(temporary).glob("*.deb"))
        unpacked = Path(temporary) / "unpacked"
        _run(["dpkg-deb", "-x", str(archives[0]), str(unpacked)], Path(temporary), f"{package} is damaged", "try again")
        shutil.rmtree(folder / package, ignore_errors=True)
        unpacked.rename(folder / package)


def _run(command: list[str], folder: Path, what: str, fix: str) -> None:
    # apt's sandbox user cannot write to a folder of somebody else's, of which apt warns; it then downloads as the caller.
    done = subprocess.run(command, cwd=folder, text=True, capture_output=True, check=False)
    if done.returncode:
        raise click.ClickException(f"{what}: {done.stderr.strip()}; fix: {fix}")


@click.command(help=__doc__)
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), required=True, help="Folder to unpack into.")
def main(out: Path) -> None:
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    listed: list[Recording] = [clip for split in get_args(speech.Split) for clip in speech.clips(split)]
    listed += [voice for split in get_args(voices.Split) for voice in voices.clips(split)]
    packages: dict[str, list[Recording]] = {}
    for clip in listed:
        packages.setdefault(clip.package, []).append(clip)
    wanted = [package for package, its in packages.items() if missing(out, its)]
    absent = [tool for tool in TOOLS if shutil.which(tool) is None]
    if wanted and absent:
        what = f"{', '.join(absent)} is not here: the recordings are in Debian packages"
        raise click.ClickException(f"{what}; fix: run this on Debian or Ubuntu, and copy {out}")
    out.mkdir(parents=True, exist_ok=True)
    out = out.resolve()  # the packages are unpacked from folders of their own
    for package in wanted:
        LOG.info("fetching %s", package)
        fetch(package, out)
    if changed := missing(out, listed):
        what = f"{len(changed)} recordings are not those listed, the first is {changed[0]}"
        raise click.ClickException(f"{what}; fix: list them anew (list.py and list_voices.py), and measure again")
    LOG.info("%d recordings of %d packages in %s", len(listed), len(packages), out)


if __name__ == "__main__":
    main()
