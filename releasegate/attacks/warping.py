"""Time and pitch, warped: speed changes both, a stretch the one, a shift of pitch the other."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

from torch import Tensor
from torch.nn import functional

from releasegate.attacks.attack import Attack, Given
from releasegate.audio.resampling import resample
from releasegate.audio.stretching import stretch

FINEST = 100
"""The largest denominator of a ratio: 1/20,000 off at most, a twelfth of a cent, and a bank of filters that stays small."""


def ratio(strength: float) -> Fraction:
    """The fraction of small numbers that is nearest to a strength.

    >>> ratio(1.25), ratio(2 ** (1 / 12))
    (Fraction(5, 4), Fraction(89, 84))
    """
    return Fraction(strength).limit_denominator(FINEST)


def _speed(given: Given, strength: float) -> Tensor:
    """float32 [n, ceil(t / strength)]."""
    faster = ratio(strength)
    return resample(given.audio, faster.numerator, faster.denominator).clamp(-1, 1)


def _stretched(given: Given, strength: float) -> Tensor:
    """float32 [n, round(t * strength)], at least one sample."""
    longer = ratio(strength)
    shortest = -(-longer.denominator // longer.numerator)
    short = max(shortest - given.audio.shape[1], 0)
    return stretch(functional.pad(given.audio, (0, short)), longer, given.rate).clamp(-1, 1)


def _pitch(given: Given, strength: float) -> Tensor:
    """float32 [n, t]: drawn out by the ratio of the pitches, then played faster by it.

    Each sound stays where it was: the loudness of speech is less than 5 ms out of place up to four semitones.
    """
    higher = ratio(2 ** (strength / 12))
    samples = given.audio.shape[1]
    drawn = stretch(functional.pad(given.audio, (0, given.rate // 100)), higher, given.rate)
    return resample(drawn, higher.numerator, higher.denominator)[:, :samples].clamp(-1, 1)


ATTACKS: Mapping[str, Attack] = {
    attack.name: attack
    for attack in (
        Attack(
            name="speed",
            title="Played this many times as fast, and so higher",
            unit="x",
            family="warping",
            apply=_speed,
            aligned=False,
            domain=(0.25, 4.0),
        ),
        Attack(
            name="stretch",
            title="Drawn out to this many times its length, at its pitch",
            unit="x",
            family="warping",
            apply=_stretched,
            aligned=False,
            domain=(0.25, 4.0),
        ),
        Attack(
            name="pitch",
            title="Pitch shifted by semitones, at its speed",
            unit="st",
            family="warping",
            apply=_pitch,
            aligned=True,
            domain=(-24.0, 24.0),
        ),
    )
}
