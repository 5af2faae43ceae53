"""What was not measured, and what failed."""

from __future__ import annotations

from collections.abc import Iterable

from releasegate.decision import Decision
from releasegate.reporting.view import MeasurementView
from releasegate.reporting.wording.numbers import plural


def wanting(decision: Decision, measurements: tuple[MeasurementView, ...]) -> Iterable[str]:
    """What the decision says was not measured, then which measurements lost items, the most first."""
    yield from decision.not_measured
    lost = sorted((m for m in measurements if m.failed), key=lambda m: -m.failed)
    for m in lost:
        of = "calibration items" if m.role == "calibration" else "items"
        yield f"{m.eval} {m.checkpoint}: {m.failed} of {m.planned} {of} failed"
    broken = [m for m in measurements if m.problem]
    if broken:
        yield f"{plural(len(broken), 'measurement')} could not be made: {', '.join(sorted({m.eval for m in broken}))}"
