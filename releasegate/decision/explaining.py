"""The sentences of a decision: why a requirement is met or not, and what would settle it."""

from __future__ import annotations

from collections.abc import Sequence

from releasegate.decision.record import Estimate, SliceFinding
from releasegate.evalcard import UNSAID
from releasegate.intervals import Side, items_to_settle
from releasegate.rounding import decimal, limit_text, percent
from releasegate.sequential import Claim, items_at_rate

NO_CLUSTER = "belong to no cluster"
"""How the problem of items without the label of a cluster ends."""
UNKNOWN_EXCUSE = "failed or are missing, and without them nobody knows whether it is excused"
"""How the problem of a slice ends whose excuse cannot be judged."""


def percent_free(value: float, limit: float, fewest: int = 3) -> str:
    """`value` as a decimal of at least `fewest` places, never rounded onto or across `limit`.

    >>> percent_free(0.98996, 0.99), percent_free(0.5, 0.99), percent_free(0.99, 0.99)
    ('0.98996', '0.500', '0.990')
    """
    return decimal(value, [limit], fewest)


def label_text(labels: dict[str, str]) -> str:
    """Labels as words: `digit 3`; empty for the pooled items."""
    return ", ".join(f"{name} {value}" for name, value in labels.items())


def measured_text(found: SliceFinding, limit: float, *, shown: bool = False) -> str:
    """What was measured of a slice: `attack mp3_64k: 41.2 % (33.1–49.7)`, the value and its bounds.

    Args:
        shown: the interval that people are shown, which holds the value; stored sentences have the two bounds.
    """
    e, tested = found.estimate, limit if found.tested_limit is None else found.tested_limit
    where = f"{label_text(found.labels)}: " if found.labels else ""
    if e.value is None or e.low is None or e.high is None:
        return f"{where}nothing scored"
    ends = (e.interval if shown else None) or (e.low, e.high)
    if e.hits is None:
        value, low, high = (percent_free(x, tested) for x in (e.value, *ends))
        return f"{where}{value} ({low}–{high})"
    value, low, high = (percent(x, tested) for x in (e.value, *ends))
    return f"{where}{value} %{' lost' if e.gains is not None else ''} ({low}–{high})"


def beyond_text(found: SliceFinding, limit: float, *, shown: bool = False) -> str:
    """The same of a slice outside the threat set, and what it would come to."""
    return f"{measured_text(found, limit, shown=shown)}, {would_be(found)}"


def would_be(found: SliceFinding) -> str:
    """What a slice outside the threat set would come to."""
    if found.status == "not_shown" and found.estimate.not_attempted:
        return "not measured to the end"
    return {"met": "would be met", "excused": "would be excused"}.get(found.status, "would not be met")


def sentence(
    found: SliceFinding, metric: str, side: str, limit: float, errors: tuple[str, ...], effective: float
) -> str:
    """Why the worst slice of a requirement has its status.

    Args:
        effective: effective alpha, of which the slice's is a half or a quarter where something else took the rest.
    """
    e = found.estimate
    where = f" for {label_text(found.labels)}" if found.labels else ""
    words = {"at_most": "at most", "at_least": "at least", "margin": "worse by at most"}[side]
    if found.reason == "does_not_count":
        return "this safeguard does not count at the channel of the release"
    if found.reason == "want_of_evidence":
        return found.problem or _want(e, metric, where, errors)
    bound = e.low if (side == "at_least") == (found.status != "violated") else e.high
    kind = "lower" if bound == e.low and bound != e.high else "upper"
    tested = next(x for x in (found.refuting_limit, found.tested_limit, limit) if x is not None)
    beside = [x for x in (bound, e.value if e.hits is None else None) if x is not None]
    shown = decimal(bound, [tested, limit]) if bound is not None else "none"
    stated = limit_text(limit, beside, f"{limit:g}", [tested])
    at = limit_text(tested, beside, f"{tested:.4f}", [limit])
    moved = f" (tested at {at} for the judge's errors)" if found.tested_limit is not None else ""
    above = "above" if side == "at_least" else "at or above"
    cut = f" {above} a score of {found.threshold:.6g}" if found.threshold is not None else ""
    verb = {"met": "is shown", "violated": "is refuted", "not_shown": "is not settled"}[found.status]
    return (
        f"{words} {stated}{moved} {verb}{where}: {_counted(e, [tested, limit])}{cut}{_against(found)}, "
        f"{kind} bound {shown} at {_alpha(e.alpha, effective)}"
    )


