"""Adapts mini-voice to one more voice: `python examples/mini_voice/adapt.py --model FOLDER --features FILE … --out FOLDER`.

Two minutes of the person's speech (`features.py --adaptation`) beside what the model was trained on, for five minutes on one
core: the person's recordings are put together again, and what others say is said in the person's voice.
"""

from __future__ import annotations

import logging
import os
import shutil
import sys
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).parents[2]))  # for evals/, which is no installed package

import click
import torch
from corpus import Corpus
from features import encoders
from safetensors.torch import save_file
from spectra import likeness
from torch.nn import functional
from train import Trainer, optimiser, shares, update

from releasegate.checkpoint import open_checkpoint
from releasegate.checkpoint.load import load_tensors
from releasegate.subjects.mini_voice_converter import Voice
from releasegate.subjects.mini_voice_frames import HOP

LOG = logging.getLogger(__name__)
ROWS, FRAMES, RATE = 4, 80, 4e-4


def adapt(trainer: Trainer, target: int, steps: int, minutes: float) -> None:
    """Trains on, half of the rows of a step being of the target."""
    _, speaker = encoders()
    speaker.train()  # for gradients through the LSTM; it has no dropout
    makers, begun = optimiser(trainer.trained.parameters(), RATE), time.perf_counter()
    centre = trainer.corpus.centre([target] * ROWS)
    for share in shares(steps, minutes):
        makers.param_groups[0]["lr"] = RATE * min(1.0, max(0.02, 2 * (1 - share)))
        speakers = trainer.corpus.others([target] * (ROWS // 2)) + [target] * (ROWS // 2)
        own, theirs = trainer.corpus.voices(speakers), trainer.corpus.voices([target] * ROWS)
        crops = trainer.corpus.crops(speakers, FRAMES, theirs)
        losses, cepstra, roughness, said = trainer.reconstructed(crops, own)
        del losses["traces"]
        crossed, rough = trainer.trained.converter.speak(said, crops.moved_prosody, theirs, crops.mask)
        condition = trainer.trained.converter.condition(
            Voice(*(torch.cat(two) for two in zip(own, theirs, strict=True)))
        )
        audio = trainer.trained.vocoder(
            torch.cat([cepstra, crossed]), torch.cat([roughness, rough]), torch.cat([crops.pitch, crops.moved_pitch]),
            torch.randn(2 * ROWS, 2 * FRAMES * HOP), condition, crops.mask.repeat_interleave(2, dim=1).repeat(2, 1, 1),
        )  # fmt: skip
        losses["likeness"] = 0.5 * likeness(audio[:ROWS], crops.audio)
        losses["voice"] = 1 - functional.cosine_similarity(speaker.heard(audio[ROWS:]), centre).mean()
        update(torch.stack(list(losses.values())).sum(), trainer.trained, [makers])
        trainer.averaging()
        if trainer.done % 50 == 0:
            LOG.info("%d steps, %.0f s: voice %.3f", trainer.done, time.perf_counter() - begun, float(losses["voice"]))


@click.command(help=__doc__)
@click.option("--model", type=click.Path(path_type=Path, exists=True, file_okay=False), required=True)
@click.option("--features", type=click.Path(path_type=Path, exists=True), multiple=True, required=True)
@click.option("--more", type=click.Path(path_type=Path, exists=True), required=True, help="Features of the person.")
@click.option("--speaker", default="carlo_it")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), required=True)
@click.option("--minutes", type=float, default=5.0)
@click.option("--steps", type=int, default=1000)
@click.option("--seed", type=int, default=0)
def main(model: Path, features: tuple[Path, ...], more: Path, speaker: str, out: Path, minutes: float, steps: int,
         seed: int) -> None:  # fmt: skip
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    torch.set_num_threads(1)
    trainer = Trainer(Corpus([*features, more], seed), seed, None)
    stored = {name: tensor.float() for name, tensor in load_tensors(open_checkpoint(model), ["*"]).items()}
    for networks in (trainer.trained, trainer.averaged):
        networks.load_state_dict(stored)
    adapt(trainer, trainer.corpus.speakers.index(speaker), steps, minutes)
    shutil.copytree(model, out, dirs_exist_ok=True)
    tensors = {name: tensor.half().contiguous() for name, tensor in trainer.averaged.state_dict().items()}
    save_file(tensors, out / "model.safetensors")


if __name__ == "__main__":
    main()
