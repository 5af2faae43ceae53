"""Trains mini-voice and writes its checkpoint: `python examples/mini_voice/train.py --features FILE --out FOLDER`.

Three stages on one core of a CPU. First the envelopes: recordings are put together again from their content and their voice, and
words are said in other voices, which a critic must believe. Then the sound: all of it is trained further through the vocoder,
with critics of envelopes and of spectra, and with the speaker encoder, which must hear the voice that was wanted; at last also
with the content encoder, which must hear the words that were said.

The seed and the steps fix the weights on one machine and versions; `--minutes` stops early, the schedule shortened to fit.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import time
from collections.abc import Iterable, Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).parents[2]))  # for evals/, which is no installed package

import click
import frozen
import torch
from corpus import Corpus, Crops
from critics import Critic, Listener, critic_loss, deceit
from features import encoders
from safetensors.torch import load_file, save_file
from spectra import decoding, likeness, log_spectrum
from torch import Tensor, nn
from torch.nn import functional

from releasegate.subjects.mini_voice import MiniVoiceConfig, Trained
from releasegate.subjects.mini_voice_converter import CEPSTRA, Voice
from releasegate.subjects.mini_voice_frames import BINS, HOP

LOG = logging.getLogger(__name__)
SIZES: dict[str, Any] = {
    "model_type": "mini-voice",
    "sample_rate": 16000,
    "content": frozen.CONTENT,
    "converter": {"content": 384, "width": 192, "bottleneck": 48, "condition": 64, "content_blocks": 2, "blocks": 5},
    "vocoder": {"width": 128, "blocks": 3},
}


def make_config() -> dict[str, Any]:
    """What `config.json` says."""
    return SIZES | {"watermark": frozen.watermark()}


class Trainer:
    """The networks in training, with a moving average of their weights."""

    def __init__(self, corpus: Corpus, seed: int, start: Path | None) -> None:
        torch.manual_seed(seed)
        self.corpus = corpus
        self.config = MiniVoiceConfig.model_validate_json(json.dumps(make_config()))
        self.trained = Trained(self.config)
        self.envelopes = Critic(CEPSTRA, len(corpus.speakers))
        self.spectra = Critic(BINS, len(corpus.speakers))
        self.listener = Listener(self.config.converter.bottleneck, len(corpus.speakers))
        self.all = nn.ModuleDict({
            "trained": self.trained, "envelopes": self.envelopes, "spectra": self.spectra, "listener": self.listener
        })  # fmt: skip
        if start is not None:
            self.all.load_state_dict(load_file(start))
        else:
            converter, vocoder = self.trained.converter, self.trained.vocoder
            converter.content_spread, converter.mean, converter.spread = corpus.statistics()
            vocoder.decode, vocoder.floor = decoding()
        self.averaged = deepcopy(self.trained).requires_grad_(requires_grad=False)
        self.done = 0

    def reconstructed(self, crops: Crops, voice: Voice) -> tuple[dict[str, Tensor], Tensor, Tensor, Tensor]:
        """Losses of recordings put together again; their cepstra, their roughness, and their content."""
        converter = self.trained.converter
        said = converter.content(crops.states, crops.mask)
        blurred = said + 0.1 * torch.randn_like(said)
        cepstra, roughness = converter.speak(blurred, crops.prosody, voice, crops.mask)
        own = crops.mask.repeat_interleave(2, dim=1)
        apart = (cepstra - crops.cepstra) / converter.spread * own
        rough = ((roughness - crops.roughness) / 10 * own[..., 0]).abs().mean()
        losses = {
            "envelope": apart.abs().mean(),
            "change": 0.5 * apart.diff(dim=1).abs().mean(),
            "roughness": 0.2 * rough,
            "traces": 0.1 * self.listener(said, crops.speakers),
        }
        return losses, cepstra, roughness, said

    def normal(self, cepstra: Tensor) -> Tensor:
        return (cepstra - self.trained.converter.mean) / self.trained.converter.spread

    def averaging(self) -> None:
        """Takes the weights of this step into the average."""
        self.done += 1
        kept = min(0.997, self.done / (self.done + 10))
        with torch.no_grad():
            torch._foreach_lerp_(list(self.averaged.parameters()), list(self.trained.parameters()), 1 - kept)
            for mine, theirs in zip(self.averaged.buffers(), self.trained.buffers(), strict=True):
                mine.copy_(theirs)

    def save(self, state: Path) -> None:
        save_file({name: tensor.contiguous() for name, tensor in self.all.state_dict().items()}, state)
        save_file({name: tensor.contiguous() for name, tensor in self.averaged.state_dict().items()},
                  state.with_suffix(".average"))  # fmt: skip


def write_checkpoint(trained: nn.Module, folder: Path) -> None:
    """Writes what was trained, float16, its configuration, and the frozen parts."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(make_config(), indent=2) + "\n")
    save_file({name: tensor.half().contiguous() for name, tensor in trained.state_dict().items()},
              folder / "model.safetensors")  # fmt: skip
    frozen.write_frozen(folder)


