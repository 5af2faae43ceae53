"""One eval on one checkpoint, as its figures look at it."""

from __future__ import annotations

from dataclasses import dataclass

from releasegate.decision import Decision, Finding
from releasegate.evalcard import EvalCard
from releasegate.plan import SOURCE, Plan
from releasegate.reporting.gathered.concern import Concern, concern_of
from releasegate.reporting.gathered.cuts import Cut
from releasegate.reporting.gathered.dimensions import threat_values
from releasegate.reporting.gathered.gathering import Gathered, Place
from releasegate.reporting.views.figures import Standing
from releasegate.reporting.wording.words import checkpoint as checkpoint_words


@dataclass(frozen=True)
class Scene:
    """What the figures of an eval on a checkpoint are made from.

    Attributes:
        findings: those of the decision on this eval, whatever the checkpoint.
    """

    card: EvalCard
    checkpoint: str
    gathered: Gathered
    findings: tuple[Finding, ...]
    concern: Concern

    @property
    def where(self) -> str:
        """The checkpoint as words."""
        return checkpoint_words(self.checkpoint)

    @property
    def gate(self) -> Place:
        """Where the gate's items were tallied."""
        return (self.card.id, "gate", self.checkpoint)

    @property
    def places(self) -> tuple[Place, Place]:
        """Where a metric is looked for: the gate's items, then the calibration items, which are those of the source."""
        return self.gate, (self.card.id, "calibration", SOURCE)

    def standing(self, dimension: str, value: str) -> Standing:
        """Of a value beside the threat sets that name its dimension."""
        listed = threat_values(self.card.id, dimension, self.findings)
        return "" if listed is None else "gated" if value in listed else "outside"

    def high_is_bad(self, metric: str) -> bool:
        """Whether a high value speaks against the release."""
        return self.concern.hit_matters(self.card.metrics[metric].rests_on or metric)

    def cut(self, metric: str) -> Cut | None:
        """The frozen threshold of a metric."""
        return self.gathered.cuts.get(f"{self.card.id}/{metric}")

    def finding(self, metric: str) -> Finding | None:
        """The first finding on a metric, on this checkpoint if there is one."""
        named = [f for f in self.findings if f.metric == f"{self.card.id}/{metric}"]
        return min(named, key=lambda f: f.checkpoint != self.checkpoint, default=None)


def scene_of(card: EvalCard, checkpoint: str, gathered: Gathered, plan: Plan, decision: Decision) -> Scene:
    """The scene of an eval on a checkpoint."""
    findings = tuple(f for f in decision.findings if f.metric.split("/")[0] == card.id)
    return Scene(card, checkpoint, gathered, findings, concern_of(plan.policy, card, gathered.cuts))
