"""A network that scores the next token, as what is written around it sees it; and how rows share its passes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

import torch
from torch import Tensor

PADDING = 0
"""What stands where no token is; nothing looks at it."""
ROWS = 64
"""Rows of a batch, at most."""
ENOUGH, MOST_PADDED = 256, 0.9
"""Tokens of a pass that more of them make no faster on a processor; and the least length of a row that such a pass takes on, as a
share of the longest."""
SCORES = 1 << 27
"""Scores that are held at once: half a gigabyte in single precision."""

T = TypeVar("T")
R = TypeVar("R")


class Memory(Protocol):
    """What a network remembers of the tokens that it has read, for each row."""

    def pick(self, rows: Tensor) -> None:
        """Nothing; its rows are now copies of the rows int64 [m] of what it was."""


class CausalNet(Protocol):
    """A network that scores the next token."""

    @property
    def vocabulary(self) -> int:
        """How many tokens it scores."""

    @property
    def context(self) -> int:
        """Tokens of the longest text that it reads."""

    @property
    def device(self) -> torch.device:
        """Where it computes."""

    @property
    def alone(self) -> bool:
        """Whether it reads one row at a time, since padding would change what it makes of a row."""

    def read(self, ids: Tensor, kept: Tensor, memory: Memory | None, last: int) -> tuple[Tensor, Memory]:
        """The scores [n, last, vocabulary] of what follows each of the last tokens, and the memory with all of `ids` in it.

        Args:
            ids: int64 [n, t], the next tokens.
            kept: bool [n, read before + t], which of the tokens, with those that were read before, are no padding.
            memory: of those that were read before; it is changed. None at the beginning.
            last: of how many places the scores are wanted, from 1 to t.
        """


@dataclass(frozen=True)
class Budget:
    """How much is computed at once.

    Attributes:
        tokens: of a batch, padding included.
        rows: of a batch.
    """

    tokens: int = 8192
    rows: int = ROWS


def batches(
    lengths: Sequence[int], budget: Budget, *, alone: bool = False, enough: int | None = None
) -> Iterator[list[int]]:
    """Numbers of rows of about one length, the longest first; each row once.

    Args:
        lengths: tokens of each row, with what is to be drawn after it.
        budget: of a batch; a row that is longer is a batch of its own.
        alone: whether every row is.
        enough: tokens of a batch that more of them would not make faster; from there on it takes no row that would be padding
            by more than a tenth. None where the number of rows counts, as it does in drawing.

    >>> list(batches([3, 9, 4], Budget(tokens=10)))
    [[1], [2, 0]]
    >>> list(batches([100, 99, 60], Budget(), enough=150))
    [[0, 1], [2]]
    """
    batch: list[int] = []
    for row in sorted(range(len(lengths)), key=lambda row: -lengths[row]):
        longest, held = (lengths[batch[0]], len(batch)) if batch else (0, 0)
        full = held == budget.rows or longest * (held + 1) > budget.tokens
        padded = enough is not None and longest * held >= enough and lengths[row] < MOST_PADDED * longest
        if batch and (alone or full or padded):
            yield batch
            batch = []
        batch.append(row)
    if batch:
        yield batch


def in_halves(rows: Sequence[T], run: Callable[[Sequence[T]], list[R]]) -> list[R]:
    """What `run` makes of the rows, in their order; of half of them at a time, and so on, where memory does not suffice.

    Raises:
        torch.OutOfMemoryError: it does not suffice for one row.
    """
    try:
        return run(rows)
    except (RuntimeError, MemoryError) as error:
        if not _out_of_memory(error) or len(rows) == 1:
            raise
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    middle = len(rows) // 2
    return in_halves(rows[:middle], run) + in_halves(rows[middle:], run)


def _out_of_memory(error: BaseException) -> bool:
    """Whether there was too little memory; torch says it of the processor's in words alone."""
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or "can't allocate memory" in str(error)


def left_padded(rows: Sequence[Sequence[int]], device: torch.device) -> tuple[Tensor, Tensor]:
    """The rows as int64 [n, t] that end together, and bool [n, t], which are tokens."""
    t = max(map(len, rows))
    ids = torch.tensor([[*[PADDING] * (t - len(row)), *row] for row in rows], dtype=torch.int64, device=device)
    return ids, _kept([(t - len(row), t) for row in rows], t, device)


def right_padded(rows: Sequence[Sequence[int]], device: torch.device) -> tuple[Tensor, Tensor]:
    """The rows as int64 [n, t] that begin together, and bool [n, t], which are tokens."""
    t = max(map(len, rows))
    ids = torch.tensor([[*row, *[PADDING] * (t - len(row))] for row in rows], dtype=torch.int64, device=device)
    return ids, _kept([(0, len(row)) for row in rows], t, device)


def _kept(ranges: Sequence[tuple[int, int]], t: int, device: torch.device) -> Tensor:
    places = torch.arange(t, device=device)[None]
    begin, end = torch.tensor(ranges, device=device).T[..., None]  # [n, 1] each
    kept: Tensor = (places >= begin) & (places < end)
    return kept


def places_of(kept: Tensor, t: int) -> Tensor:
    """int64 [n, t], the place in its text of each of the last t tokens, of bool [n, length] which are no padding."""
    places: Tensor = (kept.long().cumsum(-1) - 1).clamp(min=0)[:, -t:]
    return places
