"""The place in a ledger that a caller remembers."""

from __future__ import annotations

from pathlib import Path

from releasegate.errors import UsageError
from releasegate.ledger import Anchor
from releasegate.repository import RunFolder


def one_anchor(head: Anchor | None, run: Path | None) -> Anchor | None:
    """The anchor that was given, in either way; None: none was.

    Raises:
        UsageError: both were given, or the run is a rehearsal, which has no place in a ledger.
    """
    if run is None:
        return head
    if head is not None:
        raise UsageError("--anchor", "and --ledger-head say the same thing twice", "give one of them")
    position = RunFolder(run).read_decision().ledger
    if position is None:
        raise UsageError(
            f"--anchor {run}", "that run is a rehearsal, which has no place in a ledger", "name one that is none"
        )
    return Anchor(count=position.count, head=position.head)
