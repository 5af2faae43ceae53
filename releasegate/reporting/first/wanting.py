"""What was not measured, and what failed."""

from __future__ import annotations

import re
from collections.abc import Iterable

from releasegate.decision import Decision
from releasegate.reporting.views.report import MeasurementView
from releasegate.reporting.wording.numbers import plural

_LEFT_ALONE = re.compile(r"(?P<count>\d+ of \d+ items), left alone once all was settled")
"""How `releasegate.decision.leaning` ends what it says of items that nobody needed."""


def wanting(decision: Decision, measurements: tuple[MeasurementView, ...]) -> Iterable[str]:
    """What the decision says was not measured, then which measurements lost items, the most first."""
    yield from map(_told, decision.not_measured)
    lost = sorted((m for m in measurements if m.failed), key=lambda m: -m.failed)
    for m in lost:
        of = "calibration items" if m.role == "calibration" else "items"
        yield f"{m.eval} {m.checkpoint}: {m.failed} of {m.planned} {of} failed"
    broken = [m for m in measurements if m.problem]
    if broken:
        yield f"{plural(len(broken), 'measurement')} could not be made: {', '.join(sorted({m.eval for m in broken}))}"


def _told(line: str) -> str:
    """The decision's own sentence; of items that were not needed it says so.

    >>> _told("drawing on source: 50 of 100 items, left alone once all was settled")
    'drawing on source: 50 of 100 items were not needed, as the others settled everything'
    """
    return _LEFT_ALONE.sub(r"\g<count> were not needed, as the others settled everything", line)
