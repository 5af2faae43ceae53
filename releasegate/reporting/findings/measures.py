"""Shares that were measured and are not judged: instruments, ungated metrics, slices of a pooled requirement."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from releasegate.evalcard import EvalCard
from releasegate.plan import Plan
from releasegate.reporting.figures.valued import Valued, valued
from releasegate.reporting.gathered.dimensions import Label
from releasegate.reporting.gathered.gathering import Gathered, Place
from releasegate.reporting.views.report import InstrumentView, Measure, SliceView
from releasegate.reporting.wording.numbers import MOST_TITLE, shortened
from releasegate.reporting.wording.words import checkpoint

MOST_SLICES = 60


def instruments(gathered: Gathered, plan: Plan) -> tuple[InstrumentView, ...]:
    """Every instrument that a card names, with what was measured of it."""
    return tuple(
        InstrumentView(
            title=shortened(instrument.title, MOST_TITLE),
            eval=eval_id,
            source=instrument.source,
            measures=tuple(of_instrument(gathered, eval_id, card, name)),
            anchor=instrument_anchor(eval_id, name),
        )
        for eval_id, card in plan.cards.items()
        for name, instrument in card.instruments.items()
    )


def instrument_anchor(eval_id: str, name: str) -> str:
    """The id of an instrument in the page."""
    return f"instrument-{eval_id}~{name}"


def of_instrument(gathered: Gathered, eval_id: str, card: EvalCard, instrument: str) -> Iterator[Measure]:
    """What was measured of one instrument on calibration items."""
    for place in places(gathered, eval_id, "calibration"):
        for name, metric in card.metrics.items():
            found = valued(gathered.tallies, place, card, name, ())
            if metric.of_instrument == instrument and found is not None:
                yield _measure(gathered, place, name, card, found)


def ungated(gathered: Gathered, plan: Plan) -> tuple[Measure, ...]:
    """Every metric of the gate's samples that no requirement names, on every checkpoint."""
    gated = {r.metric for r in plan.policy.requirements}
    return tuple(
        _measure(gathered, place, name, card, found)
        for eval_id, card in plan.cards.items()
        for place in places(gathered, eval_id, "gate")
        for name in card.metrics
        for found in (valued(gathered.tallies, place, card, name, ()),)
        if f"{eval_id}/{name}" not in gated and found is not None
    )


def places(gathered: Gathered, eval_id: str, role: str) -> list[Place]:
    """Where an eval was measured in one role: the source first."""
    found = {place for place, _, label in gathered.tallies if not label and place[:2] == (eval_id, role)}
    return sorted(found, key=lambda place: (place[2] != "source", place[2]))


def _measure(gathered: Gathered, place: Place, name: str, card: EvalCard, found: Valued) -> Measure:
    tally = gathered.tallies.get((place, name, ()))
    title = shortened(card.metrics[name].title, MOST_TITLE)
    return Measure(
        title=f"{title}: score" if found.kind == "score" else title,
        metric=f"{place[0]}/{name}",
        where="calibration items" if place[1] == "calibration" else checkpoint(place[2]),
        value=found.text if found.value is not None else "not measured",
        low=found.low,
        high=found.high,
        counted=found.counted,
        error=shortened(tally.error) if tally is not None and tally.failed else "",
        slices=slices(gathered, place, name, card),
    )


def slices(gathered: Gathered, place: Place, name: str, card: EvalCard) -> tuple[SliceView, ...]:
    """The slices of one metric, lowest value first where more is better, highest first where it is not."""
    metric = card.metrics[name]
    carried = metric.rests_on or name
    labels = {part[0] for p, m, part in gathered.tallies if (p, m) == (place, carried) and len(part) == 1}
    sign = 1 if metric.better == "higher" else -1
    found = {label: valued(gathered.tallies, place, card, name, (label,)) for label in labels}

    def worst(label: Label) -> tuple[float, Label]:
        of = found[label]
        return (sign * of.value if of is not None and of.value is not None else float("-inf")), label

    ordered = sorted((label for label, of in found.items() if of is not None), key=worst)[:MOST_SLICES]
    return tuple(_slice(of, label, card) for label in ordered if (of := found[label]) is not None)


def _slice(found: Valued, label: Label, card: EvalCard) -> SliceView:
    return SliceView(
        label=label_words(card, {label[0]: label[1]}),
        mark=None,
        note="",
        estimate=found.text,
        low=found.low,
        high=found.high,
        distance="",
        counted=found.counted,
    )


def label_titles(card: EvalCard | None, dimensions: Iterable[str]) -> str:
    """The titles that a card gives some dimensions."""
    titles = {name: s.title for name, s in card.slices.items()} if card else {}
    return ", ".join(shortened(titles.get(name, name), MOST_TITLE) for name in dimensions)


def label_words(card: EvalCard | None, labels: dict[str, str]) -> str:
    """Labels as words, dimensions by the title that the card gives them."""
    titles = {name: s.title for name, s in card.slices.items()} if card else {}
    return ", ".join(f"{titles.get(name, name)}: {value}" for name, value in labels.items())
