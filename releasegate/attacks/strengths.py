"""What a strength comes to in samples, and what an attack cannot be given for the clips at hand."""

from __future__ import annotations

from torch import Tensor

from releasegate.audio.resampling import resample
from releasegate.errors import UsageError


def samples_of(milliseconds: float, rate: int) -> int:
    """The samples that a time takes, rounded, at least one.

    >>> samples_of(20, 16000), samples_of(0.01, 16000)
    (320, 1)
    """
    return max(round(milliseconds * rate / 1000), 1)


def whole(attack: str, strength: float, *, odd: bool = False) -> int:
    """The strength of an attack that is counted rather than measured.

    Raises:
        UsageError: it is no whole number, or not an odd one where it must be.
    """
    kind = not_odd(strength) if odd else not_whole(strength)
    if kind is not None:
        raise UsageError(f"attack {attack}", f"its strength must be {kind}; got {strength:g}", f"give {kind}")
    return round(strength)


def not_whole(strength: float) -> str | None:
    """What a strength that is counted must be; None if it is that."""
    return None if round(strength) == strength else "a whole number"


def not_odd(strength: float) -> str | None:
    """What a strength that is counted around a middle must be; None if it is that.

    >>> not_odd(5), not_odd(4), not_odd(4.5)
    (None, 'an odd whole number', 'an odd whole number')
    """
    return None if round(strength) == strength and round(strength) % 2 else "an odd whole number"


def below_nyquist(attack: str, cut: float, rate: int) -> float:
    """`cut`, in Hz, of a filter that keeps what lies above it.

    Raises:
        UsageError: at this sample rate there is next to nothing above it, and the clip would be silenced.
    """
    highest = 0.45 * rate
    if cut > highest:
        what = f"clips at {rate} Hz have next to nothing above {cut:g} Hz, which would leave silence"
        raise UsageError(
            f"attack {attack}", what, f"give a strength of at most {highest:g} Hz, or clips at a higher rate"
        )
    return cut


def leaves_sound(attack: str, removed: int, most: int, rate: int) -> int:
    """`removed`, the samples that an attack takes from a clip.

    Raises:
        UsageError: they are more than `most`, and too little of the clip would be left to call it attacked.
    """
    if removed > most:
        what = f"it would take {removed / rate:g} s of clips where at most {most / rate:g} s can go"
        raise UsageError(f"attack {attack}", what, "give a smaller strength, or longer clips")
    return removed


def at_rate(attack: str, audio: Tensor, rate: int, to: int) -> Tensor:
    """float32 [n, ceil(t * to / rate)], clips of `rate` samples a second at the rate that an attack needs; see `resample`.

    Args:
        audio: float32 [n, t].

    Raises:
        UsageError: the two rates have no small ratio.
    """
    try:
        return resample(audio, rate, to)
    except ValueError as error:
        fix = f"give clips at a usual rate, such as {min((8000, 16000, 48000), key=lambda usual: abs(usual - rate))} Hz"
        raise UsageError(f"attack {attack}", str(error), fix) from error
