"""Which samples of an eval a reader should see first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from releasegate.evalcard import EvalCard, Metric
from releasegate.evidence import Failed, Measured
from releasegate.policy import Policy
from releasegate.reporting.gathered.cuts import Cuts, answers, answers_each, scale_pairs

Rank = Literal[0, 1, 2]
"""0: speaks against the release; 1: could not be measured; 2: the rest."""


@dataclass(frozen=True)
class Concern:
    """What matters about the samples of one eval.

    Attributes:
        order: its metrics, gated ones first.
        hits_first: by metric, whether a hit speaks against the release; else a miss does.
        lost_high: the metrics of which an item that failed counts as a hit, or as a high value.
        metrics: of the card.
        cuts: frozen thresholds.
    """

    order: tuple[str, ...]
    hits_first: Mapping[str, bool]
    lost_high: frozenset[str] = frozenset()
    eval: str = ""
    metrics: Mapping[str, Metric] = field(default_factory=dict)
    cuts: Cuts = field(default_factory=dict)

    def primary(self, metrics: Sequence[str]) -> str:
        """The metric that a sample with these metrics is shown by."""
        return min(metrics, key=lambda m: self.order.index(m) if m in self.order else len(self.order))

    def hit_matters(self, metric: str) -> bool:
        """Whether a hit of the metric speaks against the release, rather than a miss."""
        return self.hits_first.get(metric, False)

    def lost_as_hit(self, metric: str) -> bool:
        """Whether an item without a value counts as a hit of the metric, or a high value: where that hurts, as in a decision."""
        return metric in self.lost_high

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

    def hit_each(self, metric: str, values: NDArray[np.float64]) -> NDArray[np.bool_] | None:
        """Whether each value is a hit, any shape; None if they are neither hits nor misses."""
        return answers_each(self.metrics.get(metric), self.cuts.get(f"{self.eval}/{metric}"), values)

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
    lost = frozenset(name for name, metric in card.metrics.items() if _lost_high(policy, card, name, metric, sides))
    order = tuple(sides) + tuple(name for name in card.metrics if name not in sides)
    return Concern(order, {name: sides.get(name, default) for name in order}, lost, card.id, card.metrics, cuts)


def _lost_high(policy: Policy, card: EvalCard, name: str, metric: Metric, sides: Mapping[str, bool]) -> bool:
    """Whether a lost item counts as a hit, or a high value, of a metric.

    As a requirement on it says, one that it excuses, or its partner on one scale. Else by which values are better: as of the
    first metric that a requirement names, turned round where the two differ. An instrument is for the release, whatever it
    judges.
    """
    if name in sides:
        return sides[name]
    for capability in policy.capabilities:
        for _, _, requirement in capability.sections():
            excuse = requirement.excused
            if excuse is not None and excuse.metric == f"{card.id}/{name}":
                return excuse.stated[0] == "at_most"
    low_is_better = metric.better == "lower"
    named = next((known for known in sides if known in card.metrics), None)
    if metric.of_instrument is not None or named is None:
        return low_is_better
    return sides[named] != (metric.better != card.metrics[named].better)


def _better(card: EvalCard, metric: str) -> str:
    return card.metrics[metric].better if metric in card.metrics else "higher"
