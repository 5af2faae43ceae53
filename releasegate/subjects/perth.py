"""Perth: a published watermark for speech, without a message. Marks a spectrogram below 2 kHz, and finds the mark again.

`examples/perth/export.py` makes a checkpoint of the package's own weights. Against the package this computes the same
score, and the same mark; what differs is told in `Perth.mark` and `Perth.detect`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from math import gcd
from typing import Annotated, Literal

import torch
from pydantic import Field, model_validator
from torch import Tensor
from torch.nn import functional

from releasegate.audio.resampling import MOST, resample
from releasegate.checkpoint import Checkpoint
from releasegate.checkpoint.load import load_module
from releasegate.errors import CheckpointError, UsageError
from releasegate.records import Record
from releasegate.subjects import Detection, Lending
from releasegate.subjects.configuration import contradiction, made_of, read_configuration
from releasegate.subjects.perth_net import QUIET, PerthNet, sounding

HEADROOM = 15.0
"""Decibels above 0 that a scaled magnitude of 1 stands for."""
FRAMES = 2500
"""Frames, of all clips together, that are worked on at once on a processor: 8 clips of 3 s."""
_DECIBELS = 10 / math.log(10)
"""Decibels of a power p, over log(p)."""

Rate = Annotated[int, Field(ge=4000, le=192_000)]
Count = Annotated[int, Field(gt=0, le=1 << 16)]
OVERLAP = (2, 64)
"""Frames that a sample lies in, at least and at most: with fewer no sound comes of the frames, and each takes its memory."""


class PerthConfig(Record):
    """What stands in `config.json`."""

    model_type: Literal["perth"]
    sample_rate: Rate
    """Samples a second of the audio that it takes."""
    inner_rate: Rate
    """Samples a second of the audio that the network was made for."""
    n_fft: Annotated[int, Field(ge=16, le=1 << 16, multiple_of=2)]
    """Samples of a frame, and of its window, at `inner_rate`."""
    hop: Count
    """Samples from one frame to the next, at `inner_rate`."""
    window: Literal["hann"]
    max_wmark_freq: Annotated[float, Field(gt=0, le=96_000)]
    """Hertz up to which bins are changed and read."""
    hidden_size: Annotated[int, Field(gt=0, le=4096)]
    """Channels of the convolutions."""
    magnitude_floor: Annotated[float, Field(ge=1e-15, lt=1)]
    """Lower magnitudes count as this one."""

    @model_validator(mode="after")
    def _frames(self) -> PerthConfig:
        fewest, most = OVERLAP
        if not fewest * self.hop <= self.n_fft <= most * self.hop:
            raise contradiction(f"n_fft must be {fewest} to {most} times hop; got {self.n_fft} and {self.hop}")
        if not 0 < self.band <= self.n_fft // 2 + 1:
            what = f"max_wmark_freq of {self.max_wmark_freq:g} Hz takes in {self.band} of {self.n_fft // 2 + 1} bins"
            raise contradiction(what)
        common = gcd(self.sample_rate, self.inner_rate)
        if max(self.sample_rate, self.inner_rate) > MOST * common:
            raise contradiction(f"sample_rate and inner_rate have no ratio of numbers up to {MOST}")
        return self

    @property
    def band(self) -> int:
        """How many bins lie below `max_wmark_freq`."""
        return round((self.n_fft // 2 + 1) * self.max_wmark_freq / (self.inner_rate / 2))

    def outer(self, samples: int) -> int:
        """A number of samples at `inner_rate`, at `sample_rate`."""
        return samples * self.sample_rate // self.inner_rate


class Perth:
    """A Perth checkpoint. It computes on the device of its weights."""

    bits = 0
    rule = "the decoder's confidence, clipped to [0, 1]"

    def __init__(self, config: PerthConfig, net: PerthNet) -> None:
        self._config = config
        self._net = net
        self._weight = next(net.parameters())
        self._window = torch.hann_window(config.n_fft, device=self._weight.device)
        self._outer_window = torch.hann_window(config.outer(config.n_fft), device=self._weight.device)
        self.rate = config.sample_rate
        self._scale = HEADROOM - 2 * _DECIBELS * math.log(config.magnitude_floor)  # dB from the floor, 0, to 1

    def mark(self, audio: Tensor, messages: Tensor) -> Tensor:
        """The marked clips; see `WatermarksAudio`.

        The package takes the whole clip to `inner_rate` and back, and its end is cut off at a whole hop. Here only what the
        mark adds is made, straight at `sample_rate`, where its bins are the same, and is added to the clip as it is.

        Args:
            audio: float32 [n, t] in [-1, 1].
            messages: int64 [n, 0].
        """
        audio = audio.to(self._weight.device)
        return torch.cat([self._marked(part) for part in self._parts(audio)])

    def _marked(self, audio: Tensor) -> Tensor:
        inner = self._inner(audio)
        spectrum = self._spectrum(inner)
        low, kept = self._low(spectrum, inner)
        residual = self._net.encoder(low.to(self._weight.dtype), kept).float()  # [n, band, frames]
        gain = torch.exp(residual * (self._scale / (2 * _DECIBELS)))
        added = spectrum[:, : self._config.band] * (gain - 1)
        return (audio + self._sound(added, audio.shape[1])).clamp(-1, 1)

    def detect(self, audio: Tensor) -> Detection:
        """What the decoder says; see `WatermarksAudio`.

        The package gives NaN for a clip without sound. Here its score is 0: it carries no mark. A clip that is not finite
        gets NaN. The gradient of a score is that of the confidence before it is clipped.
        """
        audio = audio.to(self._weight.device)
        confidence = torch.cat([self._confidence(part) for part in self._parts(audio)])  # [n]
        whole = torch.isfinite(audio).all(dim=1)
        score = (confidence.detach().clamp(0, 1) + (confidence - confidence.detach())).masked_fill(~whole, torch.nan)
        return Detection(score, score[:, None].expand(-1, audio.shape[1]), audio.new_empty(len(audio), 0))

    def _confidence(self, audio: Tensor) -> Tensor:
        """float32 [n], not clipped."""
        inner = self._inner(audio)
        low, kept = self._low(self._spectrum(inner), inner)
        confidence: Tensor = self._net.decoder(low.to(self._weight.dtype), kept)
        return confidence

    def _parts(self, audio: Tensor) -> Sequence[Tensor]:
        """The clips in groups: all of them, or on a processor as many as its caches hold the states of."""
        if audio.device.type != "cpu":
            return [audio]
        frames = audio.shape[1] // self._config.outer(self._config.hop) + 1
        return list(audio.split(max(1, FRAMES // frames)))

    def _inner(self, audio: Tensor) -> Tensor:
        """float32 [n, t * inner_rate / sample_rate], the clips at `inner_rate`."""
        needed = self._config.outer(self._config.n_fft // 2) + 1
        if audio.shape[1] < needed:
            what = f"has clips of {audio.shape[1]:,} samples, and Perth needs {needed:,} ({needed / self.rate:.3f} s)"
            raise UsageError("audio", what, "pad them, or leave them out")
        return resample(audio.float(), self._config.sample_rate, self._config.inner_rate)

    def _spectrum(self, inner: Tensor) -> Tensor:
        """complex64 [n, n_fft // 2 + 1, frames] of clips at `inner_rate`."""
        n_fft, hop = self._config.n_fft, self._config.hop
        return torch.stft(inner, n_fft, hop, window=self._window, pad_mode="reflect", return_complex=True)

    def _low(self, spectrum: Tensor, audio: Tensor) -> tuple[Tensor, Tensor]:
        """float32 [n, band, frames], the scaled magnitudes of the low bins; bool [n, frames], frames that sound.

        Args:
            spectrum: complex64 [n, bins, frames].
            audio: float32 [n, t], what it is the spectrum of.
        """
        band = self._config.band
        low = self._above(spectrum[:, :band])
        sums = low.detach().sum(dim=1)  # [n, frames], of the low bins
        if bool((sums.amin(dim=1) > 1.01 * QUIET * self._most(audio)).all()):
            kept = torch.ones_like(sums, dtype=torch.bool)  # no frame is silent, whatever stands in its other bins
        else:
            kept = sounding(sums + self._above(spectrum[:, band:].detach()).sum(dim=1))
        return low * (_DECIBELS / self._scale), kept

    def _above(self, spectrum: Tensor) -> Tensor:
        """float32 [n, bins, frames], the logarithm of the power over that of the floor; exactly 0 where there is silence."""
        real, imaginary = spectrum.real, spectrum.imag
        power = (real * real).addcmul(imaginary, imaginary) * self._config.magnitude_floor**-2
        return power.clamp(min=1).log()

    def _most(self, audio: Tensor) -> Tensor:
        """float32 [n], which no sum of `_above` over all bins of a frame exceeds.

        A mean of logarithms is at most the logarithm of the mean, and by Parseval's theorem the powers of a frame come to
        n_fft times those of its samples.
        """
        bins = self._config.n_fft // 2 + 1
        energy = self._window.square().sum() * audio.detach().abs().amax(dim=1).square()  # of a frame
        mean = self._config.n_fft * energy * self._config.magnitude_floor**-2 / bins
        return bins * mean.log1p()

    def _sound(self, low: Tensor, samples: int) -> Tensor:
        """float32 [n, samples] at `sample_rate`, the sound of the low bins of spectra at `inner_rate`."""
        n_fft, hop = self._config.outer(self._config.n_fft), self._config.outer(self._config.hop)
        full = functional.pad(low, (0, 0, 0, n_fft // 2 + 1 - low.shape[1]))  # [n, n_fft // 2 + 1, frames]
        sound = torch.istft(full, n_fft, hop, window=self._outer_window, length=samples)
        return sound * (n_fft / self._config.n_fft)  # the inverse transform divides by its length


def open_subject(checkpoint: Checkpoint, lending: Lending | None, device: torch.device, dtype: torch.dtype) -> Perth:
    """The subject; nothing can be lent to it.

    Raises:
        CheckpointError: the configuration is not Perth's, or the tensors do not fit it strictly.
    """
    fix = "export it again with examples/perth/export.py"
    config = read_configuration(checkpoint, PerthConfig, fix)
    divisible = all(n * config.sample_rate % config.inner_rate == 0 for n in (config.n_fft // 2, config.hop))
    if not divisible or config.band > config.outer(config.n_fft // 2):
        what = f"has frames at {config.inner_rate} Hz that are no whole samples at {config.sample_rate} Hz"
        raise CheckpointError(
            str(checkpoint.root / "config.json"), what, "give another sample_rate, such as 16000 or 32000"
        )
    with torch.device("meta"):
        net = made_of(checkpoint, lambda: PerthNet(config.band, config.hidden_size), fix)
    net = load_module(checkpoint, net, device=device, dtype=dtype).requires_grad_(requires_grad=False)
    net.settle()
    return made_of(checkpoint, lambda: Perth(config, net), fix)
