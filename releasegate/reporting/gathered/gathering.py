"""What a report needs of the samples of a run: tallies, from the columns of its evidence, and the few samples that it shows.

A run may hold a million samples: they are counted in arrays, and only those that are shown are read as samples.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from releasegate.decision import Decision, Finding
from releasegate.evalcard import EvalCard
from releasegate.evidence import Columns, Evidence, Failed, Measured
from releasegate.figures import CurveFigure, HeatmapFigure, SpreadFigure, TimelineFigure
from releasegate.plan import Measurement, Plan, Role
from releasegate.reporting.gathered.concern import concern_of
from releasegate.reporting.gathered.counting import Counted, Place, Tallies, count_all
from releasegate.reporting.gathered.cuts import Cuts, cuts_of
from releasegate.reporting.gathered.dimensions import main_dimension
from releasegate.reporting.gathered.picking import Metrics, Picked, pick
from releasegate.reporting.gathered.rows import PickedRows
from releasegate.reporting.gathered.wagers import FindingKey, Wager, paths_of
from releasegate.reporting.gathered.worst import Worst
from releasegate.repository import RunFolder
from releasegate.repository.sample_lines import read_samples

__all__ = ["Gathered", "Picked", "Place", "gather"]


@dataclass
class Gathered:
    """What a report needs of the samples.

    Attributes:
        cuts: the frozen thresholds that scores were compared with.
        dimension: by eval, the dimension that tells its items apart first.
        tallies: by eval, role and checkpoint, metric, and part.
        groups: by eval, checkpoint and metrics: how many samples of the gate there are.
        rows: by eval and metrics: the items that a reader should see, with their sample on each checkpoint.
        pictured: the evals of which some sample has an image.
        heard: by eval, checkpoint, metric that a sample is shown by, and value of the dimension: samples with sound.
        timed: by eval, checkpoint and output: samples with a score over time.
        paths: by finding, how its sequential tests went.
        findings: how many the decision has.
        evidence: all of this rests on; None of a run that was not opened.
    """

    cuts: Cuts = field(default_factory=dict)
    dimension: dict[str, str | None] = field(default_factory=dict)
    tallies: Tallies = field(default_factory=dict)
    groups: dict[tuple[str, str, Metrics], Picked] = field(default_factory=dict)
    rows: dict[tuple[str, Metrics], PickedRows] = field(default_factory=dict)
    pictured: set[str] = field(default_factory=set)
    heard: dict[tuple[str, str, str, str], Worst] = field(default_factory=dict)
    timed: dict[tuple[str, str, str], Worst] = field(default_factory=dict)
    paths: Mapping[FindingKey, tuple[Wager, ...]] = field(default_factory=dict)
    findings: int = 0
    evidence: Evidence | None = None


def gather(run: RunFolder, plan: Plan, decision: Decision | None = None, evidence: Evidence | None = None) -> Gathered:
    """What a report needs of the samples of a run.

    Args:
        decision: whose thresholds turn scores into answers, and whose threat sets are tallied; without one, scores stay
            scores.
        evidence: of the run, if it was read already.

    Raises:
        EvidenceUntrusted: a shard is not what the index says it was.
    """
    found = Gathered(cuts=cuts_of(decision, plan) if decision is not None else {})
    found.findings = len(decision.findings) if decision is not None else 0
    if plan.nonce is None:
        return found
    if evidence is None:
        evidence = run.evidence.read(plan)
    found.paths = paths_of(evidence, plan, decision) if decision is not None else {}
    found.evidence = evidence
    for card in plan.cards.values():
        _gather(found, _Of(run, plan, card, evidence), decision)
    if not plan.policy.shows_samples:
        for tally in found.tallies.values():
            tally.error = ""
    return found


@dataclass(frozen=True)
class _Of:
    """One eval of a run, with what was read of it."""

    run: RunFolder
    plan: Plan
    card: EvalCard
    evidence: Evidence

    def measured(self, role: Role) -> dict[str, tuple[Measurement, Columns]]:
        """What was measured of it, by checkpoint."""
        own = [m for m in self.plan.measurements if (m.eval, m.role) == (self.card.id, role)]
        read = ((m, self.evidence.columns.get(self.plan.identity(m))) for m in own)
        return {m.checkpoint: (m, columns) for m, columns in read if columns is not None}


def _gather(found: Gathered, of: _Of, decision: Decision | None) -> None:
    """Nothing; what a report needs of the samples of one eval is part of `found`."""
    card, findings = of.card, decision.findings if decision is not None else ()
    asked = _asked(card, of.plan, findings, found.cuts)
    dimension = found.dimension[card.id] = main_dimension(card, findings)
    gated, calibrated = of.measured("gate"), of.measured("calibration")
    count_all(found.tallies, [((card.id, "gate", name), columns) for name, (_, columns) in gated.items()], asked)
    for name, (_, columns) in calibrated.items():
        count_all(found.tallies, [((card.id, "calibration", name), columns)], asked)

    def read(checkpoint: str, items: Sequence[int]) -> Mapping[int, Measured | Failed]:
        measurement, columns = gated[checkpoint]
        return read_samples(of.run.evidence, of.plan, measurement, columns, items)

    timelines = tuple(f.output for f in card.figures or () if isinstance(f, TimelineFigure))
    by_checkpoint = {name: columns for name, (_, columns) in gated.items()}
    shown = pick(by_checkpoint, asked.concern, dimension, timelines, read)
    found.groups |= {(card.id, *key): picked for key, picked in shown.groups.items()}
    found.rows |= {(card.id, key): rows for key, rows in shown.rows.items()}
    found.pictured |= {card.id} if shown.pictured else set()
    found.heard |= {(card.id, *key): worst for key, worst in shown.heard.items()}
    found.timed |= {(card.id, *key): worst for key, worst in shown.timed.items()}


def _asked(card: EvalCard, plan: Plan, findings: Sequence[Finding], cuts: Cuts) -> Counted:
    sets = [tuple(sorted(f.values)) for f in findings if f.values and f.metric.split("/")[0] == card.id]
    drawn = [tuple(sorted((f.rows, f.columns))) for f in card.figures or () if isinstance(f, HeatmapFigure)]
    drawn += [tuple(sorted((f.along, f.by))) for f in card.figures or () if isinstance(f, CurveFigure) and f.by]
    return Counted(
        card=card,
        concern=concern_of(plan.policy, card, cuts),
        parts=tuple(dict.fromkeys((*sets, *drawn))),
        spread=frozenset(m for f in card.figures or () if isinstance(f, SpreadFigure) for m in f.metrics),
        reasons=plan.policy.shows_samples,
    )
