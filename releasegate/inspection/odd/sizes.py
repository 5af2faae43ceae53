"""Tensors of a layer whose numbers are far larger or smaller than those of their neighbours, or than any trained ones."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from releasegate.inspection.odd.arrays import is_read, sample
from releasegate.inspection.odd.oddity import Oddity, shown_number
from releasegate.inspection.odd.places import families, is_norm
from releasegate.inspection.stored import Stored

MATRIX, NORM = 5.0, 12.0
"""How many times larger or smaller than the middle of its neighbours a tensor may be. Trained ones reach 2.5 for matrices and
5.1 for norms (SmolLM2); the first and the last layer are given twice as much room."""
NEIGHBOURS = 2
"""Layers on each side that a layer is held against."""
GAIN, FILTER, TABLE = (0.02, 60.0), (5e-3, 100.0), (1e-5, 60.0)
"""Root mean square of the elements times the root of the length of a row: what a matrix makes of a row of ones at random.
Trained matrices have .11 to 9.6, filters of convolutions .11 to 2.1, and tables of codes 2.0."""
WEIGHT = (2e-3, 200.0)
"""Median of the absolute elements of a norm's weight. Trained ones have .02 to 2."""
REMEDY = "scale the tensor back, or publish what was trained"


def size_oddities(root: Path, tensors: Sequence[Stored]) -> Iterator[Oddity]:
    """Odd sizes, tensor by tensor; of a large tensor samples are read."""
    known: dict[str, float] = {}
    for some in families(tensors).values():
        matrices = [(layer, one) for layer, one in some if is_norm(one.name) or _is_matrix(one)]
        for _, one in matrices:
            known[one.name] = _size(root, one)
        yield from _unlike_neighbours([(one, known[one.name]) for _, one in matrices])
    for tensor in tensors:
        if is_read(tensor) and (is_norm(tensor.name) or _is_matrix(tensor)):
            size = known[tensor.name] if tensor.name in known else _size(root, tensor)
            yield from _implausible(tensor, size)


def _is_matrix(tensor: Stored) -> bool:
    """Whether it is a weight that rows of numbers go through, or a table of codes: biases and scales are of any size."""
    wide = 2 <= len(tensor.shape) <= 4 and min(tensor.shape[:2]) >= (4 if len(tensor.shape) == 2 else 2)
    return wide and (_is_codes(tensor.name) or (tensor.name.endswith(".weight") and not _is_table(tensor.name)))


def _is_codes(name: str) -> bool:
    return re.search(r"codebook|quantizer?\.(?:\w+\.)*embed", name) is not None


def _is_table(name: str) -> bool:
    return any(part in name.lower() for part in _TABLES)


_TABLES = ("embed", "wte", "wpe", "relative", "lora_", "router", "gate.weight", "pooler")
"""In names of tensors whose rows are looked up, or that may be as small as they like."""


def _usual_gain(tensor: Stored) -> tuple[float, float]:
    if is_norm(tensor.name):
        return WEIGHT
    return TABLE if _is_codes(tensor.name) else GAIN if len(tensor.shape) == 2 else FILTER


def _size(root: Path, tensor: Stored) -> float:
    numbers = sample(root, tensor).astype(np.float64)
    if is_norm(tensor.name):
        return float(np.median(np.abs(numbers)))
    return float(np.sqrt(np.square(numbers).mean()))


def _unlike_neighbours(some: Sequence[tuple[Stored, float]]) -> Iterator[Oddity]:
    for place, (tensor, size) in enumerate(some):
        near = [
            other for _, other in [*some[max(0, place - NEIGHBOURS) : place], *some[place + 1 : place + 1 + NEIGHBOURS]]
        ]
        if len(near) < NEIGHBOURS or not size > 0:
            continue
        middle = float(np.median(near))
        at_the_edge = place in (0, len(some) - 1)
        room = (NORM if is_norm(tensor.name) else MATRIX) * (2 if at_the_edge else 1)
        if middle > 0 and abs(math.log(size / middle)) > math.log(room):
            what = f"its numbers have a size of {shown_number(size)}, and those of the layers beside it {shown_number(middle)}"
            yield Oddity(f"{tensor.file}: {tensor.name}"[:400], what, REMEDY)


def _implausible(tensor: Stored, size: float) -> Iterator[Oddity]:
    low, high = _usual_gain(tensor)
    value = size if is_norm(tensor.name) else size * math.sqrt(math.prod(tensor.shape[1:]))
    if size > 0 and not low <= value <= high:
        usual = f"{shown_number(low)} to {shown_number(high)}"
        what = f"its numbers have a gain of {shown_number(value)}; those of trained models have {usual}"
        yield Oddity(f"{tensor.file}: {tensor.name}"[:400], what, REMEDY)
