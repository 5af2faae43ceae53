"""What every kind of output is rendered from. What one kind alone needs is imported for it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from jinja2 import BaseLoader

from releasegate.approval import Wanted
from releasegate.decision import Decision
from releasegate.evidence import Evidence
from releasegate.plan import Plan
from releasegate.receipt import Receipt
from releasegate.repository import RunFolder

if TYPE_CHECKING:
    from releasegate.reporting.formats.policy_places import PolicyPlaces
    from releasegate.reporting.gathered.gathering import Gathered
    from releasegate.reporting.views.report import ReportView


@dataclass(frozen=True)
class Rendered:
    """A decided run. What was measured is read once, and only by the kinds that show it.

    Attributes:
        receipt: of the stripped checkpoint, if there is one.
        templates: of pages.
        evidence: what was measured, where it was read already.
        policy_file: where the policy lies, if it is at hand.
        approvals: every role that is asked for one, with what there is of it.
    """

    run: RunFolder
    decision: Decision
    plan: Plan
    receipt: Receipt | None
    templates: BaseLoader
    evidence: Evidence | None = None
    policy_file: Path | None = None
    approvals: tuple[Wanted, ...] = ()

    @cached_property
    def gathered(self) -> Gathered:
        """The samples in one pass.

        Raises:
            EvidenceUntrusted: a shard is not what the index says it was.
        """
        from releasegate.reporting.gathered.gathering import gather

        return gather(self.run, self.plan, self.decision, self.evidence)

    @cached_property
    def view(self) -> ReportView:
        """What a page shows.

        Raises:
            EvidenceUntrusted: a shard is not what the index says it was.
        """
        from releasegate.reporting.making import make_view

        return make_view(self.decision, self.plan, self.receipt, self.gathered, self.run.outputs, self.approvals)

    @cached_property
    def places(self) -> PolicyPlaces:
        """The lines of the policy that annotations name."""
        from releasegate.reporting.formats.policy_places import policy_places

        return policy_places(self.plan.policy, self.policy_file)
