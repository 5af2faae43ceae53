"""Attacks that move, cut off, append or blank out pieces of a clip."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional

from releasegate.attacks.attack import Attack, Given
from releasegate.attacks.seeding import uniform
from releasegate.attacks.strengths import leaves_sound, samples_of
from releasegate.audio.levels import peak

GAPS = 3
REMAINS = 0.1
"""The part of a clip that a crop has to leave."""


def _shift(given: Given, strength: float) -> Tensor:
    return functional.pad(given.audio, (samples_of(strength, given.rate), 0))  # [n, delay + t]


def _crop(given: Given, strength: float) -> Tensor:
    removed = samples_of(strength, given.rate)
    return given.audio[:, leaves_sound("crop", removed, int((1 - REMAINS) * given.audio.shape[1]), given.rate) :]


def _pad(given: Given, strength: float) -> Tensor:
    return functional.pad(given.audio, (0, samples_of(strength, given.rate)))  # [n, t + silence]


def _dropout(given: Given, strength: float) -> Tensor:
    audio, gap = given.audio, samples_of(strength, given.rate)
    free = audio.shape[1] - leaves_sound("dropout", GAPS * gap, audio.shape[1] // 2, given.rate)
    between = (uniform(given.seeds, GAPS, audio).sort(1).values * (free + 1)).long()  # [n, GAPS], kept before each gap
    starts = between + gap * torch.arange(GAPS, device=audio.device)
    places = torch.arange(audio.shape[1], device=audio.device)[:, None]  # [t, 1]
    gone = ((places >= starts[:, None]) & (places < starts[:, None] + gap)).any(2)  # [n, t]
    dropped = audio.masked_fill(gone, 0.0)
    # One word in a long pause may lie in the gaps as a whole; silence is no attack, so such a clip is left as it is.
    return torch.where(peak(dropped) > 0, dropped, audio)


ATTACKS: Mapping[str, Attack] = {
    attack.name: attack
    for attack in (
        Attack(
            name="shift",
            title="Silence before the clip, which is delayed by it; nothing is lost",
            unit="ms",
            family="cutting",
            apply=_shift,
            aligned=False,
            domain=(0.1, 60000.0),
        ),
        Attack(
            name="crop",
            title="The start cut off",
            unit="ms",
            family="cutting",
            apply=_crop,
            aligned=False,
            domain=(0.1, 60000.0),
        ),
        Attack(
            name="pad",
            title="Silence after the clip",
            unit="ms",
            family="cutting",
            apply=_pad,
            aligned=True,
            domain=(0.1, 60000.0),
        ),
        Attack(
            name="dropout",
            title="Three gaps of silence at places of chance, each as long as given",
            unit="ms",
            family="cutting",
            apply=_dropout,
            aligned=True,
            domain=(0.1, 10000.0),
        ),
    )
}
"""By name."""
