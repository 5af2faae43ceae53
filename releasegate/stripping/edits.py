"""What happens to one tensor in a strip."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, assert_never

from releasegate.receipt import (
    Ranges,
    Removed,
    RowsReinitialised,
    RowsRemoved,
    RowsZeroed,
    TensorOutcome,
    Untouched,
    ZeroFilled,
    compact,
    expand,
)

Outcome = Literal["removed", "zero_filled", "rows_zeroed", "rows_reinitialised", "rows_removed"]

_WORDS: dict[Outcome, str] = {
    "removed": "removed",
    "zero_filled": "filled with zeros",
    "rows_zeroed": "with rows zeroed",
    "rows_reinitialised": "with rows reinitialised",
    "rows_removed": "with rows removed",
}


@dataclass(frozen=True, slots=True)
class TensorEdit:
    """What happens to one tensor.

    Attributes:
        outcome: as the receipt will call it.
        rows: which rows, of the outcomes that are about rows.
        dimension: what the rows are counted along.
        std: standard deviation of random numbers, where rows are reinitialised.
    """

    outcome: Outcome
    rows: Ranges = ()
    dimension: int = 0
    std: float | None = None

    @property
    def partial(self) -> bool:
        """Whether something of the tensor stays as it was."""
        return self.outcome in ("rows_zeroed", "rows_reinitialised", "rows_removed")

    @property
    def words(self) -> str:
        """What the tensor becomes: `removed`, `with rows zeroed along dimension 1`."""
        along = f" along dimension {self.dimension}" if self.dimension else ""
        drawn = f" with std {self.std:g}" if self.std is not None else ""
        return f"{_WORDS[self.outcome]}{along}{drawn}"

    def joined(self, other: TensorEdit) -> TensorEdit | None:
        """Both edits as one; `None` if they want different things.

        >>> TensorEdit("rows_zeroed", ((0, 1),)).joined(TensorEdit("rows_zeroed", ((2, 3),))).rows
        ((0, 3),)
        """
        if (self.outcome, self.dimension, self.std) != (other.outcome, other.dimension, other.std):
            return None
        rows = compact([*expand(self.rows), *expand(other.rows)])
        return TensorEdit(self.outcome, rows, self.dimension, self.std)


def edit_of(outcome: TensorOutcome) -> TensorEdit | None:
    """The edit that the receipt says was made; `None` for a tensor that is untouched."""
    match outcome:
        case Untouched():
            return None
        case Removed() | ZeroFilled():
            return TensorEdit(outcome.outcome)
        case RowsZeroed() | RowsRemoved():
            return TensorEdit(outcome.outcome, outcome.rows, outcome.dimension or 0)
        case RowsReinitialised():
            return TensorEdit(outcome.outcome, outcome.rows, outcome.dimension or 0, outcome.std)
        case _:
            assert_never(outcome)
