"""What may happen to speech between the mark and the detector, for training: each attack keeps its gradient.

An attack takes waves and labels (1 where marked, else 0), both [n, 1, t], and a `Draw`; it returns the two, perhaps at
another length. All rows of a call share the parameters drawn, so that marked and clean rows can go through the same one.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from codec import code
from torch import Tensor
from torch.nn import functional
from warp import change_speed, resample, shift_pitch, stretch_time

NYQUIST = 8000.0


@dataclass(frozen=True)
class Draw:
    """Random numbers from one generator, and speech of other people to mix in, shape [n, 1, t]."""

    generator: torch.Generator
    background: Tensor

    def uniform(self, low: float, high: float) -> float:
        """A number between the two, evenly."""
        return low + (high - low) * float(torch.rand((), generator=self.generator))

    def integer(self, low: int, high: int) -> int:
        """A whole number from `low` up to and without `high`."""
        return int(torch.randint(low, high, (), generator=self.generator))

    def normal(self, *shape: int) -> Tensor:
        """Independent normal numbers of variance 1."""
        return torch.randn(shape, generator=self.generator)


Attack = Callable[[Tensor, Tensor, Draw], tuple[Tensor, Tensor]]


def _rms(wave: Tensor) -> Tensor:
    return wave.detach().square().mean(dim=-1, keepdim=True).sqrt()  # [n, 1, 1]


def _shaped(wave: Tensor, response: Callable[[Tensor], Tensor]) -> Tensor:
    """The wave with each frequency in Hz multiplied by a real response (no phase shift)."""
    length = wave.shape[-1]
    hertz = torch.linspace(0, NYQUIST, length // 2 + 1, dtype=wave.dtype, device=wave.device)
    return torch.fft.irfft(torch.fft.rfft(wave) * response(hertz), n=length)


def _high(hertz: Tensor, cutoff: float, order: int) -> Tensor:
    """Butterworth's magnitude above a cut-off in Hz."""
    return 1 / torch.sqrt(1 + (cutoff / hertz.clamp(min=1.0)) ** (2 * order))


def _low(hertz: Tensor, cutoff: float, order: int) -> Tensor:
    return 1 / torch.sqrt(1 + (hertz / cutoff) ** (2 * order))


def without_rumble(wave: Tensor, cutoff: float) -> Tensor:
    """The wave without what lies below a cut-off in Hz, constants above all."""
    return _shaped(wave, lambda hertz: _high(hertz, cutoff, 4))


def keep(wave: Tensor, labels: Tensor, draw: Draw) -> tuple[Tensor, Tensor]:
    """Nothing happens."""
    return wave, labels


def white_noise(wave: Tensor, labels: Tensor, draw: Draw) -> tuple[Tensor, Tensor]:
    """White noise at 5 to 30 dB."""
    return wave + draw.normal(*wave.shape) * _rms(wave) * 10 ** (-draw.uniform(5, 30) / 20), labels


def pink_noise(wave: Tensor, labels: Tensor, draw: Draw) -> tuple[Tensor, Tensor]:
    """Noise of 1/f power at 3 to 25 dB."""
    noise = _shaped(draw.normal(*wave.shape), lambda hertz: hertz.clamp(min=30.0) ** -0.5)
    return wave + noise / _rms(noise) * _rms(wave) * 10 ** (-draw.uniform(3, 25) / 20), labels


def highpass(wave: Tensor, labels: Tensor, draw: Draw) -> tuple[Tensor, Tensor]:
    """Cut below 200 to 2,000 Hz."""
    cutoff, order = 200 * 10 ** draw.uniform(0, 1), draw.integer(2, 9)
    return _shaped(wave, lambda hertz: _high(hertz, cutoff, order)), labels


def lowpass(wave: Tensor, labels: Tensor, draw: Draw) -> tuple[Tensor, Tensor]:
    """Cut above 1,200 to 6,000 Hz."""
    cutoff, order = 1200 * 5 ** draw.uniform(0, 1), draw.integer(2, 9)
    return _shaped(wave, lambda hertz: _low(hertz, cutoff, order)), labels


def bandpass(wave: Tensor, labels: Tensor, draw: Draw) -> tuple[Tensor, Tensor]:
    """Between 150 to 800 Hz and 2,500 to 6,000 Hz: a telephone and its like."""
    lower, upper, order = draw.uniform(150, 800), draw.uniform(2500, 6000), draw.integer(2, 7)
    return _shaped(wave, lambda hertz: _high(hertz, lower, order) * _low(hertz, upper, order)), labels


