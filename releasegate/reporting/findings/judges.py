"""What scored the values of a requirement, and how often it is right, beside the finding."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from releasegate.decision.record import Finding, SliceFinding
from releasegate.evalcard import EvalCard, Metric
from releasegate.plan import Plan
from releasegate.reporting.findings.distances import worst_first
from releasegate.reporting.findings.measures import instrument_anchor, of_instrument
from releasegate.reporting.gathered.dimensions import Part
from releasegate.reporting.gathered.gathering import Gathered, Place
from releasegate.reporting.views.pair import Pair
from releasegate.reporting.views.report import JudgeLine, Measure
from releasegate.reporting.wording.numbers import MOST_TITLE, limit, plural, shortened

MOST_RATES = 6
"""Numbers on one instrument beside a finding; its own section has all."""


def judges(finding: Finding, plan: Plan, gathered: Gathered) -> tuple[JudgeLine, ...]:
    """The judge that the metric names; else every instrument of its eval, and the threshold that calibration items set."""
    eval_id, name = finding.metric.split("/")
    card = plan.cards.get(eval_id)
    if card is None or name not in card.metrics:
        return ()
    metric, worst = card.metrics[name], worst_first(finding, finding.slices)[0]
    named = [metric.judged_by] if metric.judged_by is not None else list(card.instruments)
    lines = [_line(card, one, gathered, _moved(finding, worst) if one == metric.judged_by else "") for one in named]
    return (*lines, *_threshold(metric, card, worst, gathered))


def _line(card: EvalCard, name: str, gathered: Gathered, moved: str) -> JudgeLine:
    known = card.instruments.get(name)
    measures = sorted(of_instrument(gathered, card.id, card, name), key=lambda m: not _shows(card, m))
    return JudgeLine(
        title=shortened(known.title, MOST_TITLE) if known is not None else name,
        anchor=instrument_anchor(card.id, name) if known is not None else "",
        rates=tuple(_rates(card, measures[:MOST_RATES])),
        moved=moved,
    )


def _shows(card: EvalCard, measure: Measure) -> str:
    return card.metrics[measure.metric.split("/")[1]].shows or ""


def _rates(card: EvalCard, measures: Iterable[Measure]) -> Iterator[Pair]:
    """Sensitivity and specificity by these names, whatever else was measured of it by its title."""
    for measure in measures:
        interval = f" [{measure.low}, {measure.high}]" if measure.low != "none" else ""
        yield Pair(_shows(card, measure) or measure.title, f"{measure.value}{interval}, {measure.counted}")


def _moved(finding: Finding, worst: SliceFinding) -> str:
    if worst.moved is None:
        return ""
    e = worst.estimate
    beyond = ", beyond which they explain nothing" if worst.refuting_limit is not None else ""
    moved = limit(worst.moved, e.value, e.low, e.high)
    open_ = ", and may explain what lies beyond it, so nothing is refuted" if looks_refuted(finding, worst) else ""
    return f"its errors moved the limit from {limit(finding.limit)} to {moved}{beyond}{open_}"


def looks_refuted(finding: Finding, worst: SliceFinding) -> bool:
    """Whether both bounds are beyond the limit of what is not shown all the same, as a judge's errors may explain it."""
    e = worst.estimate
    if (
        worst.tested_limit is None
        or worst.status != "not_shown"
        or worst.reason != "unsettled"
        or e.low is None
        or e.high is None
    ):
        return False
    return e.high < finding.limit if finding.side == "at_least" else e.low > finding.limit


def _threshold(metric: Metric, card: EvalCard, worst: SliceFinding, gathered: Gathered) -> Iterator[JudgeLine]:
    """The threshold of a score, and the calibration items that set it."""
    how = metric.threshold
    if how is None:
        return
    of = [how.negatives, *([how.positives] if how.positives is not None else [])]
    titles = " and ".join(_calibrated(card, one, gathered) for one in of if one in card.metrics)
    at = "no threshold was frozen" if worst.threshold is None else f"frozen at a score of {worst.threshold:.6g}"
    yield JudgeLine("Threshold", "", (), f"{at}, by calibration items: {titles}")


def _calibrated(card: EvalCard, name: str, gathered: Gathered) -> str:
    """What calibration items were measured by, and how many there were."""
    title = shortened(card.metrics[name].title, MOST_TITLE)
    tallies = [t for (place, metric, part), t in gathered.tallies.items() if _pooled(card, name, place, metric, part)]
    n, failed = sum(t.n for t in tallies), sum(t.failed for t in tallies)
    return f"{title} ({plural(n, 'item')}{f', {failed} failed' if failed else ''})" if n else f"{title} (none)"


def _pooled(card: EvalCard, name: str, place: Place, metric: str, part: Part) -> bool:
    return not part and metric == name and place[:2] == (card.id, "calibration")
