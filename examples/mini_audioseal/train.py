"""Trains the mini-AudioSeal and writes its checkpoint: `python examples/mini_audioseal/train.py --speech FOLDER --out FOLDER`.

Runs on one core of a CPU. The seed and the number of steps fix the weights on one machine and versions; `--minutes` stops
a run early, with the schedule shortened to fit, and then the machine's speed has its say.
"""

from __future__ import annotations

import json
import logging
import math
import os
import time
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import click
import torch
from augment import ATTACKS, Draw, without_rumble
from crops import Crops
from envelope import embed, local_rms
from loss import audible_loss, detection_loss, likeness_loss, message_loss
from model import WINDOW, build, make_config, write_checkpoint
from speech import TRAINING, join, read_voice
from torch import Tensor, nn

LOG = logging.getLogger(__name__)
FOLDER = click.Path(path_type=Path, file_okay=False)
LONGEST_SHIFT = 640  # samples, two frames of the generator
MILD = (  # what the message is trained through: attacks that leave the clock of the generator's frames in place
    "white_noise", "pink_noise", "highpass", "lowpass", "bandpass", "equalise", "scale", "narrow", "requantise", "echo",
    "reverberate", "smooth", "median", "silence", "clip", "compress", "encode",
)  # fmt: skip


@dataclass(frozen=True)
class Recipe:
    """The numbers of a training run; "share" is of all its steps."""

    steps: int = 6000
    rate: float = 2e-3
    warm_up: int = 100  # steps
    generator_rate: float = 0.5  # of `rate`; a faster generator forgets the message before the detector reads it
    decay_from: float = 0.5  # share; from there the rate falls to a fiftieth as a cosine
    snr_db: float = 23.0  # of the mark at the end: 2 dB louder than what `config.json` states, as a margin
    louder_db: float = 14.0  # of the mark at the start
    louder_until: float = 0.3  # share
    attacks_from: float = 0.06  # share
    untouched: float = 0.3  # of the groups, whose detection goes through no attack
    message_attacks_from: float = 0.12  # share
    message_weight: float = 0.4
    likeness_weight: float = 1.5  # at the start
    likeness_until: float = 0.5  # share
    change_weight: float = 0.15  # of what can be heard, from `audible_from` on, in full from `audible_full` on
    excess_weight: float = 0.12
    audible_from: float = 0.1
    audible_full: float = 0.4
    sizes: tuple[tuple[float, int, int], ...] = (
        (0.0, 8, 8000),
        (0.45, 8, 12000),
        (0.8, 6, 20000),
    )  # share, rows, samples


class Hardness:
    """How badly marks are found through each attack, as a moving average; harder ones are drawn more often."""

    def __init__(self) -> None:
        self.names = list(ATTACKS)
        self.loss = torch.full((len(self.names),), 0.7)  # nats: chance

    def pick(self, generator: torch.Generator) -> str:
        """The name of an attack. What is at chance weighs no more than chance, or the hopeless would crowd out the rest."""
        weights = self.loss.clamp(max=0.69).sqrt() + 0.05
        return self.names[int(torch.multinomial(weights, 1, generator=generator))]

    def update(self, name: str, loss: float) -> None:
        """Takes note of a loss in nats."""
        place = self.names.index(name)
        self.loss[place] = 0.97 * self.loss[place] + 0.03 * min(loss, 1.0)


def span_labels(count: int, length: int, draw: Draw) -> Tensor:
    """1 where the mark stays and 0 where the speech goes back to clean, shape [count, 1, length].

    Half of the rows are marked all through; the others lose a span, or, one in three, have nothing but a span.
    """
    labels = torch.ones(count, 1, length)
    for row in labels:
        if draw.uniform(0, 1) < 0.5:
            size = int(length * draw.uniform(0.15, 0.6))
            start = draw.integer(0, length - size)
            row[:, start : start + size] = 0
            if draw.uniform(0, 1) < 0.35:
                row.copy_(1 - row)
    return labels


