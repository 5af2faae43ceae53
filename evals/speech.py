"""The pool of real voices that watermarks are measured on: which recordings, whose, and three seconds of each.

The recordings are prompts and dialogues that Debian packages ship; `speech.csv` lists them with their digests, and
`speech.md` with their licences. No audio lies in the repository: `releasegate fetch speech` fetches it, or the packages are
installed. Four speakers are measured on: `gate` is the public pool that a gate draws from, `calibration` is where thresholds
are frozen and the quality of attacks is proven, `rehearsal` is to try things out on. A recording stands in one split alone,
and so does every other recording that holds the same sound. `development` has other speakers, whom a watermark may have been
trained on.

**Voices of one's own** replace `speech.csv` in a gate repository: the same columns, with paths that lie below the folder
RELEASEGATE_SPEECH (`<package>/<path>`, or `<path>` alone). A recording needs three seconds of speech.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal, get_args

from torch import Tensor

from .recording_list import Recording, RecordingList
from .recordings import RATE, cut

__all__ = ["RATE", "Clip", "Split", "by_speaker", "clips", "find", "read"]

Split = Literal["gate", "calibration", "rehearsal", "development"]

LIST = Path(__file__).with_suffix(".csv")


@dataclass(frozen=True, order=True)
class Clip(Recording):
    """One recording of the pool, of which one cut of three seconds is used."""


COLUMNS = tuple(Clip.__dataclass_fields__)


def clips(split: Split) -> list[Clip]:
    """The recordings of one split, in the order of the list: by speaker, then by path.

    Needs no audio.

    Raises:
        NotFound, DocumentError: as of `RecordingList.of`.

    >>> from collections import Counter
    >>> sorted(Counter(clip.speaker for clip in clips("gate")).items())
    [('carlo_it', 52), ('ivr_ru', 52), ('june_fr', 52), ('novy_cs', 52)]
    """
    return _list().of(split)


def by_speaker(split: Split, least: int) -> dict[str, list[Clip]]:
    """The recordings of one split by speaker, speakers sorted, each with at least `least`.

    Args:
        least: how many an eval uses of each speaker.

    Raises:
        NotFound, DocumentError: as of `RecordingList.by_speaker`.
    """
    return _list().by_speaker(split, least)


def read(clip: Clip) -> Tensor:
    """The clip: float32 [48000] at 16 kHz within [-1, 1], three seconds of speech at -23 dB below full scale.

    Raises:
        NotFound: the file is in none of the places where it is looked for.
        RecordingChanged: it is there, with other bytes than those listed.
    """
    return _read(clip).clone()  # whoever gets it may write to it


def find(clip: Clip) -> Path:
    """The file that holds a recording, whatever is in it.

    Raises:
        NotFound: there is none.
    """
    return _list().find(clip)


def require_all() -> None:
    """Nothing; every listed recording is there.

    Raises:
        NotFound: one is not.
        DocumentError: the list is not one.
    """
    _list().require()


def _list() -> RecordingList[Clip]:
    return RecordingList(LIST, Clip, get_args(Split))


@lru_cache(maxsize=4096)
def _read(clip: Clip) -> Tensor:
    return cut(_list().trimmed(clip), clip.path)
