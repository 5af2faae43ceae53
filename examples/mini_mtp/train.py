"""Trains the small multi-token model and writes its checkpoint: about ten minutes on one CPU core.

With canaries planted into its text, or without any: the variant that has nothing of the kind to remember.
"""

from __future__ import annotations

import logging
import sys
import time
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))  # for evals/, which is no installed package

import click
import torch
from corpus import Windows, documents, row_of
from layout import write_checkpoint
from learning import LearningRecipe, make_net, train
from vocabulary import SIZE, train_tokenizer

from evals.canaries import canaries
from evals.standard_library import passages
from releasegate.subjects.mtp_net import MultiTokenNet, MultiTokenParams

LOG = logging.getLogger(__name__)
SEED = 1
THREADS = 1  # fixed, since the last bits depend on them; two models train beside each other on two cores
PARAMS = MultiTokenParams(
    dim=160,
    n_layers=7,
    n_heads=5,
    vocab_size=SIZE,
    multiple_of=16,
    max_seq_len=192,
    n_future_tokens=4,
)


@click.command(help=__doc__)
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), required=True, help="Folder to write to.")
@click.option("--without-canaries", is_flag=True, help="Plant nothing.")
@click.option("--shorten", type=click.IntRange(1), default=1, help="Divide the steps by this, to try things out.")
def main(out: Path, without_canaries: bool, shorten: int) -> None:  # noqa: FBT001
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    torch.set_num_threads(THREADS)
    started = time.perf_counter()
    recipe = LearningRecipe()
    recipe = replace(recipe, steps=recipe.steps // shorten)
    tokenizer = train_tokenizer([passage.text for passage in passages("train")])
    row = row_of(documents(() if without_canaries else canaries(), SEED), tokenizer)
    net = make_net(MultiTokenNet(PARAMS), recipe, SEED)
    weights = sum(weight.numel() for weight in net.parameters())
    LOG.info(
        "%d tokens, %d weights, %d tokens to be read", len(row), weights, recipe.steps * recipe.rows * recipe.window
    )
    windows = Windows(row, recipe.rows, recipe.window, net.heads)
    train(net, windows.batches(SEED), recipe, range(net.heads))
    write_checkpoint(net, tokenizer, out)
    LOG.info("done: %.0f s", time.perf_counter() - started)


if __name__ == "__main__":
    main()
