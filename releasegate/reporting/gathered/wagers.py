"""The paths of the sequential tests of a decision: of each finding its pooled items and its worst slice."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from releasegate.decision import Decision, Finding
from releasegate.decision.betting_paths import BettingPath, betting_path
from releasegate.decision.record import SliceFinding
from releasegate.evidence import Evidence
from releasegate.plan import Plan
from releasegate.reporting.findings.distances import worst_first

Wager = tuple[SliceFinding, BettingPath]
"""A slice, and how its test went."""
FindingKey = tuple[str, str, str | None]
"""Checkpoint, requirement, channel."""


def paths_of(evidence: Evidence, plan: Plan, decision: Decision) -> Mapping[FindingKey, tuple[Wager, ...]]:
    """The paths by finding, of those that were decided item by item."""
    sequential = [f for f in decision.findings if any(_consumed(s) for s in f.slices)]
    return {key_of(f): tuple(_wagers(f, plan, evidence)) for f in sequential}


def key_of(finding: Finding) -> FindingKey:
    """What tells a finding from all others of a decision."""
    return finding.checkpoint, finding.requirement, finding.channel


def _wagers(finding: Finding, plan: Plan, evidence: Evidence) -> Iterator[Wager]:
    """The worst slice that consumed something, and the pooled items where they are gated beside it."""
    tested = [s for s in worst_first(finding, finding.slices) if _consumed(s)]
    pooled = [s for s in tested[1:] if not s.labels]
    for found in (*tested[:1], *pooled[:1]):
        path = betting_path(finding, found, plan, evidence)
        if path is not None:
            yield found, path


def _consumed(found: SliceFinding) -> bool:
    return bool(found.estimate.used or found.estimate.clusters)