def equalise(wave: Tensor, labels: Tensor, draw: Draw) -> tuple[Tensor, Tensor]:
    """Eight bands, evenly spaced, each up or down by some 6 dB, joined smoothly."""
    bands = draw.normal(1, 1, 9) * 6

    def response(hertz: Tensor) -> Tensor:
        curve = functional.interpolate(bands, size=hertz.shape[-1], mode="linear", align_corners=True)
        return torch.as_tensor(10 ** (curve[0, 0] / 20))

    return _shaped(wave, response), labels


def scale(wave: Tensor, labels: Tensor, draw: Draw) -> tuple[Tensor, Tensor]:
    """Louder or quieter by up to 20 dB, upside down half the time."""
    return wave * 10 ** draw.uniform(-1, 1) * (1 if draw.uniform(0, 1) < 0.5 else -1), labels


def narrow(wave: Tensor, labels: Tensor, draw: Draw) -> tuple[Tensor, Tensor]:
    """Down to 6 to 12 kHz and back."""
    length = wave.shape[-1]
    return resample(resample(wave, round(length * draw.uniform(0.375, 0.75))), length), labels


def requantise(wave: Tensor, labels: Tensor, draw: Draw) -> tuple[Tensor, Tensor]:
    """Rounded to 6 to 10 bits of the clip's peak."""
    step = wave.detach().abs().amax(dim=-1, keepdim=True).clamp(min=1e-4) / 2 ** draw.integer(5, 10)
    return wave + (torch.round(wave / step) * step - wave).detach(), labels


