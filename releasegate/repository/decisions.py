"""A decision in a file of its own, such as that of a replay: reading it."""

from __future__ import annotations

from pathlib import Path

from releasegate.decision import Decision
from releasegate.repository.stored import Wording, read_stored

DECISION = Wording(
    "a decision", ("no such decision", "run `releasegate decide`, or name another file"), "restore it, or decide again"
)


def read_decision(path: Path) -> Decision:
    """The decision in the file at `path`.

    Raises:
        NotFound: there is no such file.
        EvidenceUntrusted: it holds something else.
    """
    return read_stored(Decision, path, DECISION)
