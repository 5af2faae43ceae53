"""What was measured on the model that goes out, as numbers that a card and a bill of materials state. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from releasegate.decision import Decision, Finding
from releasegate.decision.record import CapabilityDecision, SliceFinding
from releasegate.evalcard import EvalCard
from releasegate.plan import SOURCE, Plan
from releasegate.reporting.findings.distances import worst_first
from releasegate.reporting.findings.finding import metric_title
from releasegate.reporting.findings.measures import label_words


@dataclass(frozen=True)
class Stated:
    """A requirement on the model that goes out, by the slice that it stands worst on.

    Attributes:
        slice: its labels in words; empty where all items count together.
    """

    finding: Finding
    worst: SliceFinding
    card: EvalCard | None
    title: str
    slice: str

    @property
    def eval_id(self) -> str:
        """The id of the eval."""
        return self.finding.metric.split("/")[0]

    @property
    def metric(self) -> str:
        """The metric's name within its eval."""
        return self.finding.metric.split("/")[1]


def stated(decision: Decision, plan: Plan, checkpoint: str) -> Iterator[Stated]:
    """The findings on a checkpoint, in the order of the decision; those at several channels once each.

    Args:
        checkpoint: the one that goes out.
    """
    found = decision.stripped_findings if checkpoint != SOURCE else decision.findings
    for finding in found:
        if finding.checkpoint == checkpoint:
            worst = worst_first(finding, finding.slices)[0]
            card = plan.card_of(finding.metric)
            yield Stated(finding, worst, card, metric_title(finding, card), label_words(card, worst.labels))


def withheld(decision: Decision) -> list[CapabilityDecision]:
    """The capabilities that do not go out with the weights: stripped from them, or never in them."""
    out = {one.id for one in decision.weights.capabilities if one.verdict == "release"} if decision.weights else set()
    return [capability for capability in decision.capabilities if capability.id not in out]
