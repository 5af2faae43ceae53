"""An eval card from YAML: its form, and what would contradict itself in it."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import assert_never

from releasegate.documents import Located, parse_document
from releasegate.errors import DocumentError, Problem
from releasegate.evalcard import GATEABLE, Calibration, Control, EvalCard, Metric, Threshold
from releasegate.figures import (
    CurveFigure,
    HeatmapFigure,
    SpreadFigure,
    TableFigure,
    TimelineFigure,
    TradeoffFigure,
)
from releasegate.yamltext import Path


def parse_card(text: str | bytes, source: str) -> Located[EvalCard]:
    """The card that YAML `text` holds, with its places.

    Raises:
        DocumentError: every problem of form, and ranges or references that contradict each other.
    """
    located = parse_document(EvalCard, text, source)
    card = located.record
    problems = [p for name, metric in card.metrics.items() for p in _metric_problems(located, card, name, metric)]
    problems += [p for name, metric in card.metrics.items() for p in _curve_problems(located, card, name, metric)]
    problems += [p for name, metric in card.metrics.items() for p in _quotient_problems(located, card, name, metric)]
    problems += _figure_problems(located, card)
    problems += _one_threshold_problems(located, card)
    if card.clusters is not None and card.clusters.key not in card.slices:
        problems.append(located.problem(("clusters", "key"), "no such dimension", "name one of `slices`"))
    if card.calibration is not None:
        problems += _calibration_problems(located, card, card.calibration)
    if problems:
        raise DocumentError(problems)
    return located


def _calibration_problems(located: Located[EvalCard], card: EvalCard, stated: Calibration) -> Iterator[Problem]:
    """What the card says of the clusters of its calibration items, and cannot be so."""
    at: Path = ("calibration",)
    if not card.items.calibration:
        yield located.problem(
            at, "there are no calibration items", "state their number: `items.calibration`, or remove it"
        )
    if stated.key is not None and stated.key not in card.slices:
        yield located.problem((*at, "key"), "no such dimension", "name one of `slices`")
    if stated.key is None and stated.population != "unknown":
        fix = "name the dimension whose label on calibration items says of which cluster each is"
        yield located.problem(at, f"{stated.population} clusters without `key`", fix)
    if (stated.population == "unknown") != (stated.reason is not None):
        what = (
            "unknown clusters without a `reason`" if stated.reason is None else "only unknown clusters want a `reason`"
        )
        yield located.problem(at, what, "say why nobody knows them" if stated.reason is None else "remove it")
    if card.clusters is not None and card.clusters.population == "sampled" and stated.population != "sampled":
        what = f"the eval claims something of every {card.clusters.key}, and its calibration items are no sample of clusters"
        yield located.problem(
            (*at, "population"), what, "calibrate on a sample of clusters, or name those of `clusters`"
        )


def _metric_problems(located: Located[EvalCard], card: EvalCard, name: str, metric: Metric) -> Iterator[Problem]:
    def problem(key: str, what: str, fix: str) -> Problem:
        return located.problem(("metrics", name, key), what, fix)

    low, high = metric.range
    if not low < high:
        yield problem("range", "must rise", "write [lowest, highest]")
    if metric.type == "bernoulli" and (low, high) != (0, 1):
        yield problem("range", "a bernoulli metric is 0 or 1", "write [0, 1]")
    if metric.absent is not None and not low <= metric.absent <= high:
        yield problem("absent", "lies outside the range", "choose a value in it")
    for key in ("of_instrument", "judged_by"):
        named = getattr(metric, key)
        if named is not None and named not in card.instruments:
            yield problem(key, "no such instrument", "name one of `instruments`")
    for number, control in enumerate(metric.working or ()):
        yield from _control_problems(located, card, control, ("metrics", name, "working", number))
    if (metric.type == "thresholded") != (metric.threshold is not None):
        yield problem("type", "`thresholded` and `threshold` go together", "state both, or neither")
    if metric.shows is not None:
        if metric.of_instrument is None or metric.type != "bernoulli":
            yield problem("shows", "only a bernoulli metric of an instrument shows one of the two", "remove it")
        twin = next(
            n for n, m in card.metrics.items() if (m.of_instrument, m.shows) == (metric.of_instrument, metric.shows)
        )
        if twin != name:
            yield problem(
                "shows", f"metric {twin} shows the {metric.shows} of {metric.of_instrument} already", "keep one"
            )
    if metric.expected is not None and metric.shows is None:
        yield problem("expected", "only a metric that `shows` how good an instrument is has one", "remove it")
    if (metric.threshold is not None or metric.judged_by is not None) and not card.items.calibration:
        key = "threshold" if metric.threshold is not None else "judged_by"
        yield problem(key, "rests on calibration items, and there are none", "state their number: `items.calibration`")
    if metric.threshold is not None:
        yield from _threshold_problems(located, card, name, metric.threshold)
    if metric.judged_by is not None:
        shown = {m.shows for m in card.metrics.values() if m.of_instrument == metric.judged_by}
        missing = sorted({"sensitivity", "specificity"} - shown)
        if missing and metric.judged_by in card.instruments:
            what = f"no metric shows the {' and '.join(missing)} of {metric.judged_by}"
            yield problem("judged_by", what, "add it, with `of_instrument` and `shows`")
        if metric.type != "bernoulli":
            yield problem("judged_by", "only a bernoulli metric is a yes or no", "remove it")


def _control_problems(located: Located[EvalCard], card: EvalCard, control: Control, at: Path) -> Iterator[Problem]:
    """Check a control as far as this card can tell; `policycheck` knows the cards of other evals."""
    if (control.at_least is None) == (control.at_most is None):
        yield located.problem(at, "needs one of at_least, at_most", "state exactly one")
    eval_id = control.metric.split("/")[0]
    if eval_id == card.id:
        for what, fix in control_faults(card, control):
            yield located.problem((*at, "metric"), what, fix)


def control_faults(card: EvalCard, control: Control) -> Iterator[tuple[str, str]]:
    """Return what keeps the metric of a control from being one, with remedies; `card` is that of the control's eval."""
    metric = card.metrics.get(control.metric.split("/")[1])
    if metric is None:
        yield f"no metric {control.metric!r}", f"name one of {', '.join(f'{card.id}/{n}' for n in card.metrics)}"
        return
    if metric.type not in GATEABLE or metric.of_instrument is not None:
        yield f"{control.metric} cannot be gated", "name a share or a mean that items of the model carry"
    low, high = metric.gated_range
    for limit in (control.at_least, control.at_most):
        if limit is not None and not low < limit < high:
            yield f"the limit {limit:g} of {control.metric} is at or beyond its range", "choose a limit inside it"
    for dimension in control.slices or ():
        if dimension not in card.slices:
            yield f"eval {card.id} has no dimension {dimension!r}", "name one of its `slices`"


