"""What lies outside the threat sets: what defeats a safeguard there, what is not settled, and what holds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from releasegate.decision.explaining import beyond_text, label_text
from releasegate.decision.record import Decision, Finding, SliceFinding
from releasegate.evalcard import EvalCard
from releasegate.intervals import clopper_pearson
from releasegate.plan import SOURCE
from releasegate.rounding import percent

MOST_OUTSIDE = 5
"""Slices outside a threat set that one sentence names: the worst."""
MOST_DEFEATS = 20
"""Sentences about what defeats one requirement: the worst."""
MOST_HOLDING = 12
"""Values that the sentence about what holds names."""


@dataclass(frozen=True)
class _Beyond:
    """What was judged outside a threat set and shares its values along the dimensions of the set, speakers and all.

    Attributes:
        hits, scored: over all its items.
        tested: what its bounds are compared with.
    """

    labels: dict[str, str]
    slices: tuple[SliceFinding, ...]
    hits: int
    scored: int
    tested: float

    @property
    def name(self) -> str:
        """Its values; with their dimensions, where there are several."""
        return label_text(self.labels) if len(self.labels) > 1 else next(iter(self.labels.values()))

    def defeats(self, side: str) -> bool:
        """Whether the requirement is refuted: by all items together, those without a value counted for it."""
        estimates = [s.estimate for s in self.slices]
        if len(self.slices) == 1 or any(e.method != "clopper_pearson" for e in estimates):
            return self.scored > 0 and all(s.status == "violated" for s in self.slices)
        planned = sum(e.planned - e.not_attempted for e in estimates)
        lost = planned - self.scored
        bounds = clopper_pearson(self.hits + (lost if side == "at_least" else 0), planned, estimates[0].alpha)
        return bounds.high < self.tested if side == "at_least" else bounds.low > self.tested


def unmet_outside(findings: Iterable[Finding], cards: Mapping[str, EvalCard]) -> tuple[str, ...]:
    """What would not be met outside the threat sets, in sentences.

    A safeguard that something defeats has a sentence for each thing that does, worst first, and one for what holds. Every
    other requirement has one sentence about all that it would not be met by.
    """
    said = (text for finding in findings for text in _sentences(finding, cards))
    return tuple(dict.fromkeys(said))


def outside_text(decision: Decision) -> tuple[str, ...]:
    """The stored sentences about what lies outside the threat sets, as people are shown them: each interval holds its value."""
    told = {beyond_text(s, f.limit): beyond_text(s, f.limit, shown=True) for f in decision.findings for s in f.outside}
    lines = []
    for line in decision.outside:
        for stored, shown in told.items():
            line = line.replace(stored, shown) if stored != shown else line
        lines.append(line)
    return tuple(lines)


def _sentences(f: Finding, cards: Mapping[str, EvalCard]) -> Iterator[str]:
    beyond = list(_beyond(f)) if f.section == "safeguards" and f.safeguards is not None else []
    defeating = [b for b in beyond if b.defeats(f.side)]
    if not defeating:
        yield from _unmet(f, f.outside)
        return
    sign = 1 if f.side == "at_least" else -1
    defeating.sort(key=lambda b: (sign * b.hits / b.scored, b.name))
    at = "" if f.checkpoint == SOURCE else f" on {f.checkpoint}"
    title = _title(f, cards)
    for b in defeating[:MOST_DEFEATS]:
        share = percent(b.hits / b.scored, b.tested, 0)
        counted = f"{title} {share} %, {b.hits} of {b.scored}"
        yield f"{b.name} defeats {f.safeguards}{at}; outside the threat set: {counted}"
    if len(defeating) > MOST_DEFEATS:
        yield f"{len(defeating) - MOST_DEFEATS} more defeat {f.safeguards}{at}, outside the threat set: {title}"
    rest = [b for b in beyond if b not in defeating]
    told = {id(s) for b in defeating for s in b.slices}
    yield from _unmet(
        f, tuple(s for s in f.outside if id(s) not in told and s.labels.keys() == f.outside[0].labels.keys())
    )
    holding = [b.name for b in rest if all(s.status == "met" for s in b.slices)]
    if holding:
        more = f", and {len(holding) - MOST_HOLDING} more" if len(holding) > MOST_HOLDING else ""
        yield f"{f.requirement}{at} holds outside the threat set: {', '.join(sorted(holding)[:MOST_HOLDING])}{more}"


def _unmet(f: Finding, slices: tuple[SliceFinding, ...]) -> Iterator[str]:
    unmet = [s for s in slices if s.status not in ("met", "excused")]
    few = [s for s in unmet if _only_too_few(s, f)]
    telling = [s for s in unmet if s not in few]
    texts = [beyond_text(s, f.limit) for s in telling[:MOST_OUTSIDE]]
    if len(telling) > MOST_OUTSIDE:
        texts.append(f"and {len(telling) - MOST_OUTSIDE} more")
    if few:
        slices_are = "1 slice is" if len(few) == 1 else f"{len(few)} slices are"
        texts.append(f"{slices_are} on the right side of the limit, with too few items to show it")
    if texts:
        yield f"{f.requirement} on {f.checkpoint}, outside the threat set: {'; '.join(texts)}"


def _only_too_few(found: SliceFinding, f: Finding) -> bool:
    """Whether all that a slice lacks is items: its value is beyond the limit on the right side, and nothing failed."""
    e, tested = found.estimate, f.limit if found.tested_limit is None else found.tested_limit
    if found.status != "not_shown" or found.reason == "want_of_evidence" or e.value is None or e.scored < e.planned:
        return False
    return e.gains is None and (e.value > tested if f.side == "at_least" else e.value < tested)


def _beyond(f: Finding) -> Iterator[_Beyond]:
    """The slices outside, those of one value of the threat set's dimensions together; none unless all are counts.

    Slices along other dimensions hold the same items again: the first kind of slice stands for all. What is excused, or wants
    evidence, says nothing about a safeguard.
    """
    if not f.outside or any(s.estimate.hits is None or s.estimate.gains is not None for s in f.outside):
        return
    dimensions = list(f.values or {})
    kind = f.outside[0].labels.keys()
    groups: dict[tuple[str, ...], list[SliceFinding]] = {}
    for one in f.outside:
        if one.labels.keys() == kind and one.status != "excused" and one.reason != "want_of_evidence":
            groups.setdefault(tuple(one.labels[d] for d in dimensions), []).append(one)
    for key, found in groups.items():
        tested = f.limit if found[0].tested_limit is None else found[0].tested_limit
        hits, scored = sum(s.estimate.hits or 0 for s in found), sum(s.estimate.scored for s in found)
        yield _Beyond(dict(zip(dimensions, key, strict=True)), tuple(found), hits, scored, tested)


def _title(f: Finding, cards: Mapping[str, EvalCard]) -> str:
    """What the card calls the metric; its name where there is no card."""
    eval_id, name = f.metric.split("/")
    card = cards.get(eval_id)
    return card.metrics[name].title if card is not None and name in card.metrics else name