def _alpha(alpha: float, effective: float) -> str:
    share = {2: "half of the effective alpha,", 4: "a quarter of the effective alpha,"}
    return f"{share.get(round(effective / alpha), 'effective alpha')} {alpha:.4f}"


def _counted(e: Estimate, limits: Sequence[float]) -> str:
    if e.gains is not None:
        return f"{e.hits} losses and {e.gains} gains in {e.scored} pairs"
    if e.clusters is not None:
        return f"mean {_mean(e, limits)} over {e.clusters} clusters with {e.scored} items"
    if e.hits is None:
        return f"mean {_mean(e, limits)} of {e.scored}"
    return f"{e.hits} of {e.scored}"


def _mean(e: Estimate, limits: Sequence[float]) -> str:
    return "none" if e.value is None else decimal(e.value, limits, 4)


def _against(found: SliceFinding) -> str:
    """What was counted against the requirement, or for it where nothing lost could save it, and where the test stopped."""
    e = found.estimate
    lost = (e.planned - e.not_attempted if e.used is None else e.used) - e.scored
    imputed = f", {lost} lost ones counted {'for' if found.refuted else 'against'} it" if lost else ""
    if e.used is not None:
        stopped = f", decided after {e.used} of {e.planned} items" if e.used < e.planned else ""
    else:
        stopped = f", settled after {e.attempted} of {e.planned} items" if e.not_attempted else ""
    return imputed + stopped


def _want(e: Estimate, metric: str, where: str, errors: tuple[str, ...]) -> str:
    cause = f": {errors[0]}" if errors else ""
    if e.planned == 0:
        return f"no planned item carries {metric}{where}{cause}"
    if e.scored == 0:
        return f"none of {e.planned} planned items was scored{where}{cause}"
    if e.used is not None:
        seen = (
            f"{e.used} of {e.planned} planned items{where} stand before the decision or the first one without a record"
        )
        return f"{seen}, and {e.failed} of them failed{cause}"
    return f"{e.planned - e.scored} of {e.planned} planned items failed or are missing{where}{cause}"


def settle(found: SliceFinding, side: Side, limit: float, effective: float) -> str | None:
    """What would settle a limit that is not shown; None if it is met.

    Args:
        effective: as of `sentence`.
    """
    e = found.estimate
    tested = limit if found.tested_limit is None else found.tested_limit
    if found.status == "met" or found.reason == "does_not_count":
        return None
    if found.reason == "want_of_evidence":
        if found.problem is not None:
            if found.problem.endswith(NO_CLUSTER):
                return "label every item with its cluster"
            if found.problem.endswith(UNSAID):
                return "state `calibration` in the card: its population, its key, and what is calibrated"
            if found.problem.endswith(UNKNOWN_EXCUSE):
                return "measure all planned calibration items"
            return "measure the instrument on more calibration items, or use a better one"
        return f"measure all {e.planned} planned items" if e.planned else "plan items that carry the metric"
    if e.clusters is not None:
        return f"more than {e.clusters} clusters: however many items each has, it counts once"
    if e.hits is None:
        return f"more than {e.planned} items, or a mean further from {limit_text(limit)}"
    wrong = e.hits if side == "at_most" else e.scored - e.hits
    rate = e.hits / e.scored
    needed = (
        items_to_settle(rate, tested, side, e.alpha)
        if e.used is None
        else items_at_rate(Claim("share", side, tested, e.alpha), rate)
    )
    seen = f"{wrong} {'hits' if side == 'at_most' else 'misses'} in {e.scored}"
    if needed is None:
        return f"{seen}; no number of items would show {limit_text(limit)} at that rate"
    return f"{seen}; needs {needed} items at that rate for {limit_text(limit)} at {_alpha(e.alpha, effective)}"


def settle_pairs(found: SliceFinding, margin: float) -> str | None:
    """What would settle a paired comparison that is not shown; None if it is met."""
    e = found.estimate
    if found.status == "met":
        return None
    if found.reason == "want_of_evidence":
        return f"measure all {e.planned} planned pairs" if e.planned else "plan items that carry the metric"
    needed = items_to_settle(0.0, margin, "at_most", e.alpha / 2)
    return (
        f"{e.hits} losses and {e.gains} gains in {e.scored} pairs; without any loss {needed} pairs would show a margin "
        f"of {limit_text(margin)} at effective alpha {e.alpha:.4f}"
    )
