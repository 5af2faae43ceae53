"""A shipped language eval on a few items, without a run folder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from releasegate.evalcard import EvalCard
from releasegate.evaluation.harness import load_harness
from releasegate.evaluation.runner import run_shard
from releasegate.evaluation.tools import Tools
from releasegate.evidence import Failed, Item, Measured
from releasegate.repository import GateRepository

ROOT = Path(__file__).parents[2]


class LanguageBench:
    """The harness and the card of one eval.

    Args:
        eval_id: which.
        params: those of the card that are changed.
    """

    def __init__(self, eval_id: str, **params: Any) -> None:
        folder = GateRepository.around(ROOT).read_eval(eval_id)
        self.card: EvalCard = folder.card
        self.harness: Any = load_harness(folder.folder)
        self.params = {**self.card.params, **params}
        self._instruments = {
            name: tuple(folder.folder / file for file in one.files) for name, one in self.card.instruments.items()
        }

    def items(self, n: int, role: str = "items", seed: int = 5) -> list[Item]:
        """Items as a run numbers and seeds them."""
        made = getattr(self.harness, role)({**self.params, "n": n}, np.random.default_rng(seed))
        return [replace(item, number=number, seed=1000 + number) for number, item in enumerate(made)]

    def samples(self, subject: object, items: Sequence[Item], gone: bool = False) -> list[Measured | Failed]:  # noqa: FBT001
        """A sample an item, as the runner makes it; `gone`: whether every part that is missing is proven to be gone."""
        tools = Tools(self.params, torch.device("cpu"), self._instruments, lambda data, ext: f"{len(data):064x}.{ext}")
        return run_shard(self.harness, subject, items, self.card, tools, lambda part: gone, lambda text: None)


def values(samples: Sequence[Measured | Failed], metric: str, **labels: str) -> list[float]:
    """The values of a metric, of the samples with these labels; none of them failed."""
    found = []
    for sample in samples:
        if labels.items() <= sample.labels.items():
            assert isinstance(sample, Measured), sample.error
            if metric in sample.values:
                found.append(sample.values[metric])
    return found
