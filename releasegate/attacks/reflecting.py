"""Attacks that add what walls throw back."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional

from releasegate.attacks.attack import Attack, Given
from releasegate.attacks.seeding import normal
from releasegate.attacks.strengths import samples_of
from releasegate.audio.filters import convolve
from releasegate.audio.levels import fitted

ECHO = 10 ** (-6 / 20)
"""An echo's amplitude beside that of the sound, -6 dB."""
FIRST_REFLECTION = 0.002
"""Seconds after which a room's first reflection arrives: 0.7 m further than the direct path."""


def _echo(given: Given, strength: float) -> Tensor:
    audio, delay = given.audio, samples_of(strength, given.rate)
    return fitted(audio + ECHO * functional.pad(audio, (delay, 0))[:, : audio.shape[1]])


def room(rows: Tensor, seconds: float, rate: int) -> Tensor:
    """float [n, taps], impulse responses: the direct path at tap 0, then decaying noise of the same energy.

    Half of the energy is direct, as at a room's critical distance, and all of it is 1, so that a clip keeps its level. Noise
    under an exponential envelope is Polack's model of late reverberation (J.-D. Polack, 1988).

    Args:
        rows: float [n, taps] of the standard normal distribution.
        seconds: RT60, in which the reverberation falls by 60 dB.
    """
    times = torch.arange(rows.shape[1], device=rows.device, dtype=rows.dtype) / rate  # [taps]
    late = rows * 10 ** (-3 * times / seconds) * (times >= FIRST_REFLECTION)  # [n, taps]
    late = late / late.square().sum(1, keepdim=True).sqrt()
    direct = functional.one_hot(torch.zeros(1, device=rows.device, dtype=torch.long), rows.shape[1])  # [1, taps]
    return (late + direct) / 2**0.5


def _reverb(given: Given, strength: float) -> Tensor:
    taps = samples_of(strength, given.rate)
    responses = room(normal(given.seeds, taps, given.audio), strength / 1000, given.rate)
    return fitted(convolve(given.audio, responses))


ATTACKS: Mapping[str, Attack] = {
    attack.name: attack
    for attack in (
        Attack(
            name="echo",
            title="One echo at -6 dB, by its delay",
            unit="ms",
            family="reflecting",
            apply=_echo,
            aligned=True,
            domain=(1.0, 2000.0),
        ),
        Attack(
            name="reverb",
            title="The reverberation of a room of chance, as loud as the direct sound, by its RT60",
            unit="ms",
            family="reflecting",
            apply=_reverb,
            aligned=True,
            domain=(20.0, 10000.0),
        ),
    )
}
"""By name."""
