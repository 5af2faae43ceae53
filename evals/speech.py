"""The pool of real voices that audio is measured on: which recordings, whose, and where their files are looked for.

The recordings are prompts and dialogues that Debian packages ship; `speech.csv` lists them with their digests, and
`speech.md` with their licences. No audio lies in the repository: `make speech` fetches it, or the packages are installed.
Four speakers are measured on: `gate` is the public pool that a gate draws from, `calibration` is where thresholds are frozen
and the quality of attacks is proven, `rehearsal` is to try things out on. A recording stands in one split alone, and so does
every other recording that holds the same sound. `development` has other speakers, whom a watermark may have been trained on.

**Voices of one's own** replace `speech.csv` in a gate repository: the same columns, with paths that lie below the folder
RELEASEGATE_SPEECH (`<package>/<path>`, or `<path>` alone). A recording needs three seconds of speech.
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
from typing import Literal, get_args

from torch import Tensor

from releasegate.errors import DocumentError, NotFound, Problem, RecordingChanged

from .recordings import RATE, cut, decode, trim

__all__ = ["RATE", "Clip", "Split", "by_speaker", "clips", "read"]

Split = Literal["gate", "calibration", "rehearsal", "development"]

LIST = Path(__file__).with_suffix(".csv")
DIGEST = re.compile("[0-9a-f]{64}")
VARIABLE = "RELEASEGATE_SPEECH"
FETCHED = Path("runs/speech")  # where `make speech` puts them


@dataclass(frozen=True, order=True)
class Clip:
    """One recording of the pool, of which one cut of three seconds is used.

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
    split: Split
    package: str
    path: str
    sha256: str


COLUMNS = tuple(Clip.__dataclass_fields__)


def clips(split: Split) -> list[Clip]:
    """The recordings of one split, in the order of the list: by speaker, then by path.

    Needs no audio.

    Raises:
        NotFound: there is no list.
        DocumentError: it is not UTF-8, has other columns, an unknown split, a value that is none, or a recording twice.

    >>> from collections import Counter
    >>> sorted(Counter(clip.speaker for clip in clips("gate")).items())
    [('carlo_it', 52), ('ivr_ru', 52), ('june_fr', 52), ('novy_cs', 52)]
    """
    return [clip for clip in _listed(LIST) if clip.split == split]


def by_speaker(split: Split, least: int) -> dict[str, list[Clip]]:
    """The recordings of one split by speaker, speakers sorted, each with at least `least`.

    Args:
        least: how many an eval uses of each speaker.

    Raises:
        NotFound, DocumentError: as of `clips`; or a speaker has too few, or the split has none at all.
    """
    pool: dict[str, list[Clip]] = {}
    for clip in clips(split):
        pool.setdefault(clip.speaker, []).append(clip)
    if not pool:
        raise DocumentError([Problem(LIST.name, f"no recording is for {split}", f"list some whose split is {split}")])
    few = [name for name in sorted(pool) if len(pool[name]) < least]
    if few:
        fix = f"list {least} of each speaker, or lower the numbers of clips in the card's `params`"
        what = "{} has {} recordings for {}, and the card asks for {}"
        raise DocumentError([Problem(LIST.name, what.format(name, len(pool[name]), split, least), fix) for name in few])
    return {name: pool[name] for name in sorted(pool)}


def read(clip: Clip) -> Tensor:
    """The clip: float32 [48000] at 16 kHz within [-1, 1], three seconds of speech at -23 dB below full scale.

    Raises:
        NotFound: the file is in none of the places where it is looked for.
        RecordingChanged: it is there, with other bytes than those listed.
    """
    return _read(clip).clone()  # whoever gets it may write to it


def places() -> list[Path]:
    """The folders that recordings are looked for in, first to last.

    RELEASEGATE_SPEECH if it is set, `runs/speech` under this repository and under the current folder, and the root of the file
    system, where installed packages put theirs.
    """
    asked = os.environ.get(VARIABLE)
    named = [Path(asked)] if asked else []
    return [*named, Path(__file__).parents[1] / FETCHED, FETCHED, Path("/")]


def find(clip: Clip) -> Path:
    """The file that holds a recording, whatever is in it.

    Raises:
        NotFound: there is none.
    """
    for place in places():
        for file in (place / clip.package / clip.path, place / clip.path):
            if file.is_file():
                return file
    packages = sorted({listed.package for listed in _listed(LIST)} | {clip.package})
    raise NotFound(
        f"{clip.package}/{clip.path}",
        f"no such recording in {', '.join(map(str, places()))}",
        f"make speech, or apt-get install {' '.join(packages)}, or set {VARIABLE} to the folder that holds them",
    )


@lru_cache(maxsize=4096)
def _read(clip: Clip) -> Tensor:
    file = find(clip)
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    if digest != clip.sha256:
        raise RecordingChanged(
            str(file),
            f"its sha256 is {digest}, and the list of recordings says {clip.sha256}",
            f"fetch {clip.package} again (make speech), or list the recordings anew",
        )
    return cut(trim(decode(file)), clip.path)


@lru_cache(maxsize=4)
def _listed(file: Path) -> tuple[Clip, ...]:
    rows = csv.DictReader(_text(file).splitlines(), strict=True)
    try:
        if tuple(rows.fieldnames or ()) != COLUMNS:
            fix = f"its first line must be {','.join(COLUMNS)}"
            raise DocumentError([Problem(f"{file.name}:1", f"columns are {rows.fieldnames}", fix)])
        return tuple(_parsed(rows, file.name))
    except csv.Error as error:
        raise DocumentError(
            [Problem(f"{file.name}:{rows.line_num}", f"is no CSV: {error}", "write the line again")]
        ) from None


def _text(file: Path) -> str:
    """What the list holds."""
    try:
        return file.read_text(encoding="utf-8")
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
        fix = f"write it: a first line of {','.join(COLUMNS)}, and one line a recording"
        raise NotFound(file.name, "no list of recordings", fix) from None
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise DocumentError([Problem(f"{file.name}:{line}", "is not UTF-8", "save it as UTF-8")]) from None


def _parsed(rows: csv.DictReader[str], name: str) -> Iterator[Clip]:
    """The clip of each row.

    Raises:
        DocumentError: one is malformed, or stands there twice; the first such.
    """
    seen: dict[str, int] = {}
    for row in rows:
        where = f"{name}:{rows.line_num}"
        if None in row or None in row.values():
            raise DocumentError([Problem(where, "other columns than the first line", "give it one value a column")])
        if row["split"] not in get_args(Split):
            what = f"split is {row['split']!r}"
            raise DocumentError([Problem(where, what, f"use one of {', '.join(get_args(Split))}")])
        refusal = next(filter(None, (_refusal(column, row[column]) for column in COLUMNS)), None)
        if refusal is not None:
            raise DocumentError([Problem(where, *refusal)])
        if row["sha256"] in seen:
            what = f"the same bytes as in line {seen[row['sha256']]}"
            raise DocumentError([Problem(where, what, "list a recording once: twice, it could stand in two splits")])
        seen[row["sha256"]] = rows.line_num
        yield Clip(**row)  # type: ignore[arg-type]  # the split was checked


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