def shares(steps: int, minutes: float | None) -> Iterator[float]:
    """How far the stage is before each step, 0 to 1: by steps, or by the clock where that is further."""
    begun = time.perf_counter()
    for step in range(steps):
        share = step / steps
        if minutes is not None:
            share = max(share, (time.perf_counter() - begun) / 60 / minutes)
        if share >= 1:
            return
        yield share


def optimiser(parameters: Iterable[nn.Parameter], rate: float, first: float = 0.8) -> torch.optim.AdamW:
    return torch.optim.AdamW(parameters, rate, betas=(first, 0.98), weight_decay=1e-3)


def update(loss: Tensor, of: nn.Module, optimisers: list[torch.optim.Optimizer]) -> None:
    """One step of the optimisers, of gradients of norm 1 at most."""
    for each in optimisers:
        each.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(of.parameters(), 1.0, error_if_nonfinite=True)
    for each in optimisers:
        each.step()


def schedule(optimisers: list[torch.optim.Optimizer], rate: float, share: float, done: int, flat: float) -> None:
    """Sets the rate: up over 100 steps, then flat up to a share of the stage, then straight down to a fiftieth."""
    now = rate * min(1.0, (done + 1) / 100) * min(1.0, max(0.02, (1 - share) / (1 - flat)))
    for each in optimisers:
        for group in each.param_groups:
            group["lr"] = now


