"""Lists the pool of voices anew: `python examples/speech/list_voices.py --speech FOLDER --out evals/voices.csv`.

FOLDER holds one folder a Debian package, as `releasegate fetch speech` leaves it. Which recording stands in which split is
drawn by the digest of its name, so that the same packages give the same list. Left out are recordings with less than 1.5
seconds of speech, and those that hold the same sound as another of the speaker's. What is said in `source` stands in the list
that is replaced, and is kept.
"""

from __future__ import annotations

import csv
import hashlib
import logging
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import astuple, dataclass
from itertools import islice
from multiprocessing import get_context
from os import cpu_count
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))  # for evals/, which is no installed package

import click
import torch
from sameness import Kept, seconds_of
from torch import Tensor

from evals.recordings import QUIET, RATE, decode, trim
from evals.voices import Split, Voice

LOG = logging.getLogger(__name__)
SEED = "releasegate/voices/v1"
SHORTEST, LONGEST = 1.5, 15.0  # seconds of a recording
NO_SPEECH = ("silence/", "beep", "tt-monkeys", "ascending", "descending", "tone")
MEASURED: dict[Split, int] = {"enrolment": 12, "prompt": 40, "rehearsal": 12, "real": 64, "calibration": 40}


@dataclass(frozen=True)
class Speaker:
    """Whose recordings lie where, how they were coded, and how many of them each split gets; the last may get fewer."""

    name: str
    language: str
    package: str
    files: str
    channel: str
    counts: dict[Split, int]


def _asterisk(name: str, package: str, counts: dict[Split, int], coded: str = "g722") -> Speaker:
    files = f"usr/share/asterisk/sounds/**/*.{coded}"
    channel = {"g722": "g722_16kHz", "gsm": "gsm_8kHz"}[coded]
    return Speaker(name, name.rpartition("_")[2], package, files, channel, counts)


def _fillets(name: str, role: str, counts: dict[Split, int]) -> Speaker:
    files = f"usr/share/games/fillets-ng/sound/**/cs/*-{role}-*.ogg"
    return Speaker(name, "cs", "fillets-ng-data-cs", files, "vorbis_22kHz", counts)


SPEAKERS = (
    _asterisk("june_fr", "asterisk-core-sounds-fr-g722", {**MEASURED, "training": 70}),
    _asterisk("ivr_ru", "asterisk-core-sounds-ru-g722", {**MEASURED, "training": 70}),
    _asterisk("carlo_it", "asterisk-core-sounds-it-g722", {**MEASURED, "adaptation": 40}),
    _fillets("fillets_cs_v", "v", {**MEASURED, "training": 90, "detector": 80}),
    _fillets("novy_cs", "m", {**MEASURED, "detector": 80}),
    _asterisk(
        "allison_en",
        "asterisk-core-sounds-en-g722",
        {"source": 90, "source_rehearsal": 24, "training": 60, "calibration": 40, "detector": 20},
    ),
    _asterisk("allison_es", "asterisk-core-sounds-es-g722", {"training": 70, "detector": 80, "calibration": 20}),
    _asterisk("prompt_de", "asterisk-prompt-de", {"training": 50, "detector": 60, "calibration": 20}, "gsm"),
    _asterisk("july_es", "asterisk-prompt-es-co", {"training": 50, "detector": 50, "calibration": 20}, "gsm"),
    _asterisk("armelle_fr", "asterisk-prompt-fr-armelle", {"training": 60, "detector": 60, "calibration": 20}, "gsm"),
)


def usable(speech: Path, speaker: Speaker) -> Iterator[tuple[str, Tensor]]:
    """The speaker's recordings, each its path in the package and its trimmed sound, float32 [t], in an order drawn by name."""
    package = speech / speaker.package
    paths = {file.relative_to(package).as_posix(): file for file in package.glob(speaker.files) if file.is_file()}
    if not paths:
        raise click.ClickException(f"{package}: no recording of {speaker.name}; fix: releasegate fetch speech")
    digests: set[str] = set()
    for path in sorted(paths, key=lambda path: hashlib.sha256(f"{SEED}/{path}".encode()).hexdigest()):
        digest = _digest(paths[path])
        if digest in digests or any(f"/{word}" in path for word in NO_SPEECH) or not paths[path].stat().st_size:
            continue
        digests.add(digest)
        audio = trim(decode(paths[path]))
        if SHORTEST * RATE <= len(audio) <= LONGEST * RATE and float(audio.abs().gt(QUIET).float().mean()) >= 0.4:
            yield path, audio


def drawn(speech: Path, speaker: Speaker, texts: dict[str, str]) -> Iterator[Voice]:
    """The speaker's recordings, split by split."""
    kept = Kept(longest=6)
    distinct = (path for path, audio in usable(speech, speaker) if kept.takes(_loudest(audio), audio))
    for split, count in speaker.counts.items():
        for path in islice(distinct, count):
            digest = _digest(speech / speaker.package / path)
            text = texts.get(digest, "") if split.startswith("source") else ""
            at = (speaker.package, path, digest)
            yield Voice(speaker.name, speaker.language, split, *at, channel=speaker.channel, text=text)


def _drawn_list(speech: Path, speaker: Speaker, texts: dict[str, str]) -> list[Voice]:
    torch.set_num_threads(1)
    return list(drawn(speech, speaker, texts))


def _loudest(audio: Tensor) -> Tensor:
    """The two loudest seconds of a recording, float32 [1 or 2, t], which are looked for in the others."""
    seconds = seconds_of(audio)
    return seconds[seconds.norm(dim=1).argsort(descending=True)[:2]]


def _digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def _known(out: Path) -> dict[str, str]:
    """What is said in the recordings of the list that there is, by their digests."""
    if not out.is_file():
        return {}
    with out.open(newline="", encoding="utf-8") as lines:
        return {row["sha256"]: row["text"] for row in csv.DictReader(lines) if row["text"]}


@click.command(help=__doc__)
@click.option("--speech", type=click.Path(path_type=Path, exists=True, file_okay=False), required=True)
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), required=True, help="The list to write.")
def main(speech: Path, out: Path) -> None:
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    torch.set_num_threads(1)
    texts = _known(out)
    listed: list[Voice] = []
    with get_context("spawn").Pool(max(1, cpu_count() or 1)) as pool:
        for voices in pool.starmap(_drawn_list, [(speech, speaker, texts) for speaker in SPEAKERS], chunksize=1):
            listed += voices
    order = [speaker.name for speaker in SPEAKERS]
    listed.sort(key=lambda voice: (order.index(voice.speaker), voice.path))
    with out.open("w", newline="", encoding="utf-8") as lines:
        writer = csv.writer(lines, lineterminator="\n")
        writer.writerow(Voice.__dataclass_fields__)
        writer.writerows(astuple(voice) for voice in listed)
    for (speaker, split), count in sorted(Counter((voice.speaker, voice.split) for voice in listed).items()):
        LOG.info("%s %s: %d", speaker, split, count)


if __name__ == "__main__":
    main()
