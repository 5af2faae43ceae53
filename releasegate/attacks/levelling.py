"""Attacks on the level: louder, quieter, upside down, or loudness evened out."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional

from releasegate.attacks.attack import Attack, Given
from releasegate.audio.levels import QUIETEST, fitted, peak

FRAME = 0.01
"""Seconds over which the compressor takes a level."""
REACH = 20.0
"""The compressor works on what lies within so many dB of a clip's loudest frame; what is quieter is raised with it."""
RELEASE = 100.0
"""How fast the level that a compressor follows may fall, in dB a second; it rises within three frames."""
LOOK_AHEAD = 0.0025
"""Seconds before and after a peak in which a limiter turns down."""


def _gain(given: Given, strength: float) -> Tensor:
    return (given.audio * 10 ** (strength / 20)).clamp(-1.0, 1.0)


def _polarity(given: Given, strength: float) -> Tensor:
    return -given.audio


def _levels(audio: Tensor, frame: int) -> Tensor:
    """float [n, frames], the level in dB that a compressor follows: up at once, down at `RELEASE`."""
    samples = audio.shape[1]
    frames = -(-samples // frame)
    energy = functional.pad(audio.square(), (0, frames * frame - samples)).reshape(len(audio), frames, frame).sum(2)
    counts = energy.new_full((frames,), frame)
    counts[-1] = samples - (frames - 1) * frame
    measured = 10 * torch.log10((energy / counts).clamp_min(QUIETEST))  # [n, frames]
    fall = RELEASE * FRAME * torch.arange(frames, device=audio.device, dtype=audio.dtype)
    return (measured + fall).cummax(1).values - fall


def _compress(given: Given, strength: float) -> Tensor:
    audio, frame = given.audio, max(round(FRAME * given.rate), 1)
    levels = _levels(audio, frame)
    over = (levels - levels.amax(1, keepdim=True) + REACH).clamp_min(0.0)  # [n, frames], 0 to REACH
    gains = (1 - 1 / strength) * (REACH - over)  # dB, 0 for the loudest
    softened = functional.avg_pool1d(gains, 3, 1, 1, count_include_pad=False)[:, None]  # [n, 1, frames]
    curve = functional.interpolate(softened, scale_factor=float(frame), mode="linear")[:, 0, : audio.shape[1]]  # [n, t]
    return fitted(audio * 10 ** (curve / 20))


def _limit(given: Given, strength: float) -> Tensor:
    audio, ceiling = given.audio, 10 ** (strength / 20)
    half = round(LOOK_AHEAD * given.rate)
    peaks = functional.max_pool1d(audio.abs(), 2 * half + 1, 1, half)  # [n, t]
    needed = (ceiling / peaks.clamp_min(ceiling)).clamp_max(1.0)
    # Each of these is a mean of gains that are all low enough for the sample in the middle, hence low enough itself.
    gains = functional.avg_pool1d(needed, 2 * half + 1, 1, half, count_include_pad=False)
    return (audio * gains).clamp(-ceiling, ceiling)


def _clip(given: Given, strength: float) -> Tensor:
    most = strength * peak(given.audio)  # [n, 1]
    return given.audio.clamp(-most, most)


ATTACKS: Mapping[str, Attack] = {
    attack.name: attack
    for attack in (
        Attack(
            name="gain",
            title="Louder or quieter; what goes over full scale is cut off",
            unit="dB",
            family="levelling",
            apply=_gain,
            aligned=True,
            domain=(-40.0, 40.0),
        ),
        Attack(
            name="polarity",
            title="Upside down: each sample times -1",
            unit="",
            family="levelling",
            apply=_polarity,
            aligned=True,
            domain=(0.0, 0.0),
        ),
        Attack(
            name="compress",
            title="Dynamic range compression of a clip's loudest 20 dB, the loudest keeping its level",
            unit="to 1",
            family="levelling",
            apply=_compress,
            aligned=True,
            domain=(1.0, 100.0),
        ),
        Attack(
            name="limit",
            title="Look-ahead limiter: no sample over the ceiling, without clipping",
            unit="dBFS",
            family="levelling",
            apply=_limit,
            aligned=True,
            domain=(-40.0, 0.0),
        ),
        Attack(
            name="clip",
            title="Hard clipping at a fraction of a clip's peak",
            unit="of peak",
            family="levelling",
            apply=_clip,
            aligned=True,
            domain=(0.01, 1.0),
        ),
    )
}
"""By name."""
