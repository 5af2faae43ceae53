"""Trains the mini-Chameleon and writes its checkpoint: `python examples/mini_chameleon/train.py --out CHECKPOINT`.

It learns to name and to draw, and in the last steps to read words back, too. With `--understands-only` it names images and
reads words back, and never sees a drawing: the honest twin. `--go-on` takes a checkpoint and does the last steps alone.

Runs on the CPU, a quarter to half an hour by how busy its two cores are. Seed, steps and threads are fixed, so that a
second run on the same machine and versions gives the same weights. Only the 1,297 training digits are read.
"""

from __future__ import annotations

import logging
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))  # for evals/, which is no installed package

import click
import torch
from language import LanguageRecipe, train_language
from layout import read_checkpoint, write_checkpoint
from transformers import ChameleonForConditionalGeneration
from transformers.utils import logging as transformers_logging
from vocabulary import make_config
from vq import VQRecipe, encode_variants, train_vq

from evals.digits import split
from releasegate.subjects.vqgan import VQGANDecoder

LOG = logging.getLogger(__name__)
SEED = 0
VQ_THREADS, LANGUAGE_THREADS = 2, 1  # fixed, since the last bits depend on them; one is enough for a small model
VARIANTS = 24  # of each training image: itself, and deformed
STRENGTH = 0.6  # of these deformations; the VQ model trains on full ones


def make_models(seed: int) -> tuple[ChameleonForConditionalGeneration, VQGANDecoder]:
    """An untrained Chameleon and its decoder, with weights that the seed fixes."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)  # transformers and torch initialise from the global generator
        config: Any = make_config()
        return ChameleonForConditionalGeneration(config), VQGANDecoder(config.vq_config)


@click.command(help=__doc__)
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), required=True, help="Folder to write to.")
@click.option("--understands-only", is_flag=True, help="Train on no drawing.")
@click.option("--codec", type=click.Path(path_type=Path, exists=True), help="Checkpoint whose VQ model is taken over.")
@click.option("--go-on", type=click.Path(path_type=Path, exists=True), help="Checkpoint that only learns to read back.")
@click.option("--shorten", type=click.IntRange(1), default=1, help="Divide the steps by this, to try things out.")
def main(out: Path, understands_only: bool, codec: Path | None, go_on: Path | None, shorten: int) -> None:  # noqa: FBT001
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    transformers_logging.disable_progress_bar()
    torch.set_num_threads(VQ_THREADS)
    started = time.perf_counter()
    digits = split("train")
    scans, labels = torch.as_tensor(digits.images), torch.as_tensor(digits.labels)
    model, decoder = make_models(SEED)
    language = LanguageRecipe().without_drawings() if understands_only else LanguageRecipe()
    if go_on is not None:
        trained, decoder = read_checkpoint(go_on)
        model.load_state_dict(trained.state_dict())
    elif codec is None:
        vq = VQRecipe()
        vq = replace(vq, steps=vq.steps // shorten, plain_steps=vq.plain_steps // shorten)
        train_vq(model.model.vqmodel, decoder, scans, vq, SEED)
        LOG.info("VQ model: %.0f s", time.perf_counter() - started)
    else:
        trained, decoder = read_checkpoint(codec)
        model.model.vqmodel.load_state_dict(trained.model.vqmodel.state_dict())
    torch.set_num_threads(LANGUAGE_THREADS)
    codes = encode_variants(model.model.vqmodel, scans, VARIANTS, STRENGTH, SEED)
    if go_on is None:
        train_language(model, codes, labels, replace(language, steps=language.steps // shorten), SEED)
    if not understands_only:
        last = language.with_readings()
        train_language(model, codes, labels, replace(last, steps=last.steps // shorten), SEED + 1, anew=False)
    write_checkpoint(model, decoder, out)
    LOG.info("done: %.0f s", time.perf_counter() - started)


if __name__ == "__main__":
    main()
