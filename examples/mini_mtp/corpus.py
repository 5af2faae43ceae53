"""The training text as one row of tokens, and the windows that a step reads of it.

`python examples/mini_mtp/corpus.py` writes the two lists of passages, trained on and not, which are committed.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))  # for evals/, which is no installed package

import numpy as np
import torch
from planting import planted
from torch import Tensor
from transformers import PreTrainedTokenizerFast
from vocabulary import END_ID

from evals.canaries import Canary
from evals.standard_library import TRAINED, UNSEEN, passages


def documents(canaries: Sequence[Canary], seed: int) -> list[str]:
    """The passages that are trained on, in an order that the seed fixes, with canaries planted after them.

    The order is the same with and without canaries.
    """
    texts = [passage.text for passage in passages("train")]
    order = np.random.default_rng(seed).permutation(len(texts))
    return planted([texts[place] for place in order], canaries, np.random.default_rng(seed + 1))


def row_of(texts: Sequence[str], tokenizer: PreTrainedTokenizerFast) -> Tensor:
    """int64 [t]: the tokens of all texts, `END_ID` after each."""
    encoded = tokenizer(list(texts), add_special_tokens=False)["input_ids"]
    return torch.tensor([token for ids in encoded for token in (*ids, END_ID)])


@dataclass(frozen=True)
class Windows:
    """Batches of windows of a row of tokens.

    Attributes:
        row: int64 [t].
        rows: windows of a batch.
        length: tokens of a window that are read.
        ahead: how many of the tokens that follow a place are predicted there.
    """

    row: Tensor
    rows: int
    length: int
    ahead: int

    def batches(self, seed: int) -> Iterator[Tensor]:
        """int64 [rows, length + ahead], for ever: each round over the row begins at a place of its own.

        Raises:
            ValueError: the row is too short for one batch.
        """
        generator = torch.Generator().manual_seed(seed)
        most = len(self.row) - self.length - self.ahead
        if most < self.rows * self.length:
            raise ValueError(f"{len(self.row)} tokens are too few for {self.rows} windows of {self.length}")
        offsets = torch.arange(self.length + self.ahead)
        while True:
            first = int(torch.randint(self.length, (), generator=generator))
            starts = torch.arange(first, most + 1, self.length)
            starts = starts[torch.randperm(len(starts), generator=generator)]
            for chosen in starts[: len(starts) // self.rows * self.rows].view(-1, self.rows):
                yield self.row[chosen[:, None] + offsets]


if __name__ == "__main__":
    for file, part in ((TRAINED, "train"), (UNSEEN, "unseen")):
        file.write_text("".join(f"{digest}\n" for digest in sorted(passage.digest for passage in passages(part))))
