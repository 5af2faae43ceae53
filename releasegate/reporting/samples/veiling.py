"""Which samples are out of sight until asked."""

from __future__ import annotations

from dataclasses import dataclass

from releasegate.decision import Decision
from releasegate.plan import Plan


@dataclass(frozen=True)
class Veil:
    """Says of an eval whether its samples may be seen in passing."""

    plan: Plan
    decision: Decision

    def blurs(self, eval_id: str) -> bool:
        """Whether samples are blurred until asked: they are sensitive, or show a capability that does not go out.

        Of a run that kept digests alone there is nothing to see.
        """
        return not self.plan.policy.hashes_samples and (bool(self.sensitivity(eval_id)) or self._held_back(eval_id))

    def sensitivity(self, eval_id: str) -> str:
        """Why samples are not to be read in passing; empty if they may be, or nothing of them was kept."""
        stated = self.plan.cards[eval_id].sensitive
        return "" if stated is None or self.plan.policy.hashes_samples else stated

    def _held_back(self, eval_id: str) -> bool:
        verdicts = {c.id: c.verdict for c in self.decision.capabilities}
        return any(
            requirement.eval == eval_id and section != "keep" and verdicts.get(capability.id) != "release"
            for capability in self.plan.policy.capabilities
            for section, _, requirement in capability.sections()
        )