def echo(wave: Tensor, labels: Tensor, draw: Draw) -> tuple[Tensor, Tensor]:
    """One repetition after 10 to 250 ms at .1 to .6."""
    delay = draw.integer(160, min(4000, wave.shape[-1] // 2))
    return wave + draw.uniform(0.1, 0.6) * functional.pad(wave, (delay, 0))[..., : wave.shape[-1]], labels


def reverberate(wave: Tensor, labels: Tensor, draw: Draw) -> tuple[Tensor, Tensor]:
    """A room: noise that falls by 60 dB in .1 to .6 s, at -12 to 0 dB of the direct sound."""
    length = wave.shape[-1]
    decay = 10 ** (-3 * torch.arange(length) / (draw.uniform(0.1, 0.6) * 2 * NYQUIST))  # [t]
    tail = draw.normal(length) * decay
    room = tail / tail.square().sum().sqrt() * 10 ** (draw.uniform(-12, 0) / 20)
    room[0] = 1.0
    spectrum = torch.fft.rfft(wave, n=2 * length) * torch.fft.rfft(room, n=2 * length)
    return torch.fft.irfft(spectrum, n=2 * length)[..., :length], labels


def smooth(wave: Tensor, labels: Tensor, draw: Draw) -> tuple[Tensor, Tensor]:
    """The mean of 2 to 10 neighbours."""
    width = draw.integer(2, 11)
    return functional.avg_pool1d(functional.pad(wave, (width // 2, (width - 1) // 2)), width, stride=1), labels


def median(wave: Tensor, labels: Tensor, draw: Draw) -> tuple[Tensor, Tensor]:
    """The middle one of 3 or 5 neighbours."""
    width = 3 + 2 * draw.integer(0, 2)
    return functional.pad(wave, (width // 2, width // 2)).unfold(-1, width, 1).median(dim=-1).values, labels


def crop(wave: Tensor, labels: Tensor, draw: Draw) -> tuple[Tensor, Tensor]:
    """A half or more of the clip."""
    length = draw.integer(wave.shape[-1] // 2, wave.shape[-1])
    start = draw.integer(0, wave.shape[-1] - length + 1)
    return wave[..., start : start + length], labels[..., start : start + length]


def silence(wave: Tensor, labels: Tensor, draw: Draw) -> tuple[Tensor, Tensor]:
    """A span of 5 to 30 % of the clip is zero, and carries no mark."""
    length = int(wave.shape[-1] * draw.uniform(0.05, 0.3))
    start = draw.integer(0, wave.shape[-1] - length)
    left = torch.ones_like(wave)
    left[..., start : start + length] = 0
    return wave * left, labels * left


def drop_samples(wave: Tensor, labels: Tensor, draw: Draw) -> tuple[Tensor, Tensor]:
    """.1 to 3 % of the samples are zero."""
    kept = torch.rand(wave.shape, generator=draw.generator) > draw.uniform(0.001, 0.03)
    return wave * kept, labels


def mix(wave: Tensor, labels: Tensor, draw: Draw) -> tuple[Tensor, Tensor]:
    """Somebody else speaks, or a chord sounds, at 3 to 20 dB below."""
    length = wave.shape[-1]
    if draw.uniform(0, 1) < 0.5:
        repeats = -(-length // draw.background.shape[-1])
        other = draw.background.repeat(wave.shape[0] // draw.background.shape[0], 1, repeats)[..., :length]
    else:
        seconds = torch.arange(length) / (2 * NYQUIST)
        tones = [draw.uniform(100, 500) * (1 + k // 3) for k in range(9)]
        other = sum(
            (torch.sin(2 * math.pi * tone * seconds) / (1 + k // 3) for k, tone in enumerate(tones)), seconds * 0
        )
        other = other.expand(wave.shape)
    return wave + other / _rms(other).clamp(min=1e-5) * _rms(wave) * 10 ** (-draw.uniform(3, 20) / 20), labels


def clip(wave: Tensor, labels: Tensor, draw: Draw) -> tuple[Tensor, Tensor]:
    """Cut off at 1 to 3 times the rms."""
    limit = _rms(wave) * draw.uniform(1, 3)
    return torch.maximum(torch.minimum(wave, limit), -limit), labels


def compress(wave: Tensor, labels: Tensor, draw: Draw) -> tuple[Tensor, Tensor]:
    """Peaks bent softly, by the hyperbolic tangent."""
    knee = _rms(wave).clamp(min=1e-5) * draw.uniform(0.7, 3)
    return knee * torch.tanh(wave / knee), labels


def gate_spectrum(wave: Tensor, labels: Tensor, draw: Draw) -> tuple[Tensor, Tensor]:
    """A simple denoiser: bins near each band's quiet fifth are turned down."""
    window = torch.hann_window(512)
    frames = torch.stft(wave[:, 0], 512, 128, window=window, return_complex=True)  # [n, 257, frames]
    floor = frames.detach().abs().quantile(0.2, dim=-1, keepdim=True) * draw.uniform(1, 3)
    gain = (1 - floor / frames.detach().abs().clamp(min=1e-6)).clamp(min=0.1)
    return torch.istft(frames * gain, 512, 128, window=window, length=wave.shape[-1])[:, None], labels


def rephase(wave: Tensor, labels: Tensor, draw: Draw) -> tuple[Tensor, Tensor]:
    """Rebuilt from magnitudes alone: four rounds of Griffin and Lim from random phases."""
    size = 512 * 2 ** draw.integer(0, 2)
    window = torch.hann_window(size)
    frames = torch.stft(wave[:, 0], size, size // 4, window=window, return_complex=True)  # [n, bins, frames]
    with torch.no_grad():
        angle = draw.normal(*frames.shape) * math.pi
        for _ in range(4):
            rebuilt = torch.istft(torch.polar(frames.abs(), angle), size, size // 4, window=window)
            angle = torch.stft(rebuilt, size, size // 4, window=window, return_complex=True).angle()
    turned = torch.complex(frames.abs() * torch.cos(angle), frames.abs() * torch.sin(angle))
    return torch.istft(turned, size, size // 4, window=window, length=wave.shape[-1])[:, None], labels


def speed(wave: Tensor, labels: Tensor, draw: Draw) -> tuple[Tensor, Tensor]:
    """Faster or slower, pitch and all, by a factor of .8 to 1.25."""
    return change_speed(wave, labels, 1.25 ** draw.uniform(-1, 1))


def tempo(wave: Tensor, labels: Tensor, draw: Draw) -> tuple[Tensor, Tensor]:
    """Faster or slower at the same pitch by a factor of .8 to 1.25."""
    return stretch_time(wave, labels, 1.25 ** draw.uniform(-1, 1), 512 * 2 ** draw.integer(0, 3))


def pitch(wave: Tensor, labels: Tensor, draw: Draw) -> tuple[Tensor, Tensor]:
    """Higher or lower by up to 2 semitones."""
    return shift_pitch(wave, draw.uniform(-2, 2), 512 * 2 ** draw.integer(0, 3)), labels


def encode(wave: Tensor, labels: Tensor, draw: Draw) -> tuple[Tensor, Tensor]:
    """MP3, Opus, Vorbis or GSM, at some 7 to 50 kbit/s."""
    codec = ("mp3", "mp3", "opus", "vorbis", "gsm")[draw.integer(0, 5)]
    return code(wave, codec, draw.uniform(0.5, 1.0)), labels


ATTACKS: dict[str, Attack] = {
    attack.__name__: attack
    for attack in (
        keep, white_noise, pink_noise, highpass, lowpass, bandpass, equalise, scale, narrow, requantise, echo, reverberate,
        smooth, median, crop, silence, drop_samples, mix, clip, compress, gate_spectrum, rephase, speed, tempo, pitch,
        encode,
    )
}  # fmt: skip
