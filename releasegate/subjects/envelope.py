"""Scaling a watermark to the speech that it is added to: loud where the speech is loud, silent where it is."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from torch import Tensor
from torch.nn import functional

from releasegate.records import Record

QUIETEST = 1e-5
"""Root mean square below which nothing counts as quieter still, so that silence is divided by something."""


class Envelope(Record):
    """A signal-to-noise ratio that holds around every sample."""

    snr_db: Annotated[float, Field(ge=-40, le=120)]
    """Decibels of the speech above the mark."""
    window: Annotated[int, Field(gt=0, le=1 << 20, multiple_of=2)]
    """Samples, over which both are compared."""

    def fitted(self, watermark: Tensor, speech: Tensor) -> Tensor:
        """float32 [n, t], the watermark at `snr_db` below the speech, in each window.

        Args:
            watermark: float32 [n, t], at any level.
            speech: float32 [n, t] in [-1, 1].
        """
        gain: Tensor = local_rms(speech, self.window) / local_rms(watermark, self.window)
        return 10 ** (-self.snr_db / 20) * gain * watermark


def local_rms(signal: Tensor, window: int) -> Tensor:
    """[n, t], the root mean square of the `window` samples from window / 2 before each sample on; at least 1e-5.

    Before the first sample and after the last one the signal goes on as these two are.

    Args:
        signal: [n, t].
        window: an even number of samples.
    """
    half = window // 2
    power = functional.pad(signal.square()[:, None], (half, half - 1), mode="replicate")[:, 0]  # [n, t + window - 1]
    sums = functional.pad(power.double().cumsum(dim=1), (1, 0))  # a difference of two loses digits: hence float64
    mean = (sums[:, window:] - sums[:, :-window]).to(signal.dtype) / window  # [n, t]
    return mean.clamp(min=QUIETEST**2).sqrt()
