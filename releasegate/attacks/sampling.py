"""Attacks on the samples themselves: fewer a second, or fewer bits each."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from releasegate.attacks.attack import Attack, Given
from releasegate.attacks.strengths import not_whole, whole
from releasegate.audio.levels import QUIETEST, peak
from releasegate.audio.resampling import resample
from releasegate.errors import UsageError


def _resample(given: Given, strength: float) -> Tensor:
    to = whole("resample", strength)
    try:
        back = resample(resample(given.audio, given.rate, to), to, given.rate)  # [n, t or a few more]
    except ValueError as error:
        fix = "give a rate that shares a large divisor with that of the clips, such as its half"
        raise UsageError("attack resample", str(error), fix) from error
    return back[:, : given.audio.shape[1]].clamp(-1.0, 1.0)


def _requantise(given: Given, strength: float) -> Tensor:
    # The outermost level is the clip's own peak: beside full scale, a quiet clip at few bits would round to silence.
    step = peak(given.audio).clamp_min(QUIETEST) / (2 ** (whole("requantise", strength) - 1) - 1)  # [n, 1]
    rounded: Tensor = (given.audio / step).round() * step
    return rounded.clamp(-1.0, 1.0)


ATTACKS: Mapping[str, Attack] = {
    attack.name: attack
    for attack in (
        Attack(
            name="resample",
            title="To another sample rate and back",
            unit="Hz",
            family="sampling",
            apply=_resample,
            aligned=True,
            domain=(2000.0, 96000.0),
            wanted=not_whole,
        ),
        Attack(
            name="requantise",
            title="Rounded to levels that are spread evenly over a clip's range, zero among them",
            unit="bits",
            family="sampling",
            apply=_requantise,
            aligned=True,
            domain=(2.0, 16.0),
            wanted=not_whole,
        ),
    )
}
"""By name."""
