"""Lists the pool of speech anew: `python examples/speech/list.py --speech FOLDER --out evals/speech.csv`.

FOLDER holds one folder a Debian package, as `releasegate fetch speech` leaves it. Which recording stands in which split is
drawn by the digest of its name, so that the same packages give the same list. Left out are recordings with less than three
seconds of speech, those that are mostly pause wherever one cuts, and those that hold the same sound as another of the
speaker's.
"""

from __future__ import annotations

import csv
import hashlib
import logging
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import astuple, dataclass, field
from itertools import islice
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))  # for evals/, which is no installed package

import click
import torch
from sameness import Kept, seconds_of
from torch import Tensor

from evals.recordings import SPOKEN, cut, decode, spoken_shares, trim
from evals.speech import COLUMNS, Clip, Split

LOG = logging.getLogger(__name__)
SEED = "releasegate/speech/v1"
NO_SPEECH = ("silence/", "beep", "tt-monkeys", "ascending", "descending", "tone")
MEASURED: dict[Split, int] = {"gate": 52, "calibration": 24, "rehearsal": 28}


@dataclass(frozen=True)
class Speaker:
    """Whose recordings lie where, and how many clips each split gets of them; where they run short, the last get fewer."""

    name: str
    language: str
    package: str
    files: str
    counts: dict[Split, int] = field(default_factory=lambda: MEASURED)


_ASTERISK = "usr/share/asterisk/sounds/**/*."
_FILLETS = "usr/share/games/fillets-ng/sound/**/cs/*"
DEVELOPED: dict[Split, int] = {"development": 24}
SPEAKERS = (
    Speaker("june_fr", "fr", "asterisk-core-sounds-fr-g722", _ASTERISK + "g722"),
    Speaker("carlo_it", "it", "asterisk-core-sounds-it-g722", _ASTERISK + "g722"),
    Speaker("ivr_ru", "ru", "asterisk-core-sounds-ru-g722", _ASTERISK + "g722"),
    Speaker("novy_cs", "cs", "fillets-ng-data-cs", _FILLETS + "-m-*.ogg"),
    Speaker("allison_en", "en", "asterisk-core-sounds-en-g722", _ASTERISK + "g722", DEVELOPED),
    Speaker("allison_es", "es", "asterisk-core-sounds-es-g722", _ASTERISK + "g722", DEVELOPED),
    Speaker("prompt_de", "de", "asterisk-prompt-de", _ASTERISK + "gsm", DEVELOPED),
    Speaker("july_es", "es", "asterisk-prompt-es-co", _ASTERISK + "gsm", DEVELOPED),
    Speaker("armelle_fr", "fr", "asterisk-prompt-fr-armelle", _ASTERISK + "gsm", DEVELOPED),
    Speaker("fillets_cs_v", "cs", "fillets-ng-data-cs", _FILLETS + "-v-*.ogg", DEVELOPED),
)


def usable(speech: Path, speaker: Speaker) -> Iterator[tuple[str, Tensor]]:
    """The speaker's recordings that a clip can be cut from, each its path in the package and its trimmed sound, float32 [t].

    In an order drawn by their names; of several files with the same bytes the first.
    """
    package = speech / speaker.package
    paths = {file.relative_to(package).as_posix(): file for file in package.glob(speaker.files) if file.is_file()}
    if not paths:
        raise click.ClickException(f"{package}: no recording of {speaker.name}; fix: releasegate fetch speech")
    digests: set[str] = set()
    for path in sorted(paths, key=_drawn):
        digest = _digest(paths[path])
        if digest in digests or any(f"/{word}" in path for word in NO_SPEECH) or not paths[path].stat().st_size:
            continue
        digests.add(digest)
        audio = trim(decode(paths[path]))
        shares = spoken_shares(audio)
        if len(shares) and shares.max() >= SPOKEN:
            yield path, audio


def drawn(speech: Path, speaker: Speaker) -> Iterator[Clip]:
    """The speaker's clips, split by split."""
    kept = Kept(longest=16)
    distinct = (path for path, audio in usable(speech, speaker) if kept.takes(seconds_of(cut(audio, path)), audio))
    for split, count in speaker.counts.items():
        for path in islice(distinct, count):
            digest = _digest(speech / speaker.package / path)
            yield Clip(speaker.name, speaker.language, split, speaker.package, path, digest)


def _drawn(path: str) -> str:
    return hashlib.sha256(f"{SEED}/{path}".encode()).hexdigest()


def _digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


@click.command(help=__doc__)
@click.option("--speech", type=click.Path(path_type=Path, exists=True, file_okay=False), required=True)
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), required=True, help="The list to write.")
def main(speech: Path, out: Path) -> None:
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    torch.set_num_threads(1)
    listed: list[Clip] = []
    for speaker in SPEAKERS:
        listed += drawn(speech, speaker)
        LOG.info("%s", speaker.name)
    order = [speaker.name for speaker in SPEAKERS]
    listed.sort(key=lambda clip: (order.index(clip.speaker), clip.path))
    with out.open("w", newline="", encoding="utf-8") as lines:
        writer = csv.writer(lines, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows(astuple(clip) for clip in listed)
    for (speaker, split), count in sorted(Counter((clip.speaker, clip.split) for clip in listed).items()):
        LOG.info("%s %s: %d", speaker, split, count)


if __name__ == "__main__":
    main()
