"""Ways to a clone that need no model: what a passive detector learns from, and one way that it never learned from.

Each takes words that somebody said and recordings of the person who is to be heard. Two make the person's own words anew; three
give the words of somebody else the person's pitch and timbre. None is a good clone. They are here because each leaves other
traces: a detector that knows one of them may know none of the others.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.linalg import solve_toeplitz
from scipy.signal import lfilter
from scipy.spatial import cKDTree
from torch import Tensor

from releasegate.attacks import Given, find_attack
from releasegate.errors import NotScorable

from .mel_waves import from_mels
from .recordings import RATE, at_level
from .world_frames import PERIOD, Array, Frames, Spoken, envelopes, synthesised

NEIGHBOURS = 4
"""Frames of the person that stand for one of the speaker, averaged."""
ROUNDS = 3
"""How often the affine map is fitted, each time to what is nearest to what the last one gave."""
MOST = 1500
"""Frames of the person that the map is fitted to at most, evenly taken out of all: more say little more."""
RIDGE = 1.0
"""What is added to the diagonal of its normal equations, in frames: it keeps the map finite with few of them."""
QUIET = 4.6
"""How far the loudness of a frame (natural logarithm of power, its first cepstrum over 2) may lie below the loudest: 40 dB."""
ORDER = 20
"""Poles of the filter of a frame."""
HOP = round(2 * PERIOD * RATE)
WINDOW = 3 * HOP
"""Samples from frame to frame, and of one, of the route that keeps the speaker's residual: 10 and 30 ms."""
FURTHEST = 12.0
"""Semitones by which that route moves a pitch at most: an octave."""


@dataclass(frozen=True, eq=False)
class Asked:
    """One clone that is wanted.

    Attributes:
        said: the words: of anybody, or of the person where the route makes the person's own words anew.
        person: recordings of the one who is to be heard.
        seed: of all that is drawn at random.
    """

    said: Spoken
    person: Sequence[Spoken]
    seed: int


@dataclass(frozen=True)
class Route:
    """One way to a clone.

    Attributes:
        name: its identifier.
        title: what it does, for readers.
        learned: whether the passive detector learned from it.
        anew: whether what is said is a recording of the person, made anew.
        make: the clone, float32 [t] in [-1, 1] at 16 kHz, as long as what was said.
    """

    name: str
    title: str
    learned: bool
    anew: bool
    make: Callable[[Asked], Tensor]


def cloned(route: Route, asked: Asked) -> Tensor:
    """The clone, float32 [t] in [-1, 1] at 16 kHz, at the level of recordings.

    Raises:
        NotScorable: the route makes no sound of what it is given.
    """
    made = route.make(asked)
    if not bool(torch.isfinite(made).all()) or not bool(made.abs().max() > 0):
        raise NotScorable(f"route {route.name}", "made no sound of a clip", "give speech of both speakers")
    return at_level(made)


def _attacked(name: str, strength: float) -> Callable[[Asked], Tensor]:
    def make(asked: Asked) -> Tensor:
        given = Given(asked.said.audio[None], RATE, [asked.seed])
        return find_attack(name).apply(given, strength)[0]

    return make


def _mels(asked: Asked) -> Tensor:
    return from_mels(asked.said.audio, asked.seed)


def _moments(asked: Asked) -> Tensor:
    """Pitch and cepstra moved and scaled to the means and the deviations of the person (Toda et al., 2007, use it as a start)."""
    frames = asked.said.frames
    pooled = _joined(asked.person)
    cepstra = frames.cepstra.copy()
    cepstra[:, 1:] = _like(frames, pooled)[:, 1:]
    return synthesised(replace(frames, pitch=_pitch(frames, pooled), cepstra=cepstra), len(asked.said.audio))


