"""The lower part of a case: the claim of each requirement, its evidence, and what it is to be read with."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

from releasegate.decision import Finding
from releasegate.decision.record import Status
from releasegate.evalcard import EvalCard
from releasegate.plan import Measurement, Plan
from releasegate.reporting.case.record import (
    Assumption,
    ClaimStatus,
    Context,
    Element,
    Goal,
    Justification,
    Node,
    Solution,
)
from releasegate.reporting.findings.distances import worst_first
from releasegate.reporting.findings.finding import anchor, metric_title, threat_text
from releasegate.reporting.findings.measures import instrument_anchor, instruments, label_words
from releasegate.reporting.findings.standing import standing
from releasegate.reporting.gathered.gathering import Gathered
from releasegate.reporting.wording.numbers import limit, number, plural, sentence
from releasegate.reporting.wording.words import METHOD, SIDE, checkpoint

CLAIM: dict[Status, ClaimStatus] = {
    "met": "supported",
    "waived": "waived",
    "not_shown": "undeveloped",
    "violated": "defeated",
}
MOST_EXCUSED = 5
"""Excused slices that are named."""

E = TypeVar("E", bound=Element)


class Evidencing:
    """The elements that were made so far, each once, and how those of a finding are made."""

    def __init__(self, plan: Plan, gathered: Gathered | None) -> None:
        self.nodes: dict[str, Node] = {}
        self._plan = plan
        self._identities: dict[tuple[str, str], str] = {}
        self._right = _how_often_right(plan, gathered)

    def add(self, node: E) -> E:
        """The element, which is in the case now. What two claims share stands in it once."""
        self.nodes[node.id] = node  # type: ignore[assignment]
        return node

    def add_all(self, nodes: Iterable[Element]) -> tuple[str, ...]:
        """The ids of elements, which are in the case now."""
        return tuple(self.add(node).id for node in nodes)

    def assumption(self, name: str, text: str) -> str:
        """The id of an assumption, which is in the case now."""
        return self.add(Assumption(id=name, statement=text)).id

    def requirement(self, f: Finding) -> Goal:
        """The claim of one requirement, with the evidence for it or against it."""
        name = _name(f)
        evidence = self.add(self._solution(f, f"solution/{name}")).id
        against = (f.waived.status if f.waived is not None else f.status) == "violated"
        n = len([s for s in f.slices if s.labels])
        where = (
            f" in each of {plural(n, 'slice')}" if n > 1 else f" in {label_words(self._card(f), f.slices[0].labels)}"
        )
        goal = Goal(
            id=f"goal/{name}",
            statement=f"{metric_title(f, self._card(f))}: {SIDE[f.side]} {limit(f.limit)}{where if n else ''}, "
            f"{checkpoint(f.checkpoint)}" + (", is not refuted" if f.tripwire is not None else ""),
            status="supported" if f.tripwire is not None and f.holds else CLAIM[f.status],
            because=sentence(f.sentence),
            supported_by=() if against else (evidence,),
            challenged_by=(evidence,) if against else (),
            in_context_of=self.add_all(self._around(f, name)),
            requirement=f.requirement,
            reason=f.reason,
        )
        return self.add(goal)

    def _card(self, f: Finding) -> EvalCard | None:
        return self._plan.card_of(f.metric)

    def _measurement(self, f: Finding) -> Measurement | None:
        return self._plan.find(f.metric.split("/")[0], f.checkpoint)

    def _identity(self, measurement: Measurement | None) -> str | None:
        """Its digest, worked out once: a measurement lists all its cells."""
        if measurement is None or self._plan.nonce is None:
            return None
        key = (measurement.eval, measurement.checkpoint)
        if key not in self._identities:
            self._identities[key] = self._plan.identity(measurement)
        return self._identities[key]

    def _solution(self, f: Finding, name: str) -> Solution:
        worst, measurement = worst_first(f, f.slices)[0], self._measurement(f)
        e, at = worst.estimate, standing(f, worst)
        lost = f", {at.lost} failed or missing" if at.lost else ""
        value = f"{at.estimate} ({at.low} to {at.high})"
        where = f" in {label_words(self._card(f), worst.labels)}" if worst.labels else ""
        held = f", tested at {at.moved} for the judge's errors" if at.moved else ""
        return Solution(
            id=name,
            statement=f"{value}{where}, {e.scored} scored{lost}{held}; {METHOD[e.method]}, at alpha {number(e.alpha)}",
            finding=anchor(f),
            metric=f.metric,
            checkpoint=f.checkpoint,
            measurement=self._identity(measurement),
            side=f.side,
            limit=f.limit,
            tested_limit=worst.tested_limit,
            slice=worst.labels,
            slices=len(f.slices),
            estimate=e,
        )

    def _around(self, f: Finding, name: str) -> Iterable[Element]:
        """Threat set, instruments, who enforces it; what was waived or excused, and why."""
        if f.values:
            yield Context(id=f"context/{name}/threats", statement=f"The threat set: {threat_text(f)}.")
        if f.enforced_by is not None:
            yield Context(id=f"context/{name}/enforced", statement=f"The safeguard is enforced by the {f.enforced_by}.")
        yield from self._instruments(f)
        if f.waived is not None:
            w = f.waived
            yield Justification(
                id=f"justification/{name}/waiver",
                statement=f"Waiver {w.waiver} by {w.owner} until {w.expires}, though it is {w.status.replace('_', ' ')}: "
                f"{sentence(' '.join(w.reason.split()))}",
            )
        excused = [s for s in f.slices if s.status == "excused"]
        if excused:
            named = ", ".join(label_words(self._card(f), s.labels) for s in excused[:MOST_EXCUSED])
            more = f" and {len(excused) - MOST_EXCUSED} more" if len(excused) > MOST_EXCUSED else ""
            yield Justification(
                id=f"justification/{name}/excused",
                statement=f"Not asked for in {named}{more}: the attack is shown to ruin the material.",
            )

    def _instruments(self, f: Finding) -> Iterable[Element]:
        """What scored the outputs: the judge of the metric, or where it has none every instrument of the eval."""
        card, measurement = self._card(f), self._measurement(f)
        if card is None:
            return
        metric = card.metrics.get(f.metric.split("/")[1])
        judge = metric.judged_by if metric is not None else None
        for name, instrument in card.instruments.items():
            if judge in (None, name):
                right = self._right.get(instrument_anchor(card.id, name), "")
                yield Context(
                    id=f"context/instrument/{card.id}/{name}",
                    statement=f"Scored by: {instrument.title}{right}.",
                    sha256=measurement.instruments.get(name) if measurement is not None else None,
                )


def _name(f: Finding) -> str:
    where = "source" if f.checkpoint == "source" else "stripped"
    return f"{where}/{f.requirement}" + (f"/{f.channel}" if f.channel else "")


def _how_often_right(plan: Plan, gathered: Gathered | None) -> dict[str, str]:
    """By its anchor, how often each instrument is right on calibration items, in words that go on after its title."""
    found = {}
    for view in instruments(gathered, plan) if gathered is not None else ():
        told = "; ".join(f"{m.title} {m.value} ({m.low} to {m.high})" for m in view.measures)
        found[view.anchor] = f" ({told})" if told else " (how often it is right was not measured)"
    return found
