"""What training minimises: missed and false marks by the sample, wrong bits by the clip, and what can be heard."""

from __future__ import annotations

import math

import librosa
import torch
from torch import Tensor
from torch.nn import functional

BANDS, WINDOWS = 48, (400, 1024)
QUIETEST = 3e-3  # of the mean band magnitude; what lies below is not heard beside the rest
LIKENESS = 1.5  # how fast patterns must part as messages do; 2 is as fast as bits on a line
MASKED_DB = 16.0  # a residual this far below the speech in its band costs nothing more
_FILTERS = {n: torch.from_numpy(librosa.filters.mel(sr=16000, n_fft=n, n_mels=BANDS)) for n in WINDOWS}


def detection_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """The mean binary cross-entropy over samples, in nats.

    Args:
        logits: Of unmarked and marked, as the detector's first two channels, shape [n, 2, t].
        labels: 1 where marked, shape [n, 1, t].
    """
    margin = logits[:, 1:2] - logits[:, :1]  # [n, 1, t]
    return functional.binary_cross_entropy_with_logits(margin, labels)


def message_loss(logits: Tensor, message: Tensor) -> Tensor:
    """The mean binary cross-entropy over bits, in nats, each decoded as AudioSeal does: mean over samples, then sigmoid.

    Args:
        logits: The detector's channels from the third, shape [n, nbits, t].
        message: Bits, 0 or 1, shape [n, nbits].
    """
    return functional.binary_cross_entropy_with_logits(logits.mean(dim=-1), message.to(logits.dtype))


def likeness_loss(residual: Tensor, message: Tensor) -> Tensor:
    """How much more alike residuals are than their messages: the mean excess of the cosine over 1 - 1.5 h / nbits.

    h is the number of bits in which two messages of the batch differ. Without it the residual soon becomes one constant
    pattern, which is the easiest to detect, and carries no message.

    Args:
        residual: Inside the envelope, before the speech is added, shape [n, 1, t].
        message: Bits, shape [n, nbits].
    """
    pattern = functional.normalize(residual[:, 0], dim=-1)  # [n, t]
    cosine = pattern @ pattern.T  # [n, n]
    differing = (message[:, None] != message[None]).float().mean(dim=-1)  # [n, n], of all bits
    return functional.relu(cosine - (1 - LIKENESS * differing)).mean()


def _mel(wave: Tensor, size: int) -> Tensor:
    frames = torch.stft(wave[:, 0], size, size // 4, window=torch.hann_window(size), return_complex=True)
    return _FILTERS[size] @ (frames.real.square() + frames.imag.square() + 1e-12).sqrt()  # [n, BANDS, frames]


def audible_loss(marked: Tensor, speech: Tensor) -> tuple[Tensor, Tensor]:
    """The mean change of log mel magnitudes in nats, and the mean excess of the residual over masking in nepers.

    The excess is how far the residual rises above `MASKED_DB` under the speech, band by band and frame by frame.

    Args:
        marked: Waveform, shape [n, 1, t].
        speech: The same before marking.
    """
    level = speech.square().mean(dim=-1, keepdim=True).sqrt().clamp(min=1e-4)
    change, excess = torch.zeros(()), torch.zeros(())
    for size in WINDOWS:
        before, after = _mel(speech / level, size), _mel(marked / level, size)
        residual = _mel((marked - speech) / level, size)
        quietest = QUIETEST * before.mean()
        change = change + (torch.log(after + quietest) - torch.log(before + quietest)).abs().mean()
        ratio = torch.log(residual + quietest / 10) - torch.log(before + quietest)
        excess = excess + functional.relu(ratio + MASKED_DB / 20 * math.log(10)).mean()
    return change / len(WINDOWS), excess / len(WINDOWS)