def attacked(wave: Tensor, labels: Tensor, name: str, draw: Draw) -> tuple[Tensor, Tensor]:
    """The waves and labels after an attack, with up to 40 ms of their start gone.

    Half the time, what lies below 50 to 120 Hz goes first, as in most recorders: a mark there costs the loss nothing,
    and would be lost. The start goes because the generator's frames of 20 ms must not be a clock that detection can
    rely on.
    """
    if draw.uniform(0, 1) < 0.5:
        wave = without_rumble(wave, draw.uniform(50, 120))
    wave, labels = ATTACKS[name](wave, labels, draw)
    start = draw.integer(0, LONGEST_SHIFT)
    return wave[..., start:], labels[..., start:]


class Trainer:
    """A generator and a detector in training, with a moving average of their weights."""

    def __init__(self, recipe: Recipe, crops: Crops, seed: int) -> None:
        torch.manual_seed(seed)  # the package's classes initialise from the global generator
        self.recipe, self.crops = recipe, crops
        self.config = make_config()
        self.networks = nn.ModuleList(build(self.config))
        self.averaged = deepcopy(self.networks)
        self.random = torch.Generator().manual_seed(seed)
        self.hardness = Hardness()
        self.done = 0  # steps
        generator, detector = self.networks
        groups = [
            {"params": generator.parameters(), "k": recipe.generator_rate},
            {"params": detector.parameters(), "k": 1.0},
        ]
        self.optimiser = torch.optim.AdamW(groups, recipe.rate, betas=(0.8, 0.98), weight_decay=1e-4)

    def step(self, share: float) -> dict[str, float]:
        """One update at a share of the run, 0 to 1; the losses in nats, by name."""
        recipe = self.recipe
        _, rows, length = next(size for size in reversed(recipe.sizes) if share >= size[0])
        clean = self.crops.draw(rows, length)  # [n, 1, t]
        message = torch.randint(0, 2, (rows, self.config["nbits"]), generator=self.random)
        snr = recipe.snr_db - recipe.louder_db * max(0.0, 1 - share / recipe.louder_until)
        marked = embed(clean, self.networks[0].get_watermark(clean, message=message), snr, WINDOW)
        change, excess = audible_loss(marked, clean)
        parts = {
            "detection": self._detect(clean, marked, share),
            "message": self._read(clean, marked, message, share),
            "alike": likeness_loss((marked - clean) / local_rms(clean, WINDOW), message),
            "change": change,
            "excess": excess,
        }
        heard = min(1.0, max(0.0, (share - recipe.audible_from) / (recipe.audible_full - recipe.audible_from)))
        loss = parts["detection"] + recipe.message_weight * parts["message"]
        loss = loss + recipe.likeness_weight * max(0.0, 1 - share / recipe.likeness_until) * parts["alike"]
        loss = loss + heard * (recipe.change_weight * change + recipe.excess_weight * excess)
        self._update(loss, share)
        return {name: float(part.detach()) for name, part in parts.items()}

    def _detect(self, clean: Tensor, marked: Tensor, share: float) -> Tensor:
        """The detection loss: each half of the rows, marked and clean, goes through one attack."""
        losses, half = [], len(clean) // 2
        for first in range(0, 2 * half, half):
            rows = slice(first, first + half)
            draw = Draw(self.random, clean.roll(half, 0)[rows])
            truth = span_labels(half, clean.shape[-1], draw)
            wave = torch.cat([truth * marked[rows] + (1 - truth) * clean[rows], clean[rows]])  # [2 * half, 1, t]
            labels = torch.cat([truth, torch.zeros_like(truth)])
            name = "keep"
            if share > self.recipe.attacks_from:
                if draw.uniform(0, 1) > self.recipe.untouched:
                    name = self.hardness.pick(self.random)
                wave, labels = attacked(wave, labels, name, draw)
            logits = self.networks[1].detector(wave)[..., : wave.shape[-1]]  # [2 * half, 2 + nbits, t]
            losses.append(detection_loss(logits[:, :2], labels))
            self.hardness.update(name, float(losses[-1].detach()))
        return torch.stack(losses).mean()

    def _read(self, clean: Tensor, marked: Tensor, message: Tensor, share: float) -> Tensor:
        """The message loss, of rows marked all through, now and then through a mild attack.

        Read apart from detection, because a message that has to survive every attack from the start is never learnt.
        """
        draw, since = Draw(self.random, clean.roll(1, 0)), share - self.recipe.message_attacks_from
        if since > 0 and draw.uniform(0, 1) < 0.15 + 0.45 * min(1.0, since / 0.4):
            marked, _ = ATTACKS[MILD[draw.integer(0, len(MILD))]](marked, torch.ones_like(marked), draw)
        return message_loss(self.networks[1].detector(marked)[:, 2:, : marked.shape[-1]], message)

    def _update(self, loss: Tensor, share: float) -> None:
        self.optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.networks.parameters(), 1.0)
        self.done += 1
        rate = self.recipe.rate * min(1.0, self.done / self.recipe.warm_up) * self._rate_share(share)
        for group in self.optimiser.param_groups:
            group["lr"] = group["k"] * rate
        self.optimiser.step()
        kept = min(0.998, self.done / (self.done + 10))  # a short memory at first, which holds the fresh weights
        with torch.no_grad():
            torch._foreach_lerp_(list(self.averaged.parameters()), list(self.networks.parameters()), 1 - kept)

    def _rate_share(self, share: float) -> float:
        if share < self.recipe.decay_from:
            return 1.0
        fallen = (share - self.recipe.decay_from) / (1 - self.recipe.decay_from)
        return 0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * fallen))

    def write(self, folder: Path) -> None:
        """Writes the moving average as a checkpoint."""
        generator, detector = self.averaged
        write_checkpoint(generator, detector, self.config, folder)


