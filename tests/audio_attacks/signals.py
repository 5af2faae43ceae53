"""Signals to attack whose measure is known, and how to take it."""

from __future__ import annotations

from collections.abc import Sequence
from math import pi

import torch
from torch import Tensor

from releasegate.attacks import Given, find_attack

RATE = 16000


def attacked(name: str, strength: float, audio: Tensor, rate: int = RATE, seeds: Sequence[int] | None = None) -> Tensor:
    """float32 [n, t'], `audio` [n, t] under the attack; the seeds of its rows are 0, 1, 2, … unless given."""
    return find_attack(name).apply(Given(audio, rate, range(len(audio)) if seeds is None else seeds), strength)


def tone(frequency: float, seconds: float = 1.0, amplitude: float = 0.5, rate: int = RATE) -> Tensor:
    """float32 [1, t], a sine."""
    times = torch.arange(round(seconds * rate), dtype=torch.float64) / rate
    return (amplitude * torch.sin(2 * pi * frequency * times)).float()[None]


def impulse(seconds: float = 1.0, at: float = 0.5, amplitude: float = 0.5, rate: int = RATE) -> Tensor:
    """float32 [1, t], silence but for one sample, `at` that part of the clip."""
    audio = torch.zeros(1, round(seconds * rate))
    audio[0, int(at * audio.shape[1])] = amplitude
    return audio


def decibels(power: Tensor) -> Tensor:
    """10 log10 of a power."""
    return 10 * torch.log10(power.double().clamp_min(1e-30))


def rms_decibels(audio: Tensor) -> Tensor:
    """float64 [n], the level of each clip."""
    return decibels(audio.double().square().mean(1))


def response(name: str, strength: float, seed: int = 0, rate: int = RATE) -> tuple[Tensor, Tensor]:
    """Frequencies in Hz and the gain of an attack at each, in dB, from what it makes of an impulse of one second."""
    given = impulse(amplitude=0.05, rate=rate)
    spectrum = torch.fft.rfft(attacked(name, strength, given, rate, [seed]).double() / 0.05)
    return torch.fft.rfftfreq(given.shape[1], 1 / rate), decibels(spectrum[0].abs().square())


def lag(given: Tensor, got: Tensor) -> int:
    """Samples by which `got` [t'] comes after `given` [t], where their cross-correlation is highest in magnitude."""
    size = 2 * max(len(given), len(got))
    correlation = torch.fft.irfft(
        torch.fft.rfft(got.double(), size) * torch.fft.rfft(given.double(), size).conj(), size
    )
    place = int(correlation.abs().argmax())
    return place if place < size // 2 else place - size
