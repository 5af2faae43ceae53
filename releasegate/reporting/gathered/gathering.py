"""One pass over the samples of a run: the tallies, and the few samples that a report shows.

Memory does not grow with the number of samples: the checkpoints of an eval are read side by side, item by item.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import groupby

from releasegate.decision import Decision
from releasegate.evalcard import EvalCard
from releasegate.evidence import Evidence, Failed, Measured
from releasegate.figures import CurveFigure, HeatmapFigure, SpreadFigure, TimelineFigure
from releasegate.plan import Plan
from releasegate.reporting.gathered.concern import Concern, Rank, concern_of
from releasegate.reporting.gathered.cuts import Cuts, cuts_of, findings_of
from releasegate.reporting.gathered.dimensions import Part, main_dimension, part_of
from releasegate.reporting.gathered.rows import PickedRows, Row, badness_of, rank_of
from releasegate.reporting.gathered.tallying import Tally
from releasegate.reporting.gathered.wagers import FindingKey, Wager, paths_of
from releasegate.reporting.gathered.worst import Worst
from releasegate.reporting.outputs.pictures import is_image
from releasegate.reporting.outputs.sounds import is_sound
from releasegate.repository import RunFolder

MOST_SHOWN = 40
"""Samples that one group shows."""
AT_LEAST_OTHERS = 10
"""Of those, places kept for samples that do not speak against the release, so that both kinds are seen."""

Place = tuple[str, str, str]
"""Eval, role, checkpoint."""


@dataclass
class Picked:
    """The first samples of each rank, in the planned order, and how many there were."""

    by_rank: dict[Rank, list[Measured | Failed]] = field(default_factory=lambda: {0: [], 1: [], 2: []})
    count: dict[Rank, int] = field(default_factory=lambda: {0: 0, 1: 0, 2: 0})

    def offer(self, rank: Rank, sample: Measured | Failed) -> None:
        """Nothing; the sample is counted, and kept if there is room."""
        self.count[rank] += 1
        if len(self.by_rank[rank]) < MOST_SHOWN:
            self.by_rank[rank].append(sample)

    def shown(self, most: int = MOST_SHOWN) -> list[Measured | Failed]:
        """At most `most` samples: what matters first, with some of the rest."""
        against, failed, rest = (self.by_rank[rank] for rank in (0, 1, 2))
        others = min(len(rest), AT_LEAST_OTHERS) + min(len(failed), AT_LEAST_OTHERS)
        first = against[: max(most - others, 0)]
        second = failed[: max(most - len(first) - min(len(rest), AT_LEAST_OTHERS), 0)]
        return (first + second + rest)[:most]

    @property
    def seen(self) -> int:
        """How many samples were offered."""
        return sum(self.count.values())


@dataclass
class Gathered:
    """What a report needs of the samples.

    Attributes:
        cuts: the frozen thresholds that scores were compared with.
        dimension: by eval, the dimension that tells its items apart first.
        tallies: by eval, role and checkpoint, metric, and part.
        groups: by eval, checkpoint and metrics: samples of the gate.
        rows: by eval and metrics: the items that a reader should see, with their sample on each checkpoint.
        pictured: the evals of which some sample has an image.
        heard: by eval, checkpoint, metric that a sample is shown by, and value of the dimension: samples with sound.
        timed: by eval, checkpoint and output: samples with a score over time.
        paths: by finding, how its sequential tests went.
    """

    cuts: Cuts = field(default_factory=dict)
    dimension: dict[str, str | None] = field(default_factory=dict)
    tallies: dict[tuple[Place, str, Part], Tally] = field(default_factory=dict)
    groups: dict[tuple[str, str, tuple[str, ...]], Picked] = field(default_factory=dict)
    rows: dict[tuple[str, tuple[str, ...]], PickedRows] = field(default_factory=dict)
    pictured: set[str] = field(default_factory=set)
    heard: dict[tuple[str, str, str, str], Worst] = field(default_factory=dict)
    timed: dict[tuple[str, str, str], Worst] = field(default_factory=dict)
    paths: Mapping[FindingKey, tuple[Wager, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class _Asked:
    """What is to be gathered of one eval.

    Attributes:
        parts: dimensions along which items are tallied together, beside each by itself.
        spread: metrics of which a figure shows how their values lie.
    """

    card: EvalCard
    concern: Concern
    parts: tuple[tuple[str, ...], ...]
    dimension: str | None
    timelines: tuple[str, ...]
    spread: frozenset[str]


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
    if plan.nonce is None:
        return found
    if evidence is None:
        evidence = run.evidence.read(plan)
    found.paths = paths_of(evidence, plan, decision) if decision is not None else {}
    for eval_id, card in plan.cards.items():
        asked = _asked(card, plan, decision, found.cuts)
        found.dimension[eval_id] = asked.dimension
        streams = {
            m.checkpoint: run.evidence.samples(plan, m)
            for m in plan.measurements
            if m.eval == eval_id and m.role == "gate"
        }
        _gate(found, asked, streams)
        for m in plan.measurements:
            if m.eval == eval_id and m.role == "calibration":
                for sample in run.evidence.samples(plan, m):
                    _count(found, (eval_id, "calibration", m.checkpoint), sample, asked)
    return found


def _asked(card: EvalCard, plan: Plan, decision: Decision | None, cuts: Cuts) -> _Asked:
    findings = list(findings_of(decision)) if decision is not None else []
    sets = [tuple(sorted(f.values)) for f in findings if f.values and f.metric.split("/")[0] == card.id]
    drawn = [tuple(sorted((f.rows, f.columns))) for f in card.figures or () if isinstance(f, HeatmapFigure)]
    drawn += [tuple(sorted((f.along, f.by))) for f in card.figures or () if isinstance(f, CurveFigure) and f.by]
    return _Asked(
        card=card,
        concern=concern_of(plan.policy, card, cuts),
        parts=tuple(dict.fromkeys((*sets, *drawn))),
        dimension=main_dimension(card, findings),
        timelines=tuple(f.output for f in card.figures or () if isinstance(f, TimelineFigure)),
        spread=frozenset(m for f in card.figures or () if isinstance(f, SpreadFigure) for m in f.metrics),
    )


def _gate(found: Gathered, asked: _Asked, streams: Mapping[str, Iterable[Measured | Failed]]) -> None:
    eval_id, concern = asked.card.id, asked.concern
    for item, samples in _side_by_side(streams):
        for checkpoint, sample in samples.items():
            _count(found, (eval_id, "gate", checkpoint), sample, asked)
            group = (eval_id, checkpoint, metrics_of(sample))
            found.groups.setdefault(group, Picked()).offer(concern.rank(sample), sample)
            if isinstance(sample, Measured) and sample.outputs:
                _look(found, asked, checkpoint, sample)
        row = Row(item, samples)
        key = eval_id, metrics_of(next(iter(samples.values())))
        found.rows.setdefault(key, PickedRows()).offer(rank_of(concern, row), badness_of(concern, row), row)


def _look(found: Gathered, asked: _Asked, checkpoint: str, sample: Measured) -> None:
    """Nothing; the sample is kept if its outputs are to be looked at or listened to, and it is one of the worst."""
    eval_id = asked.card.id
    metric = asked.concern.primary(tuple(sample.values))
    badness = asked.concern.badness(metric, sample.values[metric])
    if any(is_image(name) for name in sample.outputs.values()):
        found.pictured.add(eval_id)
    if any(is_sound(name) for name in sample.outputs.values()):
        value = sample.labels.get(asked.dimension, "") if asked.dimension is not None else ""
        found.heard.setdefault((eval_id, checkpoint, metric, value), Worst()).offer(badness, sample)
    for output in asked.timelines:
        if output in sample.outputs:
            found.timed.setdefault((eval_id, checkpoint, output), Worst()).offer(badness, sample)


def _side_by_side(
    streams: Mapping[str, Iterable[Measured | Failed]],
) -> Iterator[tuple[int, dict[str, Measured | Failed]]]:
    """The samples of each item by checkpoint; each stream is in the planned order."""

    def numbered(name: str) -> Iterator[tuple[int, str, Measured | Failed]]:
        return ((sample.item, name, sample) for sample in streams[name])

    merged = heapq.merge(*(numbered(name) for name in streams), key=lambda entry: entry[0])
    for item, entries in groupby(merged, key=lambda entry: entry[0]):
        yield item, {name: sample for _, name, sample in entries}


def _count(found: Gathered, place: Place, sample: Measured | Failed, asked: _Asked) -> None:
    singles: list[Part] = [(label,) for label in sample.labels.items()]
    parts = dict.fromkeys(((), *singles, *(part_of(sample.labels, dimensions) for dimensions in asked.parts)))
    for metric in metrics_of(sample):
        known, cut = asked.card.metrics.get(metric), found.cuts.get(f"{asked.card.id}/{metric}")
        for part in parts:
            binned = not part and metric in asked.spread
            tally = found.tallies.setdefault((place, metric, part), Tally(asked.concern.lost_as_hit(metric), binned))
            if isinstance(sample, Measured):
                tally.score(sample.values[metric], known, cut)
            else:
                tally.fail(sample.error, known, cut)


def metrics_of(sample: Measured | Failed) -> tuple[str, ...]:
    """The metrics that a sample carries, sorted."""
    return tuple(sorted(sample.values if isinstance(sample, Measured) else sample.metrics))
