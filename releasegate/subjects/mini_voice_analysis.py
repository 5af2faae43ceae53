"""What is heard in a recording besides its words: pitch, loudness, and the average of its spectral envelopes.

Pitch and envelopes are WORLD's (the package pyworld), of one recording at a time, so that they depend on nothing else.
"""

from __future__ import annotations

import warnings
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from releasegate.subjects.mini_voice_converter import CEPSTRA, PROSODY
from releasegate.subjects.mini_voice_frames import HOP, RATE, frames_in, spectrum

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # it asks pkg_resources for its version
    import pyworld

LOWEST_HZ, HIGHEST_HZ = 65.0, 450.0
PERIOD = 1000 * HOP / RATE
"""Milliseconds of a frame."""
PITCH = (5.0, 0.2)
"""Mean and standard deviation of the logarithm of the pitch where none is found: 148 Hz."""
FEW = 6
"""Frames with a pitch, below which it counts as not found."""
OCTAVE = 0.5
"""Logarithms further than this from the median are errors of the pitch tracker."""
LOUD = 7.0
"""Nepers of power below the loudest twentieth, down to which a frame counts as loud."""
QUIETEST = 1e-12
"""The least power of a frame."""
SPREADS = (0.08, 0.3)
"""Between these a standard deviation of log pitch is believed."""
SHRUNK = 0.9
"""Of the spread of the wanted pitch: what is heard as lively in one sentence is tiring in another's."""

Wave = NDArray[np.float64]


class Prosody(NamedTuple):
    """How a recording of `frames` frames of 10 ms goes.

    Attributes:
        pitch: float32 [frames] in Hz, 0 where nothing is voiced.
        loudness: float32 [frames], the logarithm of the power.
    """

    pitch: Tensor
    loudness: Tensor


class Timbre(NamedTuple):
    """Averages over a recording.

    Attributes:
        mean: float32 [CEPSTRA], of the loud frames.
        spread: float32 [CEPSTRA], their standard deviation.
        pitch: float32 [2], mean and standard deviation of its logarithm.
    """

    mean: Tensor
    spread: Tensor
    pitch: Tensor


def heard(audio: Tensor) -> Prosody:
    """The prosody of a clip, float32 [t] on the processor."""
    pitch, _ = _pitch(audio)
    count = frames_in(len(audio))
    found = torch.zeros(count)
    known = torch.from_numpy(pitch.astype(np.float32))[:count]
    found[: len(known)] = known
    return Prosody(found, loudness(audio))


def loudness(audio: Tensor) -> Tensor:
    """float32 [frames], the logarithm of the mean power of each frame of a clip float32 [t]."""
    power = spectrum(audio[None], 640, frames_in(len(audio)))[0].abs().square().mean(dim=1)
    return (power / 240).clamp(min=QUIETEST).log()  # 240: the sum of the squared window


def is_loud(level: Tensor) -> Tensor:
    """bool [frames], of the logarithms of power float32 [frames]: which are speech rather than a pause."""
    return level > torch.quantile(level, 0.95) - LOUD


def timbre(audio: Tensor) -> Timbre:
    """The averages of a clip, float32 [t] on the processor."""
    pitch, places = _pitch(audio)
    envelope = pyworld.cheaptrick(_wave(audio), pitch, places, RATE)
    cepstra = torch.from_numpy(coded(envelope))
    loud = cepstra[is_loud(torch.from_numpy(np.log(envelope.mean(axis=1) + QUIETEST)))]
    spread = loud.std(dim=0, correction=0).clamp(min=1e-3)
    return Timbre(loud.mean(dim=0), spread, torch.tensor(pitch_statistics(pitch)))


def coded(envelope: Wave) -> NDArray[np.float32]:
    """float32 [frames, CEPSTRA], the mel-cepstra of power spectra [frames, bins]."""
    return pyworld.code_spectral_envelope(envelope, RATE, CEPSTRA).astype(np.float32)  # type: ignore[no-any-return]


def pitch_statistics(pitch: Wave) -> tuple[float, float]:
    """Mean and standard deviation of the logarithm of a pitch [frames] in Hz, without errors of an octave."""
    logs = np.log(pitch[pitch > 0])
    if len(logs) < FEW:
        return PITCH
    kept = logs[np.abs(logs - np.median(logs)) < OCTAVE]
    return (float(kept.mean()), float(kept.std())) if len(kept) else PITCH


def moved(said: Prosody, wanted: tuple[float, float]) -> tuple[Tensor, Tensor]:
    """A prosody as another voice has it: float32 [frames / 2, PROSODY] for the converter, and the pitch [frames] in Hz.

    Args:
        said: as it was heard.
        wanted: mean and standard deviation of the logarithm of the pitch of the other voice.
    """
    own = pitch_statistics(said.pitch.double().numpy())
    voiced = said.pitch > 0
    logs = torch.from_numpy(_between(said.pitch.double().numpy(), own[0])).float()
    spread = min(max(wanted[1], SPREADS[0]), SPREADS[1]) * SHRUNK
    shifted = ((logs - own[0]) / max(own[1], 0.05)).clamp(-3, 3) * spread + wanted[0]
    return numbers(voiced, shifted, said.loudness), torch.where(voiced, shifted.exp(), 0.0)


def kept(said: Prosody) -> Tensor:
    """float32 [frames / 2, PROSODY], a prosody for the converter as it was heard."""
    logs = _between(said.pitch.double().numpy(), PITCH[0])
    return numbers(said.pitch > 0, torch.from_numpy(logs).float(), said.loudness)


def numbers(voiced: Tensor, logs: Tensor, level: Tensor) -> Tensor:
    """float32 [frames / 2, PROSODY], of bool, logarithms of Hz and of power, each [frames]."""
    relative = (level - level[is_loud(level)].mean()) / 3
    return torch.stack([voiced.float(), (logs - 5.1) * 2, relative.clamp(-3, 2)], dim=1).reshape(-1, PROSODY)


def relative_loudness(prosody: Tensor) -> Tensor:
    """float32 [n, frames], nepers of power of each frame above the loud ones, of numbers float32 [n, frames / 2, PROSODY]."""
    return 3 * prosody.reshape(len(prosody), -1, PROSODY // 2)[..., 2]


def _between(pitch: Wave, otherwise: float) -> Wave:
    """The logarithm of a pitch, straight across what is not voiced."""
    at = np.nonzero(pitch > 0)[0]
    if len(at) < FEW:
        return np.full(len(pitch), otherwise)
    return np.interp(np.arange(len(pitch)), at, np.log(pitch[at]))


def _pitch(audio: Tensor) -> tuple[Wave, Wave]:
    """Hertz of each frame, 0 where nothing is voiced, and the seconds where each frame lies."""
    wave = _wave(audio)
    rough, places = pyworld.dio(wave, RATE, f0_floor=LOWEST_HZ, f0_ceil=HIGHEST_HZ, frame_period=PERIOD)
    return pyworld.stonemask(wave, rough, places, RATE), places


def _wave(audio: Tensor) -> Wave:
    return audio.double().numpy()
