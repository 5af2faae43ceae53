"""Detection against false alarms: pooled over the threat set, and for the worst values of its dimension."""

from __future__ import annotations

from collections.abc import Iterator
from math import floor, log10

from releasegate.decision.slices import is_threat
from releasegate.evalcard import Metric
from releasegate.figures import TradeoffFigure
from releasegate.reporting.figures.roc import area_under, curve_of
from releasegate.reporting.figures.standing import Scene
from releasegate.reporting.gathered.cuts import Cut
from releasegate.reporting.gathered.dimensions import Part, natural
from releasegate.reporting.gathered.tallying import Tally, wider
from releasegate.reporting.views.figures import Line, Standing, Tradeoff
from releasegate.reporting.wording.numbers import MOST_TITLE, share, shortened

MOST_WORST = 2
"""Curves of single values that are drawn of the threat set, and again of what lies outside."""


def tradeoff(figure: TradeoffFigure, scene: Scene) -> Tradeoff | None:
    """The trade-off on one checkpoint; None where there was no item of one kind."""
    pooled = _pooled(figure, scene)
    if pooled is None:
        return None
    lines = (pooled, *_worst(figure, scene))
    card = scene.card
    positives, negatives = (shortened(card.metrics[m].title, MOST_TITLE) for m in (figure.positives, figure.negatives))
    said = " ".join(f"Line {i}, {_said(line)}." for i, line in enumerate(lines, 1))
    smallest = min(
        rate for line in lines for rate, _ in (*line.points, *((line.mark,) if line.mark else ())) if rate > 0
    )
    return Tradeoff(
        kind="tradeoff",
        title=f"{positives} against {negatives}",
        where=scene.where,
        description=f"{positives} against {negatives}, over every threshold. {said}",
        positives=positives,
        negatives=negatives,
        threshold=_threshold(scene.cut(figure.positives), scene.cut(figure.negatives)),
        floor=10.0 ** (floor(log10(smallest)) - (1 if log10(smallest).is_integer() else 0)),
        lines=lines,
    )


def _threshold(positives: Cut | None, negatives: Cut | None) -> str:
    if positives is None or negatives is None:
        return "no threshold was frozen"
    if positives.value != negatives.value:
        values = f"{positives.value:.4g} and {negatives.value:.4g}"
        return f"each kind has a threshold of its own, {values}: no point of the curve is theirs"
    return f"the diamonds are at the frozen threshold, a score of {positives.value:.4g}"


def _said(line: Line) -> str:
    at = "" if line.mark is None else f"{line.detected} and {line.flagged} at the frozen threshold, "
    return f"{line.label}: {at}area {line.area}"


def _pooled(figure: TradeoffFigure, scene: Scene) -> Line | None:
    """The curve of what the requirement on the positives gates; of all items where none has a threat set."""
    finding = scene.finding(figure.positives) or scene.finding(figure.negatives)
    values = finding.values if finding is not None else None
    if not values:
        return _line("all items", "", figure, scene, [()])
    names = sorted(values)
    parts = {
        part
        for place, _, part in scene.gathered.tallies
        if place == scene.gate and [name for name, _ in part] == names and is_threat(values, dict(part))
    }
    return _line("the threat set, pooled", "gated", figure, scene, sorted(parts))


def _worst(figure: TradeoffFigure, scene: Scene) -> Iterator[Line]:
    """The curves of the values under which the two kinds are told apart worst, of the threat set and outside of it."""
    dimension = scene.gathered.dimension.get(scene.card.id)
    if dimension is None:
        return
    values = {
        part[0][1]
        for place, metric, part in scene.gathered.tallies
        if (place, metric) == (scene.gate, figure.positives) and len(part) == 1 and part[0][0] == dimension
    }
    found = [
        line
        for value in sorted(values, key=natural)
        if (line := _line(value, scene.standing(dimension, value), figure, scene, [((dimension, value),)])) is not None
    ]
    found.sort(key=lambda line: line.apart)
    kinds: tuple[Standing, ...] = ("gated", "outside", "")
    for kind in kinds:
        yield from [line for line in found if line.standing == kind][:MOST_WORST]


def _line(label: str, standing: Standing, figure: TradeoffFigure, scene: Scene, parts: list[Part]) -> Line | None:
    """The curve of some parts together, failed items counted against the release; None without an item of one kind."""
    of = [scene.card.metrics[name] for name in (figure.positives, figure.negatives)]
    positives, negatives = (_sum(scene, name, parts) for name in (figure.positives, figure.negatives))
    bins = [tally.histogram(metric) for tally, metric in zip((positives, negatives), of, strict=True)]
    if bins[0] is None or bins[1] is None:
        return None
    area = area_under(bins[0], bins[1])
    if area is None:
        return None
    rates = None
    cuts = [scene.cut(metric) for metric in (figure.positives, figure.negatives)]
    frozen = cuts[0] is not None and cuts[1] is not None and cuts[0].value == cuts[1].value
    detected, flagged = positives.hits(of[0]), negatives.hits(of[1])
    if frozen and detected is not None and flagged is not None:
        rates = (flagged / negatives.n, detected / positives.n)
    return Line(
        label=label,
        standing=standing,
        points=tuple((false, true) for false, true, _ in curve_of(bins[0], bins[1], wider(of[0].range))),
        mark=rates,
        detected=_counted(positives, of[0]),
        flagged=_counted(negatives, of[1]),
        area=share(area.value) + (f" ± {area.slack:.3f}" if area.slack >= 0.0005 else ""),
        apart=area.value if rates is None else rates[1] - rates[0],
    )


def _counted(tally: Tally, metric: Metric) -> str:
    hits, failed = tally.hits(metric), tally.said_of_failed(metric)
    if hits is None:
        return f"{tally.n} items{failed}"
    return f"{share(hits / tally.n)} ({hits} of {tally.n}{failed})"


def _sum(scene: Scene, metric: str, parts: list[Part]) -> Tally:
    """The tallies of parts without items in common, as one."""
    tallies = scene.gathered.tallies
    total = Tally(scene.concern.lost_as_hit(metric))
    for tally in (tallies[key] for part in parts if (key := (scene.gate, metric, part)) in tallies):
        total.scored += tally.scored
        total.failed += tally.failed
        total.total += tally.total
        if tally.flagged is not None:
            total.flagged = (total.flagged or 0) + tally.flagged
        if tally.bins is not None:
            total.bins = tally.bins if total.bins is None else total.bins + tally.bins
    return total