def _affine(asked: Asked) -> Tensor:
    """The same, then an affine map fitted to the person's nearest frames, round by round (after Erro et al., 2010, "INCA")."""
    frames = asked.said.frames
    pooled = _joined(asked.person)
    spoken = _loud(frames)
    theirs = pooled.cepstra[_loud(pooled)]
    theirs = theirs[:: -(-len(theirs) // MOST)]
    spread = theirs.std(0) + 1e-6
    own = np.hstack([_like(frames, pooled), np.ones((len(frames.cepstra), 1))])  # [f, CEPSTRA + 1]
    mapped = own[:, :-1]
    tree = cKDTree(theirs[:, 1:] / spread[1:])
    for _ in range(ROUNDS):
        near = theirs[tree.query(mapped[spoken][:, 1:] / spread[1:], k=1)[1]]
        normal = own[spoken].T @ own[spoken] + RIDGE * np.diag(np.r_[spread, 1.0] ** 2)
        pull = own[spoken].T @ near + RIDGE * np.vstack([np.diag(spread**2), np.zeros((1, len(spread)))])
        mapped = own @ np.linalg.solve(normal, pull)  # with no frames at all it is left as it is
    cepstra = frames.cepstra.copy()
    cepstra[:, 1:] = mapped[:, 1:]
    return synthesised(replace(frames, pitch=_pitch(frames, pooled), cepstra=cepstra), len(asked.said.audio))


def _swapped(asked: Asked) -> Tensor:
    """What the speaker's throat did, through the filter of the person's nearest frames: no vocoder makes the wave.

    The clip is moved to the person's pitch; of each of its frames what its own linear prediction leaves is played through the
    linear prediction of the mean spectrum of the person's nearest frames (Makhoul, 1975, "Linear prediction: a tutorial review").
    """
    frames, audio = asked.said.frames, asked.said.audio
    pooled = _joined(asked.person)
    steps = 12 * (_log_pitch(pooled)[0] - _log_pitch(frames)[0]) / np.log(2)
    moved = find_attack("pitch").apply(
        Given(audio[None], RATE, [asked.seed]), float(np.clip(steps, -FURTHEST, FURTHEST))
    )
    theirs = pooled.cepstra[_loud(pooled)]
    spread = theirs.std(0) + 1e-6
    wanted = _like(frames, pooled)[:, 1:] / spread[1:]
    near = cKDTree(theirs[:, 1:] / spread[1:]).query(wanted, k=min(NEIGHBOURS, len(theirs)))[1].reshape(len(wanted), -1)
    swapped = theirs[near].mean(1)  # [f, CEPSTRA]
    swapped[:, 0] = frames.cepstra[:, 0]
    return _refiltered(moved[0].double().numpy(), envelopes(swapped), len(audio))


def _refiltered(wave: Array, targets: Array, samples: int) -> Tensor:
    """float32 [samples]: each frame of `wave` [t] whitened by its own prediction, then shaped by the spectrum [f, bins] there."""
    window = np.hanning(WINDOW + 1)[:-1]
    padded = np.pad(wave, (WINDOW, 2 * WINDOW))
    made, weight = np.zeros(len(padded)), np.zeros(len(padded))
    for start in range(0, len(wave) + WINDOW, HOP):
        piece = padded[start : start + WINDOW] * window
        power = np.abs(np.fft.rfft(piece, 2 * WINDOW)) ** 2
        place = (start - WINDOW + WINDOW // 2) / (PERIOD * RATE)
        wanted = targets[min(max(round(place), 0), len(targets) - 1)]
        if power.sum() <= 1e-12:
            continue
        residual = lfilter(_predictor(power), 1.0, piece)
        shaped = lfilter([1.0], _predictor(wanted), residual)
        loudness = np.sqrt((piece**2).sum() / max((shaped**2).sum(), 1e-20))
        made[start : start + WINDOW] += loudness * shaped
        weight[start : start + WINDOW] += window
    sound = (made / np.maximum(weight, 0.5))[WINDOW : WINDOW + samples]
    return torch.from_numpy(sound / max(1.0, float(np.abs(sound).max()))).float()


def _predictor(power: Array) -> Array:
    """float64 [ORDER + 1], the whitening filter of a power spectrum [bins]; white noise 50 dB below it keeps it stable."""
    correlation = np.fft.irfft(power)[: ORDER + 1]
    correlation[0] = correlation[0] * (1 + 1e-5) + 1e-12
    return np.concatenate([[1.0], -solve_toeplitz(correlation[:-1], correlation[1:])])


def _joined(person: Sequence[Spoken]) -> Frames:
    """The frames of all recordings of a person."""
    if not person:
        raise NotScorable("a route", "was given no recording of the person", "give some")
    each = [one.frames for one in person]
    return Frames(
        np.concatenate([frames.pitch for frames in each]),
        np.concatenate([frames.cepstra for frames in each]),
        np.concatenate([frames.aperiodicity for frames in each]),
    )


def _loud(frames: Frames) -> NDArray[np.bool_]:
    """Which frames are no pause, bool [f]: at least one always is."""
    loudness = frames.cepstra[:, 0] / 2
    return np.asarray(loudness >= np.max(loudness) - QUIET)


def _like(frames: Frames, person: Frames) -> Array:
    """float64 [f, CEPSTRA], with the means and deviations that the person's loud frames have."""
    own, theirs = frames.cepstra[_loud(frames)], person.cepstra[_loud(person)]
    scale = theirs.std(0) / (own.std(0) + 1e-6)
    return np.asarray((frames.cepstra - own.mean(0)) * scale + theirs.mean(0))


def _log_pitch(frames: Frames) -> tuple[float, float]:
    """Mean and deviation of the logarithm of the pitch where a voice sounds."""
    logs = np.log(frames.pitch[frames.voiced])
    return float(logs.mean()), float(logs.std())


def _pitch(frames: Frames, person: Frames) -> Array:
    """float64 [f], Hz: moved and scaled to the person's; 0 where no voice sounds."""
    (own, width), (theirs, theirs_width) = _log_pitch(frames), _log_pitch(person)
    logs = np.log(np.where(frames.voiced, frames.pitch, 1.0))
    moved = np.exp((logs - own) * theirs_width / max(width, 1e-3) + theirs)
    return np.where(frames.voiced, np.clip(moved, 50.0, 700.0), 0.0)


ROUTES: Mapping[str, Route] = {
    route.name: route
    for route in (
        Route("world_anew", "The person's own words made anew by WORLD", True, True, _attacked("world", 5.0)),
        Route("mel_anew", "The person's own words made anew from mel spectra", True, True, _mels),
        Route("world_moments", "Pitch and cepstral moments converted, through WORLD", True, False, _moments),
        Route("world_affine", "The same, and an affine map of cepstra, through WORLD", True, False, _affine),
        Route("residual_swap", "The speaker's residual through filters of the person", False, False, _swapped),
    )
}
