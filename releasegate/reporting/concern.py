"""Which samples of an eval a reader should see first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from releasegate.evalcard import EvalCard, Metric
from releasegate.evidence import Failed, Measured
from releasegate.policy import Policy
from releasegate.reporting.cuts import Cuts, answers, scale_pairs

Rank = Literal[0, 1, 2]
"""0: speaks against the release; 1: could not be measured; 2: the rest."""


@dataclass(frozen=True)
class Concern:
    """What matters about the samples of one eval.

    Attributes:
        order: its metrics, gated ones first.
        hits_first: by metric, whether a hit speaks against the release; else a miss does.
        metrics: of the card.
        cuts: frozen thresholds.
    """

    order: tuple[str, ...]
    hits_first: Mapping[str, bool]
    eval: str = ""
    metrics: Mapping[str, Metric] = field(default_factory=dict)
    cuts: Cuts = field(default_factory=dict)

    def primary(self, metrics: Sequence[str]) -> str:
        """The metric that a sample with these metrics is shown by."""
        return min(metrics, key=lambda m: self.order.index(m) if m in self.order else len(self.order))

    def hit_matters(self, metric: str) -> bool:
        """Whether a hit of the metric speaks against the release, rather than a miss."""
        return self.hits_first.get(metric, False)

    def rank(self, sample: Measured | Failed) -> Rank:
        """How much a sample matters."""
        if isinstance(sample, Failed):
            return 1
        metric = self.primary(tuple(sample.values))
        hit = self.hit(metric, sample.values[metric])
        return 0 if hit == self.hit_matters(metric) else 2

    def hit(self, metric: str, value: float) -> bool | None:
        """Whether a value is a hit; None if it is neither hit nor miss."""
        return answers(self.metrics.get(metric), self.cuts.get(f"{self.eval}/{metric}"), value)

    def yes_or_no(self, metric: str) -> bool:
        """Whether the values of a metric are hits and misses."""
        return self.hit(metric, 0.0) is not None

    def is_score(self, metric: str) -> bool:
        """Whether the values of a metric are scores, which a threshold turns into hits and misses."""
        return metric in self.metrics and self.metrics[metric].type == "thresholded"

    def badness(self, metric: str, value: float) -> float:
        """How much a value speaks against the release, next to others of the same metric."""
        return value if self.hit_matters(metric) else -value


def concern_of(policy: Policy, card: EvalCard, cuts: Cuts) -> Concern:
    """What matters about the samples of the card's eval under a policy.

    A metric that must stay small (`at_most`) is shown hits first, one that must be large misses first. What no
    requirement names is shown like the first metric of its eval that one names; negatives that share a scale with positives
    the other way round.
    """
    sides: dict[str, bool] = {}
    for capability in policy.capabilities:
        for section, _, requirement in capability.sections():
            if requirement.eval == card.id and requirement.metric_name not in sides:
                lower_is_kept = section == "keep" and _better(card, requirement.metric_name) == "lower"
                sides[requirement.metric_name] = requirement.at_most is not None or lower_is_kept
    default = next(iter(sides.values()), False)
    for positives, negatives in scale_pairs(card):
        sides.setdefault(negatives, not sides.get(positives, default))
    order = tuple(sides) + tuple(name for name in card.metrics if name not in sides)
    return Concern(order, {name: sides.get(name, default) for name in order}, card.id, card.metrics, cuts)


def _better(card: EvalCard, metric: str) -> str:
    return card.metrics[metric].better if metric in card.metrics else "higher"