def shares(steps: int, minutes: float | None) -> Iterator[float]:
    """How far the run is before each step, 0 to 1: by steps, or by the clock where that is further."""
    started = time.perf_counter()
    for step in range(steps):
        share = step / steps
        if minutes is not None:
            share = max(share, (time.perf_counter() - started) / 60 / minutes)
        if share >= 1:
            return
        yield share


@click.command(help=__doc__)
@click.option("--speech", type=FOLDER, required=True, help="Extracted packages.")
@click.option("--out", type=FOLDER, required=True, help="Folder to write to.")
@click.option("--steps", type=click.IntRange(1), default=Recipe.steps, help="Updates.")
@click.option("--minutes", type=float, default=None, help="Stop after this long.")
@click.option("--seed", type=int, default=0, help="Fixes everything drawn.")
def main(speech: Path, out: Path, steps: int, minutes: float | None, seed: int) -> None:
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    torch.set_num_threads(1)
    voices = {}
    for voice in TRAINING:
        recordings = read_voice(speech, voice, held_out=False)
        if not recordings:
            raise click.UsageError(f"{speech}: no {voice.pattern}; extract its Debian package there with dpkg-deb -x")
        voices[voice.name] = join(recordings)
    LOG.info("%d voices, %.0f s", len(voices), sum(map(len, voices.values())) / 16000)
    trainer = Trainer(Recipe(steps=steps), Crops(voices, seed), seed)
    started, recent = time.perf_counter(), []
    for count, share in enumerate(shares(steps, minutes), start=1):
        recent.append(trainer.step(share))
        if count % 50 == 0:
            means = {name: round(sum(each[name] for each in recent) / len(recent), 4) for name in recent[0]}
            LOG.info("%s", json.dumps({"step": count, "s": round(time.perf_counter() - started), **means}))
            recent.clear()
        if count % 500 == 0:
            hard = zip(trainer.hardness.names, trainer.hardness.loss.tolist(), strict=True)
            LOG.info("%s", json.dumps({name: round(loss, 2) for name, loss in hard}))
            trainer.write(out)
    trainer.write(out)
    LOG.info("done: %.0f s", time.perf_counter() - started)


if __name__ == "__main__":
    main()
