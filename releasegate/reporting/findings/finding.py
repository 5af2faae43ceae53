"""Findings as a report shows them, requirement by requirement."""

from __future__ import annotations

from releasegate.decision.record import Estimate, Excused, Finding, SliceFinding
from releasegate.evalcard import EvalCard
from releasegate.plan import Plan
from releasegate.reporting.findings.distances import bars, distance_words, worst_first
from releasegate.reporting.findings.judges import judges
from releasegate.reporting.findings.measures import label_words, slices
from releasegate.reporting.findings.standing import standing
from releasegate.reporting.findings.wagered import e_processes
from releasegate.reporting.gathered.gathering import Gathered
from releasegate.reporting.views.pair import Pair
from releasegate.reporting.views.report import FindingView, SliceView
from releasegate.reporting.wording.numbers import MOST_TITLE, beside, limit, number, plural, sentence, shortened
from releasegate.reporting.wording.words import CHANNEL, METHOD, REASON, SECTION, SIDE, STATUS, checkpoint

MOST_SLICES, MOST_OF_ALL, LEAST_SLICES = 60, 2_400, 12
"""Slices of one finding that are listed, and of all findings together; each finding lists LEAST_SLICES in any case."""
MOST_ERROR = 600
"""Characters shown of one failure."""


def most_slices(findings: int) -> int:
    """How many slices each of so many findings lists, so that the page does not grow with their product.

    >>> most_slices(5), most_slices(100), most_slices(1000)
    (60, 24, 12)
    """
    return max(min(MOST_SLICES, MOST_OF_ALL // max(findings, 1)), LEAST_SLICES)


def finding_view(finding: Finding, plan: Plan, gathered: Gathered) -> FindingView:
    """One finding, worst slice first."""
    ordered = worst_first(finding, finding.slices)
    worst = ordered[0]
    card = plan.card_of(finding.metric)
    listed, title = _slices(finding, ordered, card, gathered)
    e, at = worst.estimate, standing(finding, worst)
    most = most_slices(gathered.findings)
    return FindingView(
        anchor=anchor(finding),
        requirement=finding.requirement,
        section=_section(finding),
        checkpoint=checkpoint(finding.checkpoint),
        metric=finding.metric,
        metric_title=metric_title(finding, card),
        limit=at.limit,
        mark=STATUS[finding.status],
        note=REASON[finding.reason] if finding.reason else "",
        worst=label_words(card, worst.labels),
        estimate=at.estimate,
        low=at.low,
        high=at.high,
        distance=distance_words(finding, worst),
        method=METHOD[e.method],
        alpha=number(e.alpha),
        counts=_counts(e),
        sentence=sentence(finding.sentence),
        settle=sentence(finding.settle) if finding.settle and finding.status != "violated" else None,
        errors=tuple(shortened(error, MOST_ERROR) for error in finding.errors),
        slices=listed[:most],
        slices_hidden=max(len(listed) - most, 0),
        slices_title=title,
        threats=threat_text(finding),
        outside=_judged(finding, worst_first(finding, finding.outside), card)[:most],
        outside_hidden=max(len(finding.outside) - most, 0),
        outside_title=f"{plural(len(finding.outside), 'slice')} outside the threat set, worst first, measured and not gated",
        instruments=judges(finding, plan, gathered),
        paths=e_processes(finding, card, gathered),
    )


def anchor(finding: Finding) -> str:
    """The id of a finding in the page; no requirement can be named so that it is that of another."""
    where = "source" if finding.checkpoint == "source" else "stripped"
    return f"finding-{where}-{finding.requirement}" + (f"~{finding.channel}" if finding.channel else "")


def _section(finding: Finding) -> str:
    name = SECTION[finding.section] + (f" ({finding.safeguards})" if finding.safeguards else "")
    return name + (f", judged for {CHANNEL[finding.channel]}" if finding.channel else "")


def metric_title(finding: Finding, card: EvalCard | None) -> str:
    """What the card calls the metric."""
    name = finding.metric.split("/")[1]
    title = shortened(card.metrics[name].title, MOST_TITLE) if card and name in card.metrics else name
    return f"{title}: loss against the source" if finding.side == "margin" else title


def _counts(e: Estimate) -> tuple[Pair, ...]:
    names = ("planned", "attempted", "scored", "failed")
    pairs = tuple(Pair(name, str(getattr(e, name))) for name in names)
    if e.gains is not None:
        return (*pairs, Pair("losses", str(e.hits)), Pair("gains", str(e.gains)))
    more = {"hits": e.hits, "used": e.used, "clusters": e.clusters}
    return (*pairs, *(Pair(name, str(count)) for name, count in more.items() if count is not None))


def _slices(
    finding: Finding, ordered: tuple[SliceFinding, ...], card: EvalCard | None, gathered: Gathered
) -> tuple[tuple[SliceView, ...], str]:
    """The gated slices; where the requirement is about the pooled items, what the card's slices show beside it."""
    if any(s.labels for s in finding.slices):
        n = len(ordered)
        return _judged(finding, ordered, card), f"{plural(n, 'gated slice')}, worst first"
    eval_id, name = finding.metric.split("/")
    if card is None or name not in card.metrics or finding.side == "margin":
        return (), ""
    cut = gathered.cuts.get(finding.metric)
    if cut is not None and cut.value != finding.slices[0].threshold:
        return (), ""  # counted at the threshold of another requirement
    shown = slices(gathered, (eval_id, "gate", finding.checkpoint), name, card)
    listed = shown if (card.metrics[name].better == "higher") == (finding.side == "at_least") else shown[::-1]
    return listed, f"{plural(len(shown), 'slice')}, worst first, not gated: exact 95 % intervals"


def threat_text(finding: Finding) -> str:
    """The threat set in words; empty if all values are gated."""
    return "; ".join(f"{name} {', '.join(listed)}" for name, listed in (finding.values or {}).items())


def _judged(finding: Finding, ordered: tuple[SliceFinding, ...], card: EvalCard | None) -> tuple[SliceView, ...]:
    return tuple(_slice(finding, s, card, bar) for s, bar in zip(ordered, bars(finding, ordered), strict=True))


def _slice(finding: Finding, found: SliceFinding, card: EvalCard | None, bar: float | None) -> SliceView:
    e, at = found.estimate, standing(finding, found)
    hits = f"{e.hits} of {e.scored}" if e.hits is not None else f"{e.scored} scored"
    counted = f"{e.hits} losses, {e.gains} gains in {e.scored}" if e.gains is not None else hits
    return SliceView(
        label=label_words(card, found.labels),
        mark=STATUS[found.status],
        note=REASON[found.reason] if found.reason else _excuse(found.excused) if found.excused else "",
        estimate=at.estimate,
        low=at.low,
        high=at.high,
        distance=distance_words(finding, found),
        counted=counted
        + (f", {at.lost} failed or missing" if at.lost else "")
        + (f", {e.not_attempted} not attempted" if e.not_attempted else ""),
        bar=bar,
    )


def _excuse(proof: Excused) -> str:
    e = proof.estimate
    bound = (
        f"upper bound {beside(e.high, proof.limit)}"
        if proof.side == "at_most"
        else f"lower bound {beside(e.low, proof.limit)}"
    )
    return f"{proof.metric} {SIDE[proof.side]} {limit(proof.limit)}: {e.hits} of {e.scored}, {bound}"
