"""The last two layers of AudioSeal's detector as one product.

The package spreads each frame of its encoder over as many samples (a transposed convolution whose kernel is its stride, to 32
channels), and then mixes the channels of each sample to the logits (a convolution that sees one sample). Nothing stands
between the two, so that their product can be made once. Of the two logits of presence only the difference matters, and of
those of the message only the mean over time: neither needs 32 channels at full rate.
"""

from __future__ import annotations

from typing import Any

import torch
from audioseal.models import AudioSealDetector
from torch import Tensor


class Head:
    """What a detector says of the frames of its encoder."""

    def __init__(self, detector: AudioSealDetector) -> None:
        layers: Any = detector.detector  # torch knows no types of submodules
        encoder, last = layers
        spread, mix = encoder.reverse_convolution, last.weight[:, :, 0].detach().double()  # mix: [2 + bits, 32]
        kernels = torch.einsum("dch,oc->doh", spread.weight.detach().double(), mix)  # [dimension, 2 + bits, hop]
        bias = mix @ spread.bias.detach().double() + last.bias.detach().double()  # [2 + bits]
        dtype = last.weight.dtype
        self._presence = (kernels[:, 1] - kernels[:, 0]).to(dtype)  # [dimension, hop]
        self._message = kernels[:, 2:].to(dtype)  # [dimension, bits, hop]
        self._presence_bias, self._message_bias = (bias[1] - bias[0]).to(dtype), bias[2:].to(dtype)
        self._hop: int = kernels.shape[2]

    def presence(self, hidden: Tensor, samples: int) -> Tensor:
        """float32 [n, samples] in [0, 1], how surely each sample is marked.

        Args:
            hidden: [n, dimension, frames], what the encoder gives; each frame stands for `hop` samples.
            samples: of the audio that the encoder read.
        """
        spread = (hidden.transpose(1, 2) @ self._presence).flatten(1)[:, :samples]  # [n, frames * hop], cut
        presence: Tensor = (spread + self._presence_bias).float().sigmoid()
        return presence

    def message(self, hidden: Tensor, samples: int) -> Tensor:
        """float32 [n, bits] in [0, 1], how surely each bit is 1, from the mean over samples; arguments as of `presence`."""
        whole, rest = divmod(samples, self._hop)
        total = hidden[:, :, :whole].sum(dim=2) @ self._message.sum(dim=2)  # [n, bits]
        if rest:
            total = total + hidden[:, :, whole] @ self._message[:, :, :rest].sum(dim=2)
        bits: Tensor = (total / samples + self._message_bias).float().sigmoid()
        return bits
