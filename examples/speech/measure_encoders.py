"""Measures the speaker encoders on the pool of voices: `python examples/speech/measure_encoders.py`.

Of each speaker the first 40 recordings count that nothing else is drawn from but `real` and `calibration`. Every pair of them is
compared; then every recording with the mean of the 12 enrolled ones of each person who is measured, as evals do it. Beside each
equal error rate stands what its pairs share: with a shared channel or language, an encoder may hear that in place of the person.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))  # for evals/, which is no installed package

import click
import torch
from torch import Tensor
from torch.nn import functional

from evals.speaker_encoders import ENCODERS, encoder
from evals.voices import Voice, clips, read

LOG = logging.getLogger(__name__)
MOST = 40


@dataclass(frozen=True)
class Pairs:
    """Cosines of pairs, and which share of the pairs has one language and one channel."""

    cosines: Tensor
    language: float
    channel: float

    def __str__(self) -> str:
        shared = f"one language {self.language:.0%}, one channel {self.channel:.0%}"
        return f"{len(self.cosines)} pairs, mean {self.cosines.mean():.3f} ({shared})"


def person(voice: Voice) -> str:
    """Who speaks, in whatever language: `allison_en` and `allison_es` are one."""
    return voice.speaker.partition("_")[0]


def equal_error_rate(same: Tensor, different: Tensor) -> float:
    """The error rate where as large a share of `same` lies below a threshold as of `different` at or above it.

    >>> equal_error_rate(torch.tensor([0.2, 0.8, 0.9, 0.95]), torch.tensor([0.1, 0.15, 0.3, 0.85]))
    0.25
    """
    missed = torch.searchsorted(same.sort().values, (places := torch.cat([same, different]).sort().values)) / len(same)
    accepted = 1 - torch.searchsorted(different.sort().values, places) / len(different)
    best = int((missed - accepted).abs().argmin())
    return float((missed[best] + accepted[best]) / 2)


def pairs(cosines: Tensor, listed: Sequence[tuple[Voice, Voice]], chosen: Tensor) -> Pairs:
    """Those of the pairs that are chosen, bool [pairs]."""
    language = torch.tensor([a.language == b.language for a, b in listed])
    channel = torch.tensor([a.channel == b.channel for a, b in listed])
    return Pairs(cosines[chosen], float(language[chosen].float().mean()), float(channel[chosen].float().mean()))


def compare(name: str, recordings: Sequence[Voice], rows: Tensor) -> None:
    """Logs the error rates over pairs of recordings."""
    index = torch.combinations(torch.arange(len(recordings)))
    cosines = (rows[index[:, 0]] * rows[index[:, 1]]).sum(dim=1)
    listed = list(combinations(recordings, 2))
    one = torch.tensor([person(a) == person(b) for a, b in listed])
    language = torch.tensor([a.language == b.language for a, b in listed])
    channel = torch.tensor([a.channel == b.channel for a, b in listed])
    same = pairs(cosines, listed, one & language)
    LOG.info("%s, one person, one language: %s", name, same)
    across = pairs(cosines, listed, one & ~language)
    LOG.info("%s, one person, two languages: %s", name, across)
    for what, others in (
        ("all", ~one),
        ("one language", ~one & language),
        ("one channel", ~one & channel),
    ):
        different = pairs(cosines, listed, others)
        rate = equal_error_rate(same.cosines, different.cosines)
        LOG.info("%s, two people, %s: %s; EER %.1f %%", name, what, different, 100 * rate)
    different = pairs(cosines, listed, ~one & ~language & channel)
    rate = equal_error_rate(across.cosines, different.cosines)
    LOG.info("%s, two languages either way, one channel: %s; EER %.1f %%", name, different, 100 * rate)


def enrol(name: str, recordings: Sequence[Voice], rows: Tensor) -> None:
    """Logs how far recordings lie from the mean of each person's enrolled ones, the person's own and others' of the channel."""
    for who in sorted({voice.speaker for voice in clips("enrolment")}):
        enrolled = clips("enrolment", who)
        mean = functional.normalize(encoder(name).embed([read(voice) for voice in enrolled]).mean(dim=0), dim=0)
        cosines = rows @ mean
        own = torch.tensor([voice.speaker == who for voice in recordings])
        known = person(enrolled[0])
        others = torch.tensor([person(v) != known and v.channel == enrolled[0].channel for v in recordings])
        people = len({person(v) for v, other in zip(recordings, others.tolist(), strict=True) if other})
        LOG.info(
            "%s, %s enrolled: own %d, mean %.3f, least %.3f; "
            "others of the channel %d of %d people, mean %.3f, most %.3f; EER %.1f %%",
            name,
            who,
            int(own.sum()),
            float(cosines[own].mean()),
            float(cosines[own].min()),
            int(others.sum()),
            people,
            float(cosines[others].mean()),
            float(cosines[others].max()),
            100 * equal_error_rate(cosines[own], cosines[others]),
        )


@click.command(help=__doc__)
def main() -> None:
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    torch.set_num_threads(1)
    held: dict[str, list[Voice]] = {}
    for voice in [*clips("real"), *clips("calibration")]:
        if len(held.setdefault(voice.speaker, [])) < MOST:
            held[voice.speaker].append(voice)
    recordings = [voice for voices in held.values() for voice in voices]
    sounds = [read(voice) for voice in recordings]
    LOG.info("%d recordings of %d voices", len(recordings), len(held))
    for name in ENCODERS:
        rows = encoder(name).embed(sounds)
        compare(name, recordings, rows)
        enrol(name, recordings, rows)


if __name__ == "__main__":
    main()
