"""Shares that were measured and are not judged: instruments, ungated metrics, slices of a pooled requirement."""

from __future__ import annotations

from collections.abc import Iterator

from releasegate.evalcard import EvalCard, Metric
from releasegate.intervals import clopper_pearson
from releasegate.plan import Plan
from releasegate.reporting.gathering import Gathered, Label, Place, Tally
from releasegate.reporting.numbers import MOST_TITLE, plural, share, shortened
from releasegate.reporting.view import InstrumentView, Measure, SliceView
from releasegate.reporting.words import checkpoint

TWO_SIDED = 0.025
"""Error probability of each end of a 95 % interval."""
MOST_SLICES = 60


def instruments(gathered: Gathered, plan: Plan) -> tuple[InstrumentView, ...]:
    """Every instrument that a card names, with what was measured of it."""
    return tuple(
        InstrumentView(
            title=shortened(instrument.title, MOST_TITLE),
            eval=eval_id,
            source=instrument.source,
            measures=tuple(_of_instrument(gathered, eval_id, card, name)),
        )
        for eval_id, card in plan.cards.items()
        for name, instrument in card.instruments.items()
    )


def _of_instrument(gathered: Gathered, eval_id: str, card: EvalCard, instrument: str) -> Iterator[Measure]:
    for place in _places(gathered, eval_id, "calibration"):
        for name, metric in card.metrics.items():
            if metric.of_instrument == instrument and (place, name, None) in gathered.tallies:
                yield _measure(gathered, place, name, metric, card)


def ungated(gathered: Gathered, plan: Plan) -> tuple[Measure, ...]:
    """Every metric of the gate's samples that no requirement names, on every checkpoint."""
    gated = {r.metric for c in plan.policy.capabilities for _, _, r in c.sections()}
    return tuple(
        _measure(gathered, place, name, metric, card)
        for eval_id, card in plan.cards.items()
        for place in _places(gathered, eval_id, "gate")
        for name, metric in card.metrics.items()
        if f"{eval_id}/{name}" not in gated and (place, name, None) in gathered.tallies
    )


def _places(gathered: Gathered, eval_id: str, role: str) -> list[Place]:
    """Where an eval was measured in one role: the source first."""
    found = {place for place, _, label in gathered.tallies if label is None and place[:2] == (eval_id, role)}
    return sorted(found, key=lambda place: (place[2] != "source", place[2]))


def _measure(gathered: Gathered, place: Place, name: str, metric: Metric, card: EvalCard) -> Measure:
    tally = gathered.tallies[place, name, None]
    low, high = interval(tally, metric)
    return Measure(
        title=shortened(metric.title, MOST_TITLE),
        metric=f"{place[0]}/{name}",
        where="calibration items" if place[1] == "calibration" else checkpoint(place[2]),
        value=share(_value(tally)) if tally.scored else "not measured",
        low=low,
        high=high,
        counted=counted(tally, metric),
        error=shortened(tally.error) if tally.failed else "",
        slices=slices(gathered, place, name, metric, card),
    )


def slices(gathered: Gathered, place: Place, name: str, metric: Metric, card: EvalCard) -> tuple[SliceView, ...]:
    """The slices of one metric, lowest value first where more is better, highest first where it is not."""
    labels = {label for p, m, label in gathered.tallies if (p, m) == (place, name) and label is not None}
    sign = 1 if metric.better == "higher" else -1

    def worst(label: Label) -> tuple[float, Label]:
        value = _value(gathered.tallies[place, name, label])
        return (sign * value if value is not None else float("-inf")), label

    return tuple(
        _slice(gathered.tallies[place, name, label], label, metric, card)
        for label in sorted(labels, key=worst)[:MOST_SLICES]
    )


def _slice(tally: Tally, label: Label, metric: Metric, card: EvalCard) -> SliceView:
    low, high = interval(tally, metric)
    return SliceView(
        label=label_words(card, {label[0]: label[1]}),
        mark=None,
        note="",
        estimate=share(_value(tally)),
        low=low,
        high=high,
        distance="",
        counted=counted(tally, metric),
    )


def label_words(card: EvalCard | None, labels: dict[str, str]) -> str:
    """Labels as words, dimensions by the title that the card gives them."""
    titles = {name: s.title for name, s in card.slices.items()} if card else {}
    return ", ".join(f"{titles.get(name, name)}: {value}" for name, value in labels.items())


def interval(tally: Tally, metric: Metric) -> tuple[str, str]:
    """The exact 95 % interval of a share over the scored items, as text; none for what is not a share."""
    if tally.scored == 0 or metric.type != "bernoulli":
        return "none", "none"
    bounds = clopper_pearson(int(tally.total), tally.scored, TWO_SIDED)
    return share(bounds.low), share(bounds.high)


def counted(tally: Tally, metric: Metric) -> str:
    """How many items a number rests on."""
    text = f"{int(tally.total)} of {tally.scored}" if metric.type == "bernoulli" else plural(tally.scored, "item")
    parts = [text] * bool(tally.scored) + [f"{tally.failed} failed"] * bool(tally.failed)
    return ", ".join(parts)


def _value(tally: Tally) -> float | None:
    return tally.total / tally.scored if tally.scored else None
