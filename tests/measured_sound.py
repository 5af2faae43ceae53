"""What the tests of attacks measure on sound."""

import torch
from torch import Tensor


def lag(late: Tensor, early: Tensor) -> int:
    """Samples by which `late` [t] comes after `early` [t'], by the peak of their cross-correlation."""
    size = late.numel() + early.numel()
    product = torch.fft.rfft(late.double(), size) * torch.fft.rfft(early.double(), size).conj()
    place = int(torch.fft.irfft(product, size).argmax())
    return place if place < late.numel() else place - size


def snr_db(attacked: Tensor, audio: Tensor) -> float:
    """dB of `audio` over what was added to it, both [t]."""
    return float(10 * torch.log10(audio.double().square().sum() / (attacked - audio).double().square().sum()))


def level_db(attacked: Tensor, audio: Tensor) -> float:
    """dB of `attacked` over `audio`, by their energy."""
    return float(10 * torch.log10(attacked.double().square().sum() / audio.double().square().sum()))


def band_db(audio: Tensor, rate: int, low: float, high: float) -> float:
    """dB of the energy of `audio` [t] between two frequencies in Hz."""
    spectrum = torch.fft.rfft(audio.double()).abs().square()
    hz = torch.fft.rfftfreq(audio.numel(), 1 / rate, dtype=torch.float64)
    return float(10 * torch.log10(spectrum[(hz >= low) & (hz < high)].sum() + 1e-20))


def tone(hz: float, seconds: float, rate: int = 16000, loudness: float = 0.5) -> Tensor:
    """float32 [t], a sine."""
    clock = torch.arange(round(seconds * rate), dtype=torch.float64) / rate
    return (loudness * torch.sin(2 * torch.pi * hz * clock)).float()


def loudest_hz(audio: Tensor, rate: int = 16000) -> float:
    """The frequency of the strongest partial of `audio` [t], to a fraction of a bin (parabola through three)."""
    windowed = audio.double() * torch.hann_window(audio.numel(), dtype=torch.float64)
    power = torch.log(torch.fft.rfft(windowed).abs() + 1e-12)
    top = int(power.argmax())
    left, middle, right = (float(power[top + step]) for step in (-1, 0, 1))
    return (top + 0.5 * (left - right) / (left - 2 * middle + right)) * rate / audio.numel()
