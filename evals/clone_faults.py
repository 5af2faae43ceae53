"""Why a sound is no clone: nothing is measured of silence, of noise, or of the very recordings that a cloner was given.

A clone with a fault is a failed item, which counts against the release. Otherwise whoever wants a model to look harmless would
return noise.
"""

from __future__ import annotations

from torch import Tensor

from .copied_speech import correlations, courses
from .recordings import RATE
from .speech_presence import presence

SHORTEST = RATE // 10
"""Samples with fewer of which a sound is no speech: .1 s."""
SILENT = 1e-4
"""Root mean square below which a clone is silent: -80 dB below full scale."""
BEYOND = 1.0 + 1e-4
"""Magnitude beyond which a sample is out of range; up to here it is rounding."""
LONGER = 4.0
"""How many times longer or shorter than the words' recording a clone may be, and its sound without pauses."""
VOICED, LIVELINESS, CHANGE = 0.15, 2.5, 2.1
"""Least that speech has of each (see `Presence`). Least of 509 real recordings: .25, 4.2 and 2.6; noise has a change of 1.6."""
SAME = 0.6
"""Correlation from which half a second is the same sound. Two takes of one sentence reach .5."""
SAME_COURSE = 0.9
"""Correlation of spectra from which a second is the same, made anew. Two takes of one sentence reach .88."""


def fault(clone: Tensor, said: Tensor, prompt: Tensor) -> str | None:
    """Why the clone is none, in words that end a sentence "the clone …"; None if it is one.

    In this order: a malformed sound; silence; a length that cannot be that of the words; noise or hum without speech; the
    prompt given back, in whole or for at least three quarters of a second, or made anew by a vocoder; the recording of the words
    given back unchanged. What was copied is found after gain, delay, faint noise and codecs; not at another speed or pitch.

    Args:
        clone: float [t] at 16 kHz, what the cloner returned.
        said: float [t] at 16 kHz, the recording whose words were to be said: speech.
        prompt: float [t] at 16 kHz, the recording of the voice that they were to be said in: speech.
    """
    return _malformed(clone) or _unlike_speech(clone, said) or _given_back(clone, said, prompt)


def _malformed(clone: Tensor) -> str | None:
    if clone.ndim != 1 or not clone.is_floating_point():
        return f"has shape {list(clone.shape)} and dtype {clone.dtype}, not one channel of floating-point samples"
    if len(clone) < SHORTEST:
        return f"has {len(clone)} samples"
    if not bool(clone.isfinite().all()):
        return "has a sample that is no finite number"
    peak = float(clone.abs().max())
    if peak > BEYOND:
        return f"has a sample of magnitude {peak:.4g}, beyond 1"
    if float(clone.double().square().mean().sqrt()) < SILENT:
        return "is silent"
    return None


def _unlike_speech(clone: Tensor, said: Tensor) -> str | None:
    if not 1 / LONGER <= len(clone) / len(said) <= LONGER:
        return f"lasts {len(clone) / RATE:.2f} s, and the recording of its words {len(said) / RATE:.2f} s"
    found, asked = presence(clone), presence(said)
    if not 1 / LONGER <= found.seconds / asked.seconds <= LONGER:
        return f"sounds for {found.seconds:.2f} s, and the recording of its words for {asked.seconds:.2f} s"
    if found.voiced < VOICED:
        return f"is noise: {found.voiced:.0%} of it has the pitch of a voice"
    if found.liveliness < LIVELINESS:
        return f"is no speech: its loudness varies by {found.liveliness:.1f} dB"
    if found.change < CHANGE:
        return f"is no speech: its timbre varies by {found.change:.1f} dB"
    return None


def _given_back(clone: Tensor, said: Tensor, prompt: Tensor) -> str | None:
    same = correlations(clone, prompt).ge(SAME)
    if bool(same.all()) or bool((same[1:] & same[:-1]).any()):
        return f"holds the sound of its prompt: {float(same.float().mean()):.0%} of it is the very recording"
    course = courses(clone, prompt)
    if len(course) and float(course.median()) >= SAME_COURSE:
        return "is its prompt, made anew: the spectra follow the same course"
    passed = float(correlations(clone, said).ge(SAME).float().mean())
    if passed >= 0.5:
        return f"is the recording of its words, passed through: {passed:.0%} of it is that very recording"
    return None