def _threshold_problems(
    located: Located[EvalCard], card: EvalCard, name: str, threshold: Threshold
) -> Iterator[Problem]:
    for key in ("negatives", "positives"):
        named = getattr(threshold, key)
        if named is not None and named not in card.metrics:
            yield located.problem(
                ("metrics", name, "threshold"), f"no metric {named!r}", f"name the metric of the {key}"
            )
    if threshold.positives == threshold.negatives:
        yield located.problem(
            ("metrics", name, "threshold", "positives"), "is the metric of the negatives", "name another, or remove it"
        )


def _one_threshold_problems(located: Located[EvalCard], card: EvalCard) -> Iterator[Problem]:
    """Scores of one detector that become yes or no at two thresholds: each could be met where no single one meets both.

    Only thresholds that are set by negatives alone stand for themselves, since the rate among all negatives is known of each.
    """
    thresholds = {name: m.threshold for name, m in card.metrics.items() if m.threshold is not None}
    told = set()
    for name, own in thresholds.items():
        for first, other in thresholds.items():
            if first == name:
                break
            if other != own and other.negatives == own.negatives and (own.positives or other.positives):
                told.add(frozenset((first, name)))
                what = f"is set on {own.negatives} like that of {first}, and differs from it"
                fix = f"write what {first} has: the two are judged at one threshold"
                yield located.problem(("metrics", name, "threshold"), what, fix)
                break
    for at, positives, negatives in _scored_together(card):
        one, two = thresholds.get(positives), thresholds.get(negatives)
        if one is not None and two is not None and one != two and frozenset((positives, negatives)) not in told:
            what = f"{negatives} has another threshold than {positives}"
            yield located.problem((*at, "negatives"), what, "give both metrics the same `threshold`")


def _scored_together(card: EvalCard) -> Iterator[tuple[Path, str, str]]:
    """Every curve and trade-off: its place, and the metrics of its positives and negatives."""
    for name, metric in card.metrics.items():
        if metric.curve is not None:
            yield ("metrics", name, "curve"), metric.curve.positives, metric.curve.negatives
    for number, figure in enumerate(card.figures or ()):
        if isinstance(figure, TradeoffFigure):
            yield ("figures", number), figure.positives, figure.negatives


def _curve_problems(located: Located[EvalCard], card: EvalCard, name: str, metric: Metric) -> Iterator[Problem]:
    if metric.curve is None:
        return
    at = ("metrics", name, "curve")
    if metric.type != "report_only":
        yield located.problem(at, "only a report_only metric is the area under a curve", "remove it")
    yield from _scores_problems(located, card, metric.curve.positives, metric.curve.negatives, at)


def _quotient_problems(located: Located[EvalCard], card: EvalCard, name: str, metric: Metric) -> Iterator[Problem]:
    if metric.quotient is None:
        return
    at = ("metrics", name, "quotient")
    if metric.type != "report_only":
        yield located.problem(at, "only a report_only metric is a quotient of sums", "remove it")
    if metric.curve is not None:
        yield located.problem(at, "is the area under a curve already", "keep one of the two")
    for key, named in (("of", metric.quotient.of), ("by", metric.quotient.by)):
        if named not in card.metrics:
            yield located.problem((*at, key), f"no metric {named!r}", "name one of `metrics`")
        elif card.metrics[named].curve is not None or card.metrics[named].quotient is not None:
            yield located.problem((*at, key), "is carried by no item", "name a metric that items carry")
        elif card.metrics[named].range[0] < 0:
            yield located.problem((*at, key), "may be negative", "name a metric that counts")


