"""From envelopes and pitch to sound: pulses and noise through the envelope, then a small network that mends the spectra.

Everything before the network is a formula: pulses that hold every harmonic alike, noise of the same power, each filtered frame
by frame with the envelope's minimum phase. What the network gives is the sound.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from releasegate.records import Record
from releasegate.subjects.mini_voice_converter import CEPSTRA, Block, Few, Size
from releasegate.subjects.mini_voice_frames import BINS, HOP, RATE, SIZE, sound, spectrum

HIGHEST = 7800.0
"""Hertz up to which pulses have harmonics."""
LOUDEST_LOG = 12.0
"""The logarithm of a power spectrum is kept below it."""
CLEAR, ROUGH = -60.0, 0.0
"""Decibels of aperiodicity at 0 Hz and at 8 kHz; what is given stands at 3 kHz, and between them it is straight."""
MIDDLE = 3000.0
MOST_GAIN = 2.0
"""Nepers that the network may add to or take from a bin."""
ADDED = 0.3
"""Share of the envelope that it may add in a bin."""


class VocoderSizes(Record):
    """Sizes of the network that mends the spectra."""

    width: Size
    blocks: Few


class Vocoder(nn.Module):
    """Makes sound."""

    decode: Tensor
    floor: Tensor

    def __init__(self, sizes: VocoderSizes, condition: int) -> None:
        super().__init__()
        self.register_buffer(
            "decode", torch.zeros(CEPSTRA, BINS)
        )  # from mel-cepstra to the logarithm of a power spectrum
        self.register_buffer("floor", torch.zeros(BINS))  # that of cepstra of 0
        self.into = nn.Linear(CEPSTRA + 3, sizes.width)
        self.blocks = nn.ModuleList(Block(sizes.width, condition) for _ in range(sizes.blocks))
        self.out = nn.Linear(sizes.width, 4 * BINS)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def forward(
        self,
        cepstra: Tensor,
        roughness: Tensor,
        pitch: Tensor,
        noise: Tensor,
        condition: Tensor,
        mask: Tensor,
        loudest: Tensor | None = None,
    ) -> Tensor:
        """float32 [n, frames * HOP], the sound.

        Args:
            cepstra: float32 [n, frames, CEPSTRA].
            roughness: float32 [n, frames], decibels of aperiodicity at 3 kHz.
            pitch: float32 [n, frames] in Hz; 0 where nothing is voiced.
            noise: float32 [n, frames * HOP], of variance 1.
            condition: [n, condition], as of `Converter.condition`.
            mask: float32 [n, frames, 1].
            loudest: float32 [n, frames], what `level` may be at most; louder envelopes are turned down.
        """
        log = self._log(cepstra).clamp(max=LOUDEST_LOG)
        if loudest is not None:
            log = log - (log.logsumexp(dim=-1) - loudest).clamp(min=0)[..., None]
        plain = self.plain(log, roughness, pitch, noise)
        gain, turn, real, imaginary = self._mended(cepstra, roughness, pitch, condition, mask).chunk(4, dim=-1)
        mended = plain * torch.polar(torch.exp(MOST_GAIN * torch.tanh(gain)), math.pi * torch.tanh(turn))
        level = ADDED * math.sqrt(SIZE) * torch.exp(log / 2)
        mended = mended + torch.complex(level * torch.tanh(real), level * torch.tanh(imaginary))
        return sound(mended * mask)

    def _log(self, cepstra: Tensor) -> Tensor:
        return cepstra @ self.decode.float() + self.floor.float()

    def level(self, cepstra: Tensor) -> Tensor:
        """float32 [...], the logarithm of the power of envelopes, whose cepstra are float32 [..., CEPSTRA]."""
        return self._log(cepstra).clamp(max=LOUDEST_LOG).logsumexp(dim=-1)

    def plain(self, log: Tensor, roughness: Tensor, pitch: Tensor, noise: Tensor) -> Tensor:
        """complex64 [n, frames, BINS], pulses and noise through the envelope, whose logarithm is float32 [n, frames, BINS]."""
        frames = pitch.shape[1]
        rough = torch.where((pitch > 0)[..., None], _aperiodicity(roughness), 1.0)  # [n, frames, BINS]
        steady = (1 - rough.square()).clamp(min=1e-6).sqrt()  # a root of 0 has no gradient
        voiced, breath = spectrum(pulses(pitch), SIZE, frames), spectrum(noise, SIZE, frames)
        return minimum_phase(log) * (voiced * steady + breath * rough)

    def _mended(self, cepstra: Tensor, roughness: Tensor, pitch: Tensor, condition: Tensor, mask: Tensor) -> Tensor:
        voiced = (pitch > 0).float()
        height = torch.where(pitch > 0, pitch.clamp(min=1).log() - 5, 0.0)
        known = torch.cat([cepstra / 2, torch.stack([roughness / 10, voiced, height], dim=-1)], dim=-1)
        hidden = self.into(known.to(self.out.weight.dtype))
        own = mask.to(hidden.dtype)
        for block in self.blocks:
            hidden = block(hidden, own, condition)
        out: Tensor = self.out(hidden).float()
        return out


def _aperiodicity(roughness: Tensor) -> Tensor:
    """float32 [n, frames, BINS] in [0, 1], the share of amplitude that is noise, of decibels float32 [n, frames]."""
    hertz = torch.arange(BINS, device=roughness.device) * RATE / SIZE
    at = roughness.clamp(CLEAR, ROUGH)[..., None]
    low = CLEAR + (at - CLEAR) * hertz / MIDDLE
    high = at + (ROUGH - at) * (hertz - MIDDLE) / (RATE / 2 - MIDDLE)
    return 10 ** (torch.where(hertz < MIDDLE, low, high) / 20)


def minimum_phase(log: Tensor) -> Tensor:
    """complex64 [n, frames, BINS], the filter of minimum phase whose power spectrum has the logarithm `log`, as large."""
    cepstrum = torch.fft.irfft(log / 2, n=SIZE)
    causal = torch.cat(
        [cepstrum[..., :1], 2 * cepstrum[..., 1 : SIZE // 2], cepstrum[..., SIZE // 2 : SIZE // 2 + 1]], -1
    )
    return torch.exp(torch.fft.rfft(causal, n=SIZE))


def pulses(pitch: Tensor) -> Tensor:
    """float32 [n, frames * HOP], harmonics of a pitch float32 [n, frames] in Hz, of mean power 1; 0 where pitch is 0.

    Between frames the pitch goes on straight. The sum of cos(k x) for k from 1 to K is sin((K + 1/2) x) / (2 sin(x / 2)) - 1/2.
    """
    voiced = (pitch > 0).repeat_interleave(HOP, dim=1)
    filled = torch.where(pitch > 0, pitch, _nearest(pitch)).double().clamp(min=20)
    following = torch.cat([filled[:, 1:], filled[:, -1:]], dim=1)
    along = torch.arange(HOP, device=pitch.device, dtype=torch.float64) / HOP
    hertz = (filled[..., None] + (following - filled)[..., None] * along).flatten(1)  # [n, frames * HOP]
    turns = (hertz / RATE).cumsum(dim=1)
    x = 2 * math.pi * (turns - turns.floor())  # in [0, 2 pi)
    count = (HIGHEST / hertz).floor()
    half = (x / 2).sin()
    near = half.abs() < 1e-6
    total = ((count + 0.5) * x).sin() / torch.where(near, 1.0, 2 * half) - 0.5
    total = torch.where(near, count, total)
    return (2 * (hertz / RATE).sqrt() * total * voiced).float()


def _nearest(pitch: Tensor) -> Tensor:
    """[n, frames], the last pitch that was not 0, or the first to come."""
    frames = torch.arange(pitch.shape[1], device=pitch.device).expand_as(pitch)
    last = torch.where(pitch > 0, frames, -1).cummax(dim=1).values
    first = (pitch > 0).float().argmax(dim=1, keepdim=True)
    return pitch.gather(1, torch.where(last < 0, first, last))


def noises(seeds: Sequence[int], samples: Sequence[int], longest: int) -> Tensor:
    """float32 [n, longest], white noise of variance 1, each row of its own seed; 0 beyond its samples."""
    rows = []
    for seed, count in zip(seeds, samples, strict=True):
        drawn = torch.randn(count, generator=torch.Generator().manual_seed(seed))
        rows.append(functional.pad(drawn, (0, longest - count)))
    return torch.stack(rows)
