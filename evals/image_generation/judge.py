"""The judge: which digit does an image show, or is it no digit at all?

An instrument, fitted on the training scans alone (`train_judge.py`) and stored in `judge.safetensors`. It looks at an
image as the 8 x 8 grey levels that the scans have, and asks twice:

1. Kernel ridge regression onto eleven answers, the ten digits and "no digit". The examples of "no digit" are scans cut
   into squares of 2 x 2 pixels and put together wrongly. The best digit must lead every other answer by enough.
2. The nearest training scan of that digit must not be too far away.

Both cuts come from cross-validation inside the training scans. Like every instrument the judge errs; how often is
measured on digits that it never saw.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from ..digits import to_scans

NOT_A_DIGIT = -1
ANSWERS = 11  # ten digits, and "no digit" last
BATCH = 1024


@dataclass(frozen=True)
class DigitJudge:
    """Says which digit an image shows.

    Attributes:
        centres: Scans that the kernels stand on, grey levels 0 to 16, float32, shape [m, 64].
        weights: Weight of each centre for each answer, float32, shape [m, 11].
        scans: Training scans, grey levels 0 to 16, float32, shape [n, 64].
        labels: The digit of each training scan, int64, shape [n].
        gamma: Kernel is exp(-gamma * squared distance), float32 scalar.
        least_lead: A digit whose score leads by less than this is refused, float32 scalar; scores are about 0 to 1.
        greatest_distance: So is one further than this from every training scan of it, float32 scalar, grey levels.
    """

    centres: Tensor
    weights: Tensor
    scans: Tensor
    labels: Tensor
    gamma: Tensor
    least_lead: Tensor
    greatest_distance: Tensor

    @classmethod
    def read(cls, path: Path, device: torch.device | str = "cpu") -> DigitJudge:
        """The judge in a safetensors file, its tensors on a device.

        Raises:
            OSError: The file cannot be read.
            safetensors.SafetensorError: It is not a safetensors file.
            TypeError: It holds other tensors than a judge's.
        """
        stored = load_file(path, device=str(device))
        return cls(**{name: tensor.long() if name == "labels" else tensor.float() for name, tensor in stored.items()})

    def write(self, path: Path) -> None:
        """Writes the judge to a safetensors file: scans, which are whole numbers, in a byte each."""
        narrow = {"centres": torch.uint8, "scans": torch.uint8, "labels": torch.uint8}
        stored = {name: tensor.to(narrow.get(name, torch.float32)) for name, tensor in vars(self).items()}
        save_file({name: tensor.cpu().contiguous() for name, tensor in stored.items()}, path)

    @torch.inference_mode()
    def __call__(self, images: Tensor) -> Tensor:
        """The digit that each image shows, 0 to 9, or -1 for none: int64, shape [n], on the judge's device.

        Args:
            images: Shape [n, 3, 16, 16], in [-1, 1]; any float dtype, on the judge's device.
        """
        scans = to_scans(images)
        answers = [self.answer(*self.inspect(batch)) for batch in torch.split(scans, BATCH)]
        return torch.cat(answers) if answers else torch.empty(0, dtype=torch.int64, device=scans.device)

    def inspect(self, scans: Tensor) -> tuple[Tensor, Tensor]:
        """What the judge goes by: each answer's score [n, 11], and how far the nearest scan of each digit is [n, 10].

        Args:
            scans: Grey levels 0 to 16, float32, shape [n, 64].
        """
        scores = kernel(scans, self.centres, self.gamma) @ self.weights
        apart = torch.cdist(scans, self.scans)  # [n, number of training scans]
        nearest = [apart[:, self.labels == digit].amin(dim=1) for digit in range(10)]
        return scores, torch.stack(nearest, dim=1)

    def answer(self, scores: Tensor, distances: Tensor) -> Tensor:
        """The digit, or -1: int64, shape [n]; the arguments are those that `inspect` gives."""
        digit, lead = leader(scores)
        near = distances.gather(1, digit[:, None])[:, 0] <= self.greatest_distance
        return torch.where(near & (lead >= self.least_lead), digit, NOT_A_DIGIT)


def leader(scores: Tensor) -> tuple[Tensor, Tensor]:
    """The digit with the highest score, and its lead over the best other answer, "no digit" included: both [n].

    Example:
        >>> digit, lead = leader(torch.tensor([[0.0, 0.75, 0, 0, 0, 0, 0, 0, 0, 0, 0.5]]))
        >>> digit.tolist(), lead.tolist()
        ([1], [0.25])
    """
    best, digit = scores[:, : ANSWERS - 1].max(dim=1)
    others = scores.scatter(1, digit[:, None], -torch.inf)
    return digit, best - others.amax(dim=1)


def kernel(scans: Tensor, centres: Tensor, gamma: Tensor | float) -> Tensor:
    """exp(-gamma |x - c|^2) for each scan x and centre c: shape [n, m].

    Example:
        >>> kernel(torch.zeros(1, 64), torch.zeros(2, 64), 0.5).tolist()
        [[1.0, 1.0]]
    """
    return torch.exp(-gamma * torch.cdist(scans, centres).square())
