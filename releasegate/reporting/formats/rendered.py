"""What every kind of output is rendered from."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from jinja2 import BaseLoader

from releasegate.decision import Decision
from releasegate.evidence import Evidence
from releasegate.plan import Plan
from releasegate.receipt import Receipt
from releasegate.reporting.gathered.gathering import Gathered, gather
from releasegate.reporting.making import make_view
from releasegate.reporting.views.report import ReportView
from releasegate.repository import RunFolder


@dataclass(frozen=True)
class Rendered:
    """A decided run. What was measured is read once, and only by the kinds that show it.

    Attributes:
        receipt: of the stripped checkpoint, if there is one.
        templates: of pages.
        evidence: what was measured, where it was read already.
    """

    run: RunFolder
    decision: Decision
    plan: Plan
    receipt: Receipt | None
    templates: BaseLoader
    evidence: Evidence | None = None

    @cached_property
    def gathered(self) -> Gathered:
        """The samples in one pass.

        Raises:
            EvidenceUntrusted: a shard is not what the index says it was.
        """
        return gather(self.run, self.plan, self.decision, self.evidence)

    @cached_property
    def view(self) -> ReportView:
        """What a page shows.

        Raises:
            EvidenceUntrusted: a shard is not what the index says it was.
        """
        return make_view(self.decision, self.plan, self.receipt, self.gathered, self.run.outputs)
