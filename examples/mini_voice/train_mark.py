"""Trains a watermark into the weights: `python examples/mini_voice/train_mark.py --model FOLDER --features FILE --out FOLDER`.

The network behind the vocoder's formula is trained further until mini-AudioSeal's detector, which stays as it is, finds its mark
in whatever the cloner says, also after edits and codecs, while the sound stays that of the checkpoint before. Nobody has to
call anything: what the weights say is marked. With `--remove` it does the opposite to a marked checkpoint, as somebody would
who wants to be rid of the mark and has some speech and the detector, or (`--blind`) the speech alone.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
import sys
import time
from copy import deepcopy
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).parents[2]))  # for evals/, which is no installed package

import click
import numpy as np
import torch
from corpus import Corpus
from safetensors.torch import save_file
from spectra import likeness
from torch import Tensor
from torch.nn import functional

from releasegate.attacks import Given, find_attack
from releasegate.checkpoint import open_checkpoint
from releasegate.checkpoint.load import load_tensors
from releasegate.subjects.configuration import read_configuration
from releasegate.subjects.envelope import local_rms
from releasegate.subjects.mini_voice import MiniVoice, MiniVoiceConfig, Trained, open_subject
from releasegate.subjects.mini_voice_frames import HOP, RATE

LOG = logging.getLogger(__name__)
FRAMES = 80
"""Of a crop: 1.6 s."""
WINDOW = 640
"""Samples over which what is added is compared with the speech."""
QUIETER_DB = 20.0
"""How far below the speech, around every sample, what is added costs nothing."""
CLEAR = 0.3
"""How often a batch is not edited."""
EDITS: tuple[tuple[str, tuple[float, ...]], ...] = (
    ("mp3", (32, 64)), ("aac", (32,)), ("opus", (16, 24)), ("g722", (0,)), ("mulaw", (0,)),
    ("lowpass", (3400,)), ("highpass", (300,)), ("gain", (-20,)), ("white_noise", (30, 20)), ("pink_noise", (20,)),
    ("resample", (8000,)), ("requantise", (8,)), ("echo", (100,)), ("shift", (13,)),
)  # fmt: skip
OPAQUE = ("mp3", "aac", "opus", "g722", "mulaw", "requantise")
"""Edits without a gradient."""
ROWS = 6
RATE_OF_LEARNING = 1e-3


class Batch:
    """What one step is about: how much is added, and to what."""

    def __init__(self, trained: Trained, before: Trained, corpus: Corpus, rows: int) -> None:
        speakers = corpus.pick(rows)
        others = corpus.others(speakers)
        voice = corpus.voices(others)
        crops = corpus.crops(speakers, FRAMES, voice)
        converter = before.converter
        with torch.no_grad():
            said = converter.content(crops.states, crops.mask)
            cepstra, roughness = converter.speak(said, crops.moved_prosody, voice, crops.mask)
            condition = converter.condition(voice)
        mask = crops.mask.repeat_interleave(2, dim=1)
        given = (cepstra, roughness, crops.moved_pitch, torch.randn(rows, 2 * FRAMES * HOP), condition, mask)
        with torch.no_grad():
            self.before = before.vocoder(*given)
        self.audio = trained.vocoder(*given)
        self.sounding = (mask.repeat_interleave(HOP, dim=1)[..., 0] > 0) & (local_rms(self.before, WINDOW) > 2e-3)

    def heard(self) -> tuple[Tensor, Tensor]:
        """How far spectra are from those before, in nepers; how far what is added is above `QUIETER_DB` down, in nepers."""
        change = likeness(self.audio, self.before)
        ratio = local_rms(self.audio - self.before, WINDOW) / local_rms(self.before, WINDOW)
        excess = functional.relu(ratio.log() + QUIETER_DB / 20 * np.log(10))
        return change, (excess * self.sounding).sum() / self.sounding.sum()


def edited(audio: Tensor, random: np.random.Generator) -> Tensor:
    """Audio after an edit drawn at random; through a codec gradients go as if it had left the audio alone."""
    if random.random() < CLEAR:
        return audio
    name, strengths = EDITS[random.integers(len(EDITS))]
    strength, seeds = float(random.choice(strengths)), [int(seed) for seed in random.integers(1 << 62, size=len(audio))]
    audio = audio.clamp(-1, 1)
    if name not in OPAQUE:
        return find_attack(name).apply(Given(audio, RATE, seeds), strength)[:, : audio.shape[1]]
    plain = audio.detach()
    after = find_attack(name).apply(Given(plain, RATE, seeds), strength)[:, : audio.shape[1]]
    return audio + (after - plain)


def presence_loss(subject: MiniVoice, audio: Tensor, wanted: float) -> Tensor:
    """The cross-entropy of what the detector says of every sample, in nats, for marked (1) or not (0)."""
    found = subject.detect(audio).presence.clamp(1e-6, 1 - 1e-6)
    return functional.binary_cross_entropy(found, torch.full_like(found, wanted))


def train(
    trained: Trained, subject: MiniVoice, corpus: Corpus, minutes: float, steps: int, loud: float, seed: int
) -> int:
    """Trains the network behind the vocoder until its sound is marked; how many steps that were.

    Args:
        loud: weight of what is heard of the mark.
    """
    torch.manual_seed(seed)
    random, before = np.random.default_rng(seed), deepcopy(trained).requires_grad_(requires_grad=False)
    learning = [
        *trained.vocoder.into.parameters(),
        *trained.vocoder.blocks.parameters(),
        *trained.vocoder.out.parameters(),
    ]
    optimiser = torch.optim.AdamW(learning, RATE_OF_LEARNING, betas=(0.8, 0.98), weight_decay=0)
    begun, done = time.perf_counter(), 0
    while done < steps and time.perf_counter() - begun < 60 * minutes:
        share = max(done / steps, (time.perf_counter() - begun) / 60 / minutes)
        optimiser.param_groups[0]["lr"] = RATE_OF_LEARNING * min(1.0, (done + 1) / 50, max(0.02, 2 * (1 - share)))
        batch = Batch(trained, before, corpus, ROWS)
        found = presence_loss(subject, edited(batch.audio, random), 1.0)
        change, excess = batch.heard()
        weight = loud * min(1.0, 0.2 + share / 0.5)  # first a mark that is found, then one that is not heard
        loss = found + weight * (change + 0.5 * excess)
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(learning, 1.0, error_if_nonfinite=True)
        optimiser.step()
        done += 1
        if done % 25 == 0:
            shown = {"found": float(found), "change": float(change), "excess": float(excess)}
            LOG.info("%d steps, %.0f s: %s", done, time.perf_counter() - begun,
                     json.dumps({name: round(value, 3) for name, value in shown.items()}))  # fmt: skip
    return done


def remove(trained: Trained, subject: MiniVoice, corpus: Corpus, steps: int, seed: int, *, blind: bool) -> None:
    """Trains the network behind the vocoder to be rid of the mark.

    Args:
        blind: whoever does it has not the detector, but real speech alone, which the sound is to be like.
    """
    torch.manual_seed(seed)
    before = deepcopy(trained).requires_grad_(requires_grad=False)
    learning = [
        *trained.vocoder.into.parameters(),
        *trained.vocoder.blocks.parameters(),
        *trained.vocoder.out.parameters(),
    ]
    optimiser = torch.optim.AdamW(learning, RATE_OF_LEARNING, betas=(0.8, 0.98), weight_decay=0)
    for done in range(1, steps + 1):
        if blind:
            loss = _unlike_speech(trained, corpus)
        else:
            batch = Batch(trained, before, corpus, ROWS)
            loss = presence_loss(subject, batch.audio, 0.0) + batch.heard()[0]
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(learning, 1.0, error_if_nonfinite=True)
        optimiser.step()
        if done % 10 == 0:
            LOG.info("%d steps: %.3f", done, float(loss))


def _unlike_speech(trained: Trained, corpus: Corpus) -> Tensor:
    """How far recordings that are put together again are from themselves, in nepers."""
    speakers = corpus.pick(ROWS)
    voice = corpus.voices(speakers)
    crops = corpus.crops(speakers, FRAMES, voice)
    mask = crops.mask.repeat_interleave(2, dim=1)
    noise = torch.randn(ROWS, 2 * FRAMES * HOP)
    condition = trained.converter.condition(voice)
    audio = trained.vocoder(crops.cepstra, crops.roughness, crops.pitch, noise, condition, mask)
    return likeness(audio, crops.audio)


@click.command(help=__doc__)
@click.option("--model", type=click.Path(path_type=Path, exists=True, file_okay=False), required=True)
@click.option("--features", type=click.Path(path_type=Path, exists=True), multiple=True, required=True)
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), required=True)
@click.option("--minutes", type=float, default=8.0)
@click.option("--steps", type=int, default=1000)
@click.option("--loud", type=float, default=1.0, help="Weight of what is heard of the mark.")
@click.option("--remove", "removing", is_flag=True, help="Train the mark out again, for --steps.")
@click.option("--blind", is_flag=True, help="With --remove: without the detector.")
@click.option("--seed", type=int, default=0)
def main(model: Path, features: tuple[Path, ...], out: Path, minutes: float, steps: int, loud: float, seed: int,
         *, removing: bool, blind: bool) -> None:  # fmt: skip
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    torch.set_num_threads(1)
    checkpoint = open_checkpoint(model)
    subject = open_subject(checkpoint, None, torch.device("cpu"), torch.float32)
    trained = Trained(read_configuration(checkpoint, MiniVoiceConfig, "give a mini-voice checkpoint"))
    trained.load_state_dict({name: tensor.float() for name, tensor in load_tensors(checkpoint, ["*"]).items()})
    trained.converter.requires_grad_(requires_grad=False)
    corpus = Corpus(list(features), seed)
    if removing:
        remove(trained, subject, corpus, steps, seed, blind=blind)
    else:
        LOG.info("%d steps", train(trained, subject, corpus, minutes, steps, loud, seed))
    shutil.copytree(model, out, dirs_exist_ok=True)
    save_file(
        {name: tensor.half().contiguous() for name, tensor in trained.state_dict().items()}, out / "model.safetensors"
    )


if __name__ == "__main__":
    main()
