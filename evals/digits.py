"""The split of scikit-learn's handwritten digits, in its one place: what was trained on, and what never was.

1,797 scans of 8 x 8 pixels with grey levels 0 to 16 (UCI Optical Recognition of Handwritten Digits, CC BY 4.0). A
permutation with a fixed seed puts 1,297 of them in `train`, 320 in `gate` (the public pool that a gate draws from) and
180 in `rehearsal` (to try things out on, and to measure the judge).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

Part = Literal["train", "gate", "rehearsal"]

WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
SIDE = 8  # pixels of a scan
DARKEST = 16  # grey levels run from 0 (paper) to 16 (ink)
BOUNDS: dict[Part, tuple[int, int]] = {"train": (0, 1297), "gate": (1297, 1617), "rehearsal": (1617, 1797)}


@dataclass(frozen=True)
class Digits:
    """Some of the scans.

    Attributes:
        images: Grey levels 0 to 16, uint8, shape [n, 8, 8].
        labels: The digit each shows, int64, shape [n].
        ids: Row of each in scikit-learn's data set, int64, shape [n].
    """

    images: NDArray[numpy.uint8]
    labels: NDArray[numpy.int64]
    ids: NDArray[numpy.int64]

    def __len__(self) -> int:
        return len(self.labels)


def split(part: Part) -> Digits:
    """The scans of one part, in the order of the permutation.

    Raises:
        ModuleNotFoundError: scikit-learn is not installed.

    Example:
        >>> [len(split(part)) for part in ("train", "gate", "rehearsal")]
        [1297, 320, 180]
        >>> sorted(set(split("gate").ids) & set(split("train").ids))
        []
    """
    try:
        from sklearn.datasets import load_digits
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "the handwritten digits come with scikit-learn, which is not installed; "
            "fix: pip install 'releasegate[image]'",
            name=error.name,
        ) from error
    bunch = load_digits()
    # The legacy generator, because its stream is frozen by NumPy's compatibility policy: the split must never move.
    order = numpy.random.RandomState(0).permutation(len(bunch.target))
    first, last = BOUNDS[part]
    ids = order[first:last].astype(numpy.int64)
    return Digits(images=bunch.images[ids].astype(numpy.uint8), labels=bunch.target[ids].astype(numpy.int64), ids=ids)


def in_turn(labels: NDArray[numpy.int64], count: int, rng: numpy.random.Generator) -> list[int]:
    """Draw `count` rows, each once, that show the digits in turn: row, of `labels`, of a zero, of a one and so on.

    Raises:
        ValueError: there are too few of some digit.

    Example:
        >>> labels = numpy.array([1, 0, 1, 0])
        >>> [int(labels[row]) for row in in_turn(labels, 3, numpy.random.default_rng(0))]
        Traceback (most recent call last):
            ...
        ValueError: 3 rows are asked for, and there are 0 of the digit 2
    """
    order = rng.permutation(len(labels))
    rows: list[int] = []
    for place in range(count):
        digit, round_ = place % len(WORDS), place // len(WORDS)
        of_digit = order[labels[order] == digit]
        if round_ >= len(of_digit):
            raise ValueError(f"{count} rows are asked for, and there are {len(of_digit)} of the digit {digit}")
        rows.append(int(of_digit[round_]))
    return rows


def to_pixels(images: NDArray[numpy.uint8] | NDArray[numpy.float32] | Tensor) -> Tensor:
    """What the model sees: float32 in [-1, 1], shape [n, 3, 16, 16]; each scan pixel is a square of 2 x 2.

    Args:
        images: Grey levels 0 to 16, shape [n, 8, 8]; a tensor stays on its device.

    Example:
        >>> to_pixels(split("gate").images[:2]).shape
        torch.Size([2, 3, 16, 16])
    """
    levels = torch.as_tensor(images).to(torch.float32) / (DARKEST / 2) - 1
    doubled = levels.repeat_interleave(2, dim=1).repeat_interleave(2, dim=2)  # [n, 16, 16]
    return doubled[:, None].expand(-1, 3, -1, -1).contiguous()


def to_scans(pixels: Tensor) -> Tensor:
    """The grey levels 0 to 16 that pixels stand for: float32, shape [n, 64]; the inverse of `to_pixels`.

    Args:
        pixels: Shape [n, 3, 16, 16], in [-1, 1]; what lies outside is cut off. Any device and float dtype.

    Example:
        >>> scans = split("gate").images[:3]
        >>> bool((to_scans(to_pixels(scans)).numpy() == scans.reshape(3, 64)).all())
        True
    """
    grey = pixels.to(torch.float32).clamp(-1, 1).mean(dim=1, keepdim=True)  # [n, 1, 16, 16]
    return ((functional.avg_pool2d(grey, 2) + 1) * (DARKEST / 2)).flatten(1)  # [n, 64]


def shifts(pixels: Tensor) -> Tensor:
    """Each image as it is, then moved by one pixel in the eight directions: shape [n, 9, 3, 16, 16].

    What a drawing is compared with before it is called new: a training image moved by a pixel is still a copy.

    Args:
        pixels: Shape [n, 3, 16, 16]; paper (-1) comes in at the edges.
    """
    padded = functional.pad(pixels, (1, 1, 1, 1), value=-1.0)
    side = pixels.shape[-1]
    offsets = [(1, 1)] + [(down, right) for down in range(3) for right in range(3) if (down, right) != (1, 1)]
    return torch.stack([padded[:, :, down : down + side, right : right + side] for down, right in offsets], dim=1)