def _scores_problems(
    located: Located[EvalCard], card: EvalCard, positives: str, negatives: str, at: Path
) -> Iterator[Problem]:
    """Whether two metrics are scores of one detector."""
    found = []
    for key, named in (("positives", positives), ("negatives", negatives)):
        if named not in card.metrics:
            yield located.problem((*at, key), f"no metric {named!r}", "name one of `metrics`")
        elif card.metrics[named].type != "thresholded":
            yield located.problem((*at, key), "is not thresholded: it has no scores", "name a thresholded metric")
        else:
            found.append(card.metrics[named])
    if len(found) == 2 and found[0].range != found[1].range:
        yield located.problem((*at, "negatives"), "has another range than the positives", "give both one scale")


def _figure_problems(located: Located[EvalCard], card: EvalCard) -> Iterator[Problem]:
    for number, figure in enumerate(card.figures or ()):
        at: Path = ("figures", number)
        match figure:
            case HeatmapFigure():
                yield from _unknown(located, card.metrics, (figure.metric,), (*at, "metric"), "metric", "metrics")
                yield from _unknown(located, card.slices, (figure.rows,), (*at, "rows"), "dimension", "slices")
                yield from _unknown(located, card.slices, (figure.columns,), (*at, "columns"), "dimension", "slices")
                if figure.rows == figure.columns:
                    yield located.problem((*at, "columns"), "is the dimension of the rows", "name another one")
            case TradeoffFigure():
                yield from _scores_problems(located, card, figure.positives, figure.negatives, at)
            case TableFigure():
                yield from _unknown(located, card.slices, (figure.rows,), (*at, "rows"), "dimension", "slices")
                yield from _unknown(located, card.metrics, figure.columns, (*at, "columns"), "metric", "metrics")
            case TimelineFigure():
                pass  # outputs are named by the harness alone
            case CurveFigure():
                yield from _line_problems(located, card, figure, at)
            case SpreadFigure():
                yield from _spread_problems(located, card, figure, at)
            case _:
                assert_never(figure)


def _line_problems(located: Located[EvalCard], card: EvalCard, figure: CurveFigure, at: Path) -> Iterator[Problem]:
    yield from _unknown(located, card.metrics, figure.metrics, (*at, "metrics"), "metric", "metrics")
    yield from _unknown(located, card.slices, (figure.along,), (*at, "along"), "dimension", "slices")
    if len(set(figure.metrics)) < len(figure.metrics):
        yield located.problem((*at, "metrics"), "names a metric twice", "name each once")
    if figure.by is not None:
        yield from _unknown(located, card.slices, (figure.by,), (*at, "by"), "dimension", "slices")
        if figure.by == figure.along:
            yield located.problem((*at, "by"), "is the dimension that is walked along", "name another one")
        if len(figure.metrics) > 1:
            yield located.problem((*at, "metrics"), "`by` draws the lines of one metric", "name one, or remove `by`")
    yield from _one_scale(located, card, figure.metrics, at)


def _spread_problems(located: Located[EvalCard], card: EvalCard, figure: SpreadFigure, at: Path) -> Iterator[Problem]:
    yield from _unknown(located, card.metrics, figure.metrics, (*at, "metrics"), "metric", "metrics")
    if len(set(figure.metrics)) < len(figure.metrics):
        yield located.problem((*at, "metrics"), "names a metric twice", "name each once")
    for name in figure.metrics:
        metric = card.metrics.get(name)
        if metric is not None and (metric.curve is not None or metric.quotient is not None):
            yield located.problem((*at, "metrics"), f"no item carries {name}", "name metrics that items carry")
    yield from _one_scale(located, card, figure.metrics, at, raw=True)


def _one_scale(
    located: Located[EvalCard], card: EvalCard, names: tuple[str, ...], at: Path, *, raw: bool = False
) -> Iterator[Problem]:
    """Whether metrics can share an axis.

    Args:
        raw: of their values; else of what is shown of them, which is a share where scores are compared with a threshold.
    """
    known = [card.metrics[name] for name in names if name in card.metrics]
    ranges = {metric.range if raw else metric.gated_range for metric in known}
    if len(ranges) > 1:
        yield located.problem((*at, "metrics"), "have different ranges", "give them one scale, or a figure each")


def _unknown(
    located: Located[EvalCard], known: Collection[str], named: tuple[str, ...], at: Path, noun: str, key: str
) -> Iterator[Problem]:
    for name in named:
        if name not in known:
            yield located.problem(at, f"no {noun} {name!r}", f"name one of `{key}`")
