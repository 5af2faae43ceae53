"""Fits the judge and writes `judge.safetensors`; run as `python -m evals.image_generation.train_judge`.

Nothing held out is looked at: the two cuts are quantiles of what the judge says about training scans that it was not
fitted on, in five-fold cross-validation.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional

from ..digits import split
from .judge import ANSWERS, DigitJudge, kernel, leader

LOG = logging.getLogger(__name__)

GAMMA = 1e-3  # at the median distance of two scans of one digit, 36 grey levels, the kernel is .28
RIDGE = 1e-2
FOLDS = 5
REFUSED = 0.01  # share of real scans that each cut may refuse
SEED = 0


def wrong_scans(scans: Tensor, generator: torch.Generator) -> Tensor:
    """Pictures that show no digit, though every square of 2 x 2 pixels is from a real scan: float32, shape [2n, 64].

    The first half are scans with their squares in random order, the second half squares of random scans, each in its
    place.

    Args:
        scans: Grey levels 0 to 16, shape [n, 64].
        generator: On the CPU.
    """
    count = len(scans)
    squares = scans.view(count, 4, 2, 4, 2).permute(0, 1, 3, 2, 4).reshape(count, 16, 4)
    order = torch.rand(count, 16, generator=generator).argsort(dim=1)
    shuffled = squares.gather(1, order[:, :, None].expand(-1, -1, 4))
    donors = torch.randint(0, count, (count, 16), generator=generator)
    mixed = squares[donors, torch.arange(16).expand(count, -1)]
    wrong = torch.cat([shuffled, mixed])  # [2n, 16, 4]
    return wrong.view(-1, 4, 4, 2, 2).permute(0, 1, 3, 2, 4).reshape(-1, 64)


def fit(scans: Tensor, labels: Tensor, seed: int) -> DigitJudge:
    """A judge that refuses nothing: its cuts are still open.

    Kernel ridge regression onto the eleven answers, 1 for the right one and 0 for the others: (K + RIDGE I) W = Y.

    Args:
        scans: Grey levels 0 to 16, float32, shape [n, 64].
        labels: The digit of each, int64, shape [n].
        seed: Draws the examples of "no digit".
    """
    wrong = wrong_scans(scans, torch.Generator().manual_seed(seed))
    centres = torch.cat([scans, wrong])
    answers = torch.cat([labels, torch.full((len(wrong),), ANSWERS - 1)])
    gram = kernel(centres.double(), centres.double(), GAMMA)
    gram.diagonal().add_(RIDGE)
    weights = torch.linalg.solve(gram, functional.one_hot(answers, ANSWERS).double())
    return DigitJudge(
        centres=centres,
        weights=weights.float(),
        scans=scans,
        labels=labels,
        gamma=torch.tensor(GAMMA),
        least_lead=torch.tensor(-torch.inf),
        greatest_distance=torch.tensor(torch.inf),
    )


def cross_validate(scans: Tensor, labels: Tensor, seed: int) -> tuple[Tensor, Tensor]:
    """The two cuts, least lead and greatest distance.

    All but `REFUSED` of the scans that were left out, and named rightly, pass each of them.
    """
    generator = torch.Generator().manual_seed(seed)
    fold = torch.randperm(len(scans), generator=generator) % FOLDS
    leads, distances = [], []
    for index in range(FOLDS):
        left_out = fold == index
        judge = fit(scans[~left_out], labels[~left_out], seed)
        scores, distance = judge.inspect(scans[left_out])
        digit, lead = leader(scores)
        right = digit == labels[left_out]
        leads.append(lead[right])
        distances.append(distance.gather(1, digit[:, None])[right, 0])
    LOG.info("left out: %d of %d named rightly", sum(map(len, leads)), len(scans))
    return torch.cat(leads).quantile(REFUSED), torch.cat(distances).quantile(1 - REFUSED)


def make_judge(seed: int) -> DigitJudge:
    """The judge that is shipped: fitted on all training scans, with the cuts that cross-validation gave."""
    digits = split("train")
    scans = torch.as_tensor(digits.images).to(torch.float32).flatten(1)
    labels = torch.as_tensor(digits.labels)
    least_lead, greatest_distance = cross_validate(scans, labels, seed)
    LOG.info("least lead %.3f, greatest distance %.2f", least_lead, greatest_distance)
    return replace(fit(scans, labels, seed), least_lead=least_lead, greatest_distance=greatest_distance)


def main() -> None:
    """Writes `judge.safetensors` beside this file."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    make_judge(SEED).write(Path(__file__).parent / "judge.safetensors")


if __name__ == "__main__":
    main()
