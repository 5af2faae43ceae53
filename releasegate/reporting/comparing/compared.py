"""One of two decisions that are compared, with what is at hand of its run."""

from __future__ import annotations

from dataclasses import dataclass

from releasegate.approval import Wanted
from releasegate.decision import Decision
from releasegate.evalcard import EvalCard
from releasegate.plan import Plan
from releasegate.policy import Policy
from releasegate.reporting.gathered.gathering import Gathered
from releasegate.repository.deciding_run import Decided


@dataclass(frozen=True)
class Compared:
    """One of two decisions.

    Attributes:
        name: the run folder or the file, as a person named it.
        decision: as it may be told.
        run: with its plan and evidence; None for a decision in a file.
        gathered: what was measured in it, where both are runs.
        approvals: every role that is asked to approve it, with what there is of it.
    """

    name: str
    decision: Decision
    run: Decided | None
    gathered: Gathered | None = None
    approvals: tuple[Wanted, ...] = ()

    @property
    def plan(self) -> Plan | None:
        """Of the run."""
        return self.run.plan if self.run is not None else None

    @property
    def policy(self) -> Policy | None:
        """The policy that made the decision, if it is at hand."""
        if self.plan is None or self.plan.policy_digest_of(self.plan.policy) != self.decision.policy_digest:
            return None
        return self.plan.policy

    @property
    def requirements(self) -> set[str] | None:
        """The ids of the requirements of the policy, if it is at hand."""
        policy = self.policy
        return None if policy is None else {r.id for r in policy.requirements}

    def of_capability(self, name: str) -> set[str]:
        """The ids of the requirements of a capability; empty where the policy is not at hand."""
        policy = self.policy
        found = policy.capabilities if policy is not None else ()
        return {r.id for c in found if c.id == name for _, _, r in c.sections()}

    @property
    def shows_samples(self) -> bool:
        """Whether anything of a sample may be shown: of a decision in a file nobody knows."""
        return self.plan is not None and self.plan.policy.shows_samples

    def card(self, metric: str) -> EvalCard | None:
        """The card of a metric's eval, if it is at hand."""
        return self.plan.card_of(metric) if self.plan is not None else None
