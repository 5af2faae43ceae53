"""What a strip of this gate did to a checkpoint on purpose, by the receipt that lies beside it.

A receipt is no proof of who wrote it, so it exempts only what the bytes bear out: rows that hold nothing, or random numbers
of the stated spread, and keys that keep back such rows alone. Neither can be undone by whoever has the weights.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from releasegate.errors import ReleaseGateError
from releasegate.inspection.odd.arrays import is_read, row_pieces
from releasegate.inspection.stored import Stored
from releasegate.receipt import Receipt, RowsReinitialised, RowsZeroed, expand
from releasegate.repository.receipts import read_receipt, receipt_path

UNIFORM = (1.7, 1.9)
"""Fourth moment over the squared second one: 1.8 of uniform numbers, 3 of normal ones, as trained rows nearly are."""


@dataclass(frozen=True, slots=True)
class Exempt:
    """What is not odd, since it was done by a strip and shows in the bytes.

    Attributes:
        rows: by name of the tensor.
    """

    rows: Mapping[str, frozenset[int]] = field(default_factory=dict)

    def tokens(self) -> frozenset[int]:
        """Rows of any tensor."""
        return frozenset().union(*self.rows.values())


def exempt_of(root: Path, tensors: Mapping[str, Stored], digest: str | None) -> Exempt:
    """What the receipt beside the folder exempts; nothing where there is none that is about this checkpoint.

    Args:
        root: the folder.
        tensors: those of the model by name.
        digest: the model digest; None where it is not known, and sizes are compared in its place.
    """
    receipt = _receipt(root, digest)
    if receipt is None:
        return Exempt()
    found = {}
    for outcome in receipt.tensors:
        tensor = tensors.get(outcome.name)
        if (
            isinstance(outcome, RowsZeroed | RowsReinitialised)
            and not outcome.dimension
            and tensor is not None
            and is_read(tensor)
        ):
            std = outcome.std if isinstance(outcome, RowsReinitialised) else None
            found[outcome.name] = _borne_out(root, tensor, expand(outcome.rows), std)
    return Exempt(found)


def _receipt(root: Path, digest: str | None) -> Receipt | None:
    place = receipt_path(root)
    if not place.is_file():
        return None
    try:
        receipt = read_receipt(place)
    except ReleaseGateError:
        return None
    if digest is not None:
        return receipt if receipt.output_digest == digest else None
    sizes = {entry.path: entry.size for entry in receipt.output.files}
    there = {path.relative_to(root).as_posix(): path.stat().st_size for path in root.rglob("*") if path.is_file()}
    return receipt if sizes == there else None


def _borne_out(root: Path, tensor: Stored, rows: list[int], std: float | None) -> frozenset[int]:
    """The rows, if they hold zeros, or numbers such as a strip draws; else none."""
    wanted, kept, first = np.array(rows, dtype=np.int64), [], 0
    for piece in row_pieces(root, tensor):
        inside = wanted[(wanted >= first) & (wanted < first + len(piece))] - first
        kept.append(piece[inside].astype(np.float64))
        first += len(piece)
    numbers = np.concatenate(kept)
    if len(numbers) != len(rows):
        return frozenset()
    if std is None:
        return frozenset(rows) if not numbers.any() else frozenset()
    square = float(np.square(numbers).mean())
    shape = float((numbers**4).mean()) / square**2 if square else 0.0
    spread = bool(np.abs(numbers).max() <= 3**0.5 * std * 1.01) and 0.8 * std < square**0.5 < 1.2 * std
    few = numbers.size < 2000
    return frozenset(rows) if spread and (few or UNIFORM[0] < shape < UNIFORM[1]) else frozenset()
