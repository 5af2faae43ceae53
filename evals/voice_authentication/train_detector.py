"""Trains passive detectors and writes them; run as `python -m evals.voice_authentication.train_detector
examples/mini_voice/checkpoint`.

One for each person of the `detector` split whom a gate measures, which learned from everybody but that person: so nobody is
judged by a detector that heard them, and each has heard the channel. The route that is kept apart is heard by none.
"""

from __future__ import annotations

import logging
import sys
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.random import Generator
from torch import Tensor
from torch.nn import functional

from releasegate.checkpoint import open_checkpoint
from releasegate.subjects.mini_voice import open_subject

from ..voices import by_speaker
from ..voices import person as who
from .detector import RATE, WINDOW, Detector, pictures
from .network_clones import network_clones
from .training_sounds import Sound, measured, sounds

LOG = logging.getLogger(__name__)

CYCLES = (600, 300, 400)
"""Steps of each round of learning, in which its rate rises and falls."""
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
ROOMS = 0.3
"""Share of windows that sound as in a room."""
DIES_SECONDS = (0.02, 0.15)
"""In which its echo dies down to 1 / e."""
WET = (0.1, 0.6)
"""Its power beside that of the voice itself."""
CLONES = 40
"""Clones by mini-voice of each speaker."""
MASKED = 0.5
"""Share of windows in which a span of bands is hidden, and share in which the group delay is."""
SEED = 0

Pools = dict[str, dict[str, list[Sound]]]
"""Sounds by route, then by speaker."""


def train(heard: Sequence[Sound], rng: Generator, cycles: Sequence[int] = CYCLES) -> Detector:
    """A detector that learned from these sounds, every route as often as any other."""
    torch.manual_seed(int(rng.integers(2**31)))
    detector = Detector(frozenset().union(*(sound.heard for sound in heard)))
    pools = _pools(heard)
    for steps in cycles:
        learn(detector, pools, rng, steps)
    return detector.eval()


def learn(detector: Detector, pools: Pools, rng: Generator, steps: int) -> None:
    """Changes the weights, step by step; the rate of learning rises at first, and falls to nothing."""
    optimiser = torch.optim.AdamW(detector.parameters(), lr=RATE_OF_LEARNING, weight_decay=DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE_OF_LEARNING, total_steps=steps, pct_start=0.1)
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


def _pools(heard: Sequence[Sound]) -> Pools:
    """The sounds by route, then by speaker."""
    pools: Pools = defaultdict(lambda: defaultdict(list))
    for sound in heard:
        pools[sound.route][sound.speaker].append(sound)
    return pools


def _batch(pools: Pools, rng: Generator) -> tuple[Tensor, Tensor]:
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
    """Each window coloured, some in a room, and some in noise."""
    count, samples = windows.shape
    bins = samples // 2 + 1
    nodes = torch.from_numpy(rng.normal(0, TILT_DB, (count, 1, NODES))).float()
    gains = functional.interpolate(nodes, bins, mode="linear", align_corners=True)[:, 0]
    spectra = torch.fft.rfft(windows) * 10 ** (gains / 20) * _rooms(count, samples, rng)
    coloured = torch.fft.irfft(spectra, samples)
    level = coloured.square().mean(1, keepdim=True).sqrt()
    ratio = torch.from_numpy(rng.uniform(*SNR_DB, (count, 1))).float()
    noisy = torch.from_numpy(rng.random((count, 1)) < NOISY).float()
    noise = torch.from_numpy(rng.standard_normal((count, samples), dtype=np.float32))
    disturbed: Tensor = coloured + noisy * level * 10 ** (-ratio / 20) * noise
    return disturbed


def _rooms(count: int, samples: int, rng: Generator) -> Tensor:
    """complex64 [count, bins], what a room does to each window: for some nothing, for others noise that dies away."""
    clock = torch.arange(samples) / RATE
    dies = torch.from_numpy(rng.uniform(*DIES_SECONDS, (count, 1))).float()
    echo = torch.from_numpy(rng.standard_normal((count, samples), dtype=np.float32)) * torch.exp(-clock / dies)
    echo = echo / echo.square().sum(1, keepdim=True).sqrt()
    wet = torch.from_numpy(rng.uniform(*WET, (count, 1)) * (rng.random((count, 1)) < ROOMS)).float()
    response: Tensor = 1 + wet.sqrt() * torch.fft.rfft(echo)
    return response


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


def heard_without(person: str, heard: Sequence[Sound]) -> list[Sound]:
    """The sounds that no recording of a person went into."""
    return [sound for sound in heard if who(person) not in set(map(who, sound.heard))]


def main(checkpoint: Path) -> None:
    """Writes a detector for each person who is measured, beside this file.

    Args:
        checkpoint: of mini-voice, whose clones are learned from, too.
    """
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    rng = np.random.default_rng(SEED)
    speakers = list(by_speaker("detector", 1))
    subject = open_subject(open_checkpoint(checkpoint), None, torch.device("cpu"), torch.float32)
    heard = [*sounds(rng, speakers), *network_clones(subject, speakers, CLONES, rng)]
    LOG.info("%d sounds", len(heard))
    for person in measured():
        detector = train(heard_without(person, heard), rng)
        detector.write(Path(__file__).with_name(f"without_{person}.safetensors"))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
