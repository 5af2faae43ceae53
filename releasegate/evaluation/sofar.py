"""What one measurement has shown so far, and whether that settles it."""

from __future__ import annotations

from collections.abc import Sequence

from releasegate.decision.settled import judged_with, settled_by
from releasegate.evidence import MISSING, Failed, Measured
from releasegate.plan import Measurement, Plan
from releasegate.repository.evidence_store import EvidenceStore


class SoFar:
    """The samples of a measurement that may stop early: read from disk once, and added to as they come."""

    def __init__(self, store: EvidenceStore, plan: Plan, measurement: Measurement) -> None:
        self._plan = plan
        self._measurement = measurement
        self._collector = store.collected(plan, measurement)
        # Calibration and the baseline are whole by now: they are measured first.
        self._others = {plan.identity(m): store.collected(plan, m).columns() for m in judged_with(plan, measurement)}

    def settled(self, more: Sequence[Measured | Failed] = ()) -> bool:
        """Whether everything that it is to show is decided, once the samples of one more shard are known."""
        for sample in more:
            self._collector.add(sample, f"{self._measurement.eval}, as it was measured")
        columns = {**self._others, self._plan.identity(self._measurement): self._collector.columns()}
        return settled_by(self._plan, columns, self._measurement)

    @property
    def attempted(self) -> int:
        """Items with a record, failed ones included."""
        return int((self._collector.columns().state != MISSING).sum())
