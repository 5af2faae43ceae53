"""Debian packages, unpacked into folders of their own: neither root nor an installation is needed."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path

from releasegate.errors import FetchError

TOOLS = ("apt-get", "dpkg-deb")


def require_tools(folder: Path) -> None:
    """Check that the tools of Debian are here.

    Raises:
        FetchError: they are not.
    """
    absent = [tool for tool in TOOLS if shutil.which(tool) is None]
    if absent:
        what = f"{'is' if len(absent) == 1 else 'are'} not here: the recordings are in Debian packages"
        raise FetchError(", ".join(absent), what, f"run this on Debian or Ubuntu, and copy {folder}")


def unpack_deb(package: str, folder: Path) -> None:
    """Unpack the newest version of a package that apt knows into `folder/<package>`, in the place of what is there.

    Raises:
        FetchError: apt does not have it, or it cannot be unpacked.
    """
    with tempfile.TemporaryDirectory(dir=folder) as temporary:
        _run(["apt-get", "download", package], Path(temporary), package, "cannot be downloaded", "apt-get update")
        archives = sorted(Path(temporary).glob("*.deb"))
        if len(archives) != 1:
            raise FetchError(package, "cannot be downloaded: no archive came", "apt-get update")
        unpacked = Path(temporary) / "unpacked"
        _run(["dpkg-deb", "-x", str(archives[0]), str(unpacked)], Path(temporary), package, "is damaged", "try again")
        shutil.rmtree(folder / package, ignore_errors=True)
        unpacked.rename(folder / package)


def _run(command: list[str], folder: Path, where: str, what: str, fix: str) -> None:
    # apt's sandbox user cannot write to a folder of somebody else's, of which apt warns; it then downloads as the caller.
    done = subprocess.run(command, cwd=folder, text=True, capture_output=True, check=False)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["it says nothing"])[-1]
        raise FetchError(where, f"{what}: {last}", fix)