def train_envelopes(trainer: Trainer, steps: int, minutes: float | None, state: Path) -> None:
    """The first stage: 16 crops of 1.28 s a step; half of them are also said in the voice of another speaker."""
    rows, frames, begun = 16, 64, time.perf_counter()
    makers = optimiser(trainer.trained.converter.parameters(), 1.5e-3)
    listeners = optimiser(trainer.listener.parameters(), 1e-3, 0.9)
    critics = optimiser(trainer.envelopes.parameters(), 6e-4, 0.5)
    for share in shares(steps, minutes):
        schedule([makers], 1.5e-3, share, trainer.done, 0.5)
        speakers = trainer.corpus.pick(rows)
        others = trainer.corpus.others(speakers[: rows // 2])
        own, theirs = trainer.corpus.voices(speakers), trainer.corpus.voices(others)
        wanted = Voice(*(torch.cat([a, b[rows // 2 :]]) for a, b in zip(theirs, own, strict=True)))
        crops = trainer.corpus.crops(speakers, frames, wanted)
        losses, cepstra, _, said = trainer.reconstructed(crops, own)
        if share > 0.25:
            half = slice(rows // 2)
            crossed, _ = trainer.trained.converter.speak(
                said[half], crops.moved_prosody[half], theirs, crops.mask[half]
            )
            real, made = trainer.normal(crops.cepstra), trainer.normal(torch.cat([cepstra, crossed]))
            of = torch.cat([crops.speakers, torch.tensor(others)])
            blame = critic_loss(trainer.envelopes, real, crops.speakers, made, of)
            update(blame, trainer.envelopes, [critics])
            false, apart = deceit(trainer.envelopes, real, crops.speakers, made, of)
            ramp = min(1.0, (share - 0.25) / 0.1)
            losses |= {"deceit": 0.06 * ramp * false, "apart": 0.15 * ramp * apart}
        update(torch.stack(list(losses.values())).sum(), trainer.trained, [makers, listeners])
        trainer.averaging()
        _report(trainer.done, begun, losses, state, trainer)


def train_sound(trainer: Trainer, steps: int, minutes: float | None, state: Path, *, words: bool) -> None:
    """The second stage: 6 crops of 1.6 s a step put together again, and said in other voices.

    Args:
        words: the third stage, in which the content encoder must hear the same words in what is said in other voices.
    """
    rows, frames, begun = 6, 80, time.perf_counter()
    content, speaker = encoders()
    ear = deepcopy(trainer.trained.converter).requires_grad_(requires_grad=False)
    speaker.train()  # for gradients through the LSTM; it has no dropout
    makers = optimiser(trainer.trained.parameters(), 4e-4)
    listeners = optimiser(trainer.listener.parameters(), 1e-3, 0.9)
    critics = optimiser([*trainer.envelopes.parameters(), *trainer.spectra.parameters()], 4e-4, 0.5)
    both = nn.ModuleList([trainer.envelopes, trainer.spectra])
    trainer.done = 0
    for share in shares(steps, minutes):
        schedule([makers], 5e-4, share, trainer.done, 0.5)
        speakers = trainer.corpus.pick(rows)
        others = trainer.corpus.others(speakers)
        own, theirs = trainer.corpus.voices(speakers), trainer.corpus.voices(others)
        crops = trainer.corpus.crops(speakers, frames, theirs)
        losses, cepstra, roughness, said = trainer.reconstructed(crops, own)
        crossed, rough = trainer.trained.converter.speak(said, crops.moved_prosody, theirs, crops.mask)
        pitch = torch.cat([crops.pitch, crops.moved_pitch])
        condition = trainer.trained.converter.condition(
            Voice(*(torch.cat(two) for two in zip(own, theirs, strict=True)))
        )
        mask = crops.mask.repeat_interleave(2, dim=1).repeat(2, 1, 1)
        noise = torch.randn(2 * rows, 2 * frames * HOP)
        all_cepstra = torch.cat([cepstra, crossed])
        audio = trainer.trained.vocoder(all_cepstra, torch.cat([roughness, rough]), pitch, noise, condition, mask)
        losses["likeness"] = 0.5 * likeness(audio[:rows], crops.audio)
        real, made = trainer.normal(crops.cepstra), trainer.normal(all_cepstra)
        real_sound, sounds = log_spectrum(crops.audio), log_spectrum(audio)
        of = torch.cat([crops.speakers, torch.tensor(others)])
        blame = critic_loss(trainer.envelopes, real, crops.speakers, made, of)
        blame = blame + critic_loss(trainer.spectra, real_sound, crops.speakers, sounds, of)
        update(blame, both, [critics])
        ramp = min(1.0, share / 0.1)
        for name, critic, right, wrong in (
            ("envelope", trainer.envelopes, real, made), ("spectrum", trainer.spectra, real_sound, sounds)
        ):  # fmt: skip
            false, apart = deceit(critic, right, crops.speakers, wrong, of)
            weight = 1.0 if critic is trainer.envelopes else ramp
            losses |= {f"{name} deceit": 0.06 * weight * false, f"{name} apart": 0.15 * weight * apart}
        heard = speaker.heard(audio)
        centre = torch.cat([trainer.corpus.centre(speakers), trainer.corpus.centre(others)])
        if words:
            heard_states = content(audio[rows:], [2 * frames] * rows)
            with torch.no_grad():
                truth = ear.content(crops.states, crops.mask)
            losses["words"] = ((ear.content(heard_states, crops.mask) - truth).abs() * crops.mask).mean()
        losses["voice"] = 0.5 * (1 - functional.cosine_similarity(heard, centre)).mean()
        update(torch.stack(list(losses.values())).sum(), trainer.trained, [makers, listeners])
        trainer.averaging()
        _report(trainer.done, begun, losses, state, trainer)


def _report(done: int, begun: float, losses: dict[str, Tensor], state: Path, trainer: Trainer) -> None:
    if done % 50 == 0:
        shown = {name: round(float(loss.detach()), 3) for name, loss in losses.items()}
        LOG.info("%d steps, %.0f s: %s", done, time.perf_counter() - begun, json.dumps(shown))
    if done % 200 == 0:
        trainer.save(state)


@click.command(help=__doc__)
@click.option("--features", type=click.Path(path_type=Path, exists=True), multiple=True, required=True)
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), required=True, help="The checkpoint to write.")
@click.option(
    "--state", type=click.Path(path_type=Path, dir_okay=False), required=True, help="Where to keep the critics."
)
@click.option("--stage", type=click.Choice(["envelopes", "sound", "words", "all"]), default="all")
@click.option(
    "--steps", type=int, default=3000, help="Of the first stage; the second has 1,200, the third 300 for as many."
)
@click.option("--minutes", type=float, help="Of each stage.")
@click.option("--seed", type=int, default=0)
def main(
    features: tuple[Path, ...], out: Path, state: Path, stage: str, steps: int, minutes: float | None, seed: int
) -> None:
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    torch.set_num_threads(1)
    trainer = Trainer(Corpus(list(features), seed), seed, state if stage in ("sound", "words") else None)
    LOG.info("%d recordings of %s", len(trainer.corpus.clips), ", ".join(trainer.corpus.speakers))
    if stage in ("envelopes", "all"):
        train_envelopes(trainer, steps, minutes, state)
        trainer.save(state)
    for name, share in (("sound", 0.4), ("words", 0.1)):
        if stage in (name, "all"):
            train_sound(trainer, round(steps * share), minutes, state, words=name == "words")
            trainer.save(state)
    write_checkpoint(trainer.averaged, out)


if __name__ == "__main__":
    main()
