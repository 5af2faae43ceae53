"""A decision in a file of its own, such as that of a replay: reading it."""

from __future__ import annotations

from pathlib import Path

from pydantic import ValidationError

from releasegate.decision import Decision
from releasegate.errors import EvidenceUntrusted, NotFound


def read_decision(path: Path) -> Decision:
    """The decision in the file at `path`.

    Raises:
        NotFound: there is no such file.
        EvidenceUntrusted: it holds something else.
    """
    if not path.is_file():
        raise NotFound(str(path), "no such decision", "run `releasegate decide`, or name another file")
    try:
        return Decision.from_text(path.read_bytes())
    except ValidationError as error:
        first = error.errors()[0]
        what = f"is not a decision: {'.'.join(map(str, first['loc']))}: {first['msg']}"
        raise EvidenceUntrusted(str(path), what, "restore it, or decide again") from None
    except ValueError as error:
        raise EvidenceUntrusted(str(path), f"is not a decision: {error}", "restore it, or decide again") from None
