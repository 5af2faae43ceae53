"""Whether two recordings hold the same sound."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.nn import functional

from evals.recordings import RATE
from releasegate.audio.resampling import resample

COARSE = 2000  # samples a second at which recordings are compared
SAME = 0.8  # correlation of a second with some place of another recording, from which both hold the same sound
FAINT = 0.3  # seconds this much quieter than the loudest of their clip say nothing


def seconds_of(audio: Tensor) -> Tensor:
    """The whole seconds of a recording, float32 [t] at `RATE`, one after the other: float32 [k, COARSE]."""
    whole = audio[: len(audio) // RATE * RATE]
    return resample(whole[None], RATE, COARSE).reshape(-1, COARSE)


@dataclass
class Kept:
    """The recordings taken so far, at `COARSE` samples a second, to be compared with the next.

    Attributes:
        longest: seconds of a recording that are compared.
        wholes: spectra of the recordings, each filled up with silence to `longest` and a second more.
        loudness: float32 [k, longest * COARSE], of the second that begins at each sample.
        pieces: spectra of the seconds that are compared with other recordings, each of norm 1.
    """

    longest: int
    wholes: list[Tensor] = field(default_factory=list)
    loudness: list[Tensor] = field(default_factory=list)
    pieces: list[Tensor] = field(default_factory=list)

    def takes(self, seconds: Tensor, audio: Tensor) -> bool:
        """Whether no recording here holds sound of this one's, nor the reverse; if so it is kept from now on.

        Args:
            seconds: float32 [k, COARSE], the seconds of it that are compared.
            audio: float32 [t] at `RATE`, the whole of it.
        """
        size = (self.longest + 1) * COARSE
        short = resample(audio[None, : self.longest * RATE], RATE, COARSE)[0]
        whole = functional.pad(short, (0, size - len(short)))  # [size]
        power = functional.pad(whole.double().square().cumsum(0), (1, 0))  # [size + 1]
        loudness = (power[COARSE:] - power[:-COARSE]).clamp(min=1e-3).sqrt().float()[: size - COARSE]
        loud = seconds.norm(dim=1)
        chosen = seconds[loud >= FAINT * loud.max()]
        pieces = torch.fft.rfft(chosen / chosen.norm(dim=1, keepdim=True).clamp(min=1e-3), n=size)
        spectrum = torch.fft.rfft(whole)
        if self.wholes:
            wholes, loudnesses = torch.stack(self.wholes), torch.stack(self.loudness)
            known = any(_likeness(piece, wholes, loudnesses) >= SAME for piece in pieces)
            if known or _likeness(torch.cat(self.pieces), spectrum, loudness) >= SAME:
                return False
        self.wholes.append(spectrum)
        self.loudness.append(loudness)
        self.pieces.append(pieces)
        return True


def _likeness(pieces: Tensor, wholes: Tensor, loudness: Tensor) -> float:
    """How well seconds correlate with the place of a recording that they fit best, in [0, 1], in either polarity.

    Args:
        pieces: spectra, [n or none, f].
        wholes: spectra, [m or none, f].
        loudness: float32 [m or none, places].
    """
    size = 2 * (wholes.shape[-1] - 1)
    found = torch.fft.irfft(wholes * pieces.conj(), n=size)[..., : loudness.shape[-1]].abs()
    return float((found / loudness).max())
