"""The licence that goes out with the weights: the checkpoint's own text, or the one that the policy names."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from releasegate.checkpoint.files import open_regular
from releasegate.errors import CheckpointError, NotFound, PublishError
from releasegate.publication import Publication
from releasegate.released import LICENCE
from releasegate.repository import GateRepository

_OWN = ("license", "license.txt", "license.md", "licence", "licence.txt", "licence.md", "copying")
"""What checkpoints call it, whatever the case."""
OTHER = "other"
"""What a model hub calls a licence that it does not list."""
MOST = 1 << 20
"""Bytes of its text."""


@dataclass(frozen=True)
class Licence:
    """A licence.

    Attributes:
        id: as a model hub spells it: in small letters; `other` where it has no name there.
        path: of its text, in the folder that goes out.
        text: what is written there; None where the checkpoint brings it.
    """

    id: str
    path: str
    text: bytes | None


def licence_of(publication: Publication, repository: GateRepository, folder: Path, names: Sequence[str]) -> Licence:
    """The licence of a model.

    Args:
        publication: what the policy says of it.
        folder: where the model's files lie.
        names: of the model's files.

    Raises:
        NotFound: the policy names a file that is not there.
        PublishError: there is no text, or the policy's is another than the checkpoint's.
    """
    stated = publication.license or OTHER
    named = publication.license_file
    own = _own(names)
    if named is None:
        if own is None:
            what = "has no text of its licence, and without one nobody may use the weights"
            fix = "put the text into the gate repository and name it: publication: {license: …, license_file: …}"
            raise PublishError(str(folder), what, fix)
        return Licence(stated.lower(), own, None)
    text = _text(repository, named)
    twin = next((name for name in names if name.casefold() == LICENCE.casefold()), None)
    if twin is None:
        return Licence(stated.lower(), LICENCE, text)
    with open_regular(folder / twin) as file:
        if file.read(MOST + 1) != text:
            what = f"is another text than {twin} of the checkpoint, which goes out as it was measured"
            fix = "leave publication.license_file out of the policy, or give both the same text"
            raise PublishError(repository.shown(repository.root / named), what, fix)
    return Licence(stated.lower(), twin, None)


def _own(names: Sequence[str]) -> str | None:
    """The checkpoint's own text of its licence."""
    by_name = {name.casefold(): name for name in names}
    return next((by_name[usual] for usual in _OWN if usual in by_name), None)


def _text(repository: GateRepository, named: str) -> bytes:
    path = repository.root / named
    if not path.exists():
        raise NotFound(repository.shown(path), "is the licence that the policy names, and is not there", "add it")
    if path.resolve() != path.absolute():
        raise PublishError(str(path), "is reached through a symlink", "put the text itself into the gate repository")
    try:
        with open_regular(path) as file:
            if os.fstat(file.fileno()).st_size > MOST:
                raise PublishError(str(path), f"is no licence: it has more than {MOST:,} bytes", "name its text")
            data = file.read(MOST)
    except CheckpointError as error:
        raise PublishError(*_of(error)) from None
    try:
        text = data.decode()
    except UnicodeDecodeError:
        raise PublishError(str(path), "is not UTF-8", "save it as UTF-8") from None
    if not text.strip() or "\0" in text:
        raise PublishError(str(path), "holds no text", "name the text of the licence")
    return data


def _of(error: CheckpointError) -> tuple[str, str, str]:
    found = error.problems[0]
    return found.where, found.what, found.fix
