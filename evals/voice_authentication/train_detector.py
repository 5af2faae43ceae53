"""Trains the passive detector and writes `detector.safetensors`; run as `python -m evals.voice_authentication.train_detector`.

Nothing that a gate measures is heard: neither the targets' voices, nor the route that is kept apart, nor AMR.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.random import Generator
from torch import Tensor
from torch.nn import functional

from .detector import WINDOW, Detector, pictures
from .training_sounds import Sound, sounds

LOG = logging.getLogger(__name__)

STEPS = 1500
BATCH = 48
"""Windows in a step, half of them recorded."""
RATE_OF_LEARNING = 2e-3
DECAY = 1e-2
SMOOTHING = 0.02
"""By how much the answers that are learned lie inside of 0 and 1."""
NODES = 10
TILT_DB = 5.0
"""Deviation of a random colouring, between `NODES` places in frequency."""
NOISY = 0.4
SNR_DB = (12.0, 45.0)
MASKED = 0.5
"""Share of windows in which a span of bands is hidden, and share in which the group delay is."""
SEED = 0


def train(heard: Sequence[Sound], rng: Generator, steps: int = STEPS) -> Detector:
    """A detector that learned from these sounds, every route as often as any other; the mean of its last weights."""
    torch.manual_seed(int(rng.integers(2**31)))
    detector = Detector()
    optimiser = torch.optim.AdamW(detector.parameters(), lr=RATE_OF_LEARNING, weight_decay=DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE_OF_LEARNING, total_steps=steps, pct_start=0.1)
    pools = _pools(heard)
    detector.train()
    lost = 0.0
    for step in range(steps):
        windows, made = _batch(pools, rng)
        logits = detector(_masked(pictures(_disturbed(windows, rng)), rng))
        wanted = made * (1 - 2 * SMOOTHING) + SMOOTHING
        loss = functional.binary_cross_entropy_with_logits(logits, wanted)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
        lost += (float(loss.detach()) - lost) / min(step + 1, 50)
        if step % 50 == 49:
            LOG.info("step %d of %d: loss %.3f", step + 1, steps, lost)
    return detector.eval()


def _pools(heard: Sequence[Sound]) -> dict[str, dict[str, list[Sound]]]:
    """The sounds by route, then by speaker."""
    pools: dict[str, dict[str, list[Sound]]] = defaultdict(lambda: defaultdict(list))
    for sound in heard:
        pools[sound.route][sound.speaker].append(sound)
    return pools


def _batch(pools: dict[str, dict[str, list[Sound]]], rng: Generator) -> tuple[Tensor, Tensor]:
    """float32 [BATCH, WINDOW], and float32 [BATCH], 1 where a program made it."""
    routes = sorted(set(pools) - {"recorded"})
    drawn = []
    for number in range(BATCH):
        route = "recorded" if number % 2 == 0 else routes[int(rng.integers(len(routes)))]
        speakers = sorted(pools[route])
        pool = pools[route][speakers[int(rng.integers(len(speakers)))]]
        drawn.append(pool[int(rng.integers(len(pool)))])
    windows = torch.stack([_window(sound.audio, rng) for sound in drawn])
    return windows, torch.tensor([float(sound.made) for sound in drawn])


def _window(audio: Tensor, rng: Generator) -> Tensor:
    """Two seconds from anywhere; a shorter sound is repeated."""
    if len(audio) < WINDOW:
        audio = audio.repeat(-(-WINDOW // len(audio)))
    start = int(rng.integers(len(audio) - WINDOW + 1))
    return audio[start : start + WINDOW].float() / 32767


def _disturbed(windows: Tensor, rng: Generator) -> Tensor:
    """Each window coloured, and some in noise."""
    count, samples = windows.shape
    bins = samples // 2 + 1
    nodes = torch.from_numpy(rng.normal(0, TILT_DB, (count, 1, NODES))).float()
    gains = functional.interpolate(nodes, bins, mode="linear", align_corners=True)[:, 0]
    coloured = torch.fft.irfft(torch.fft.rfft(windows) * 10 ** (gains / 20), samples)
    level = coloured.square().mean(1, keepdim=True).sqrt()
    ratio = torch.from_numpy(rng.uniform(*SNR_DB, (count, 1))).float()
    noisy = torch.from_numpy(rng.random((count, 1)) < NOISY).float()
    noise = torch.from_numpy(rng.standard_normal((count, samples), dtype=np.float32))
    return coloured + noisy * level * 10 ** (-ratio / 20) * noise


def _masked(seen: Tensor, rng: Generator) -> Tensor:
    """Pictures float32 [n, CHANNELS, BANDS, f], spans of bands or the group delay hidden in some, in place."""
    bands = seen.shape[2]
    for picture in seen:
        if rng.random() < MASKED:
            wide = int(rng.integers(1, bands // 4))
            start = int(rng.integers(bands - wide))
            picture[:3, start : start + wide] = 0
        if rng.random() < MASKED / 2:
            picture[1:3] = 0
    return seen


def main() -> None:
    """Writes `detector.safetensors` beside this file."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    rng = np.random.default_rng(SEED)
    heard = list(sounds(rng))
    LOG.info("%d sounds", len(heard))
    train(heard, rng).write(Path(__file__).with_name("detector.safetensors"))


if __name__ == "__main__":
    main()
