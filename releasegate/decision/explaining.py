"""The sentences of a decision: why a requirement is met or not, and what would settle it."""

from __future__ import annotations

from releasegate.decision.record import Estimate, SliceFinding
from releasegate.intervals import Side, items_to_settle


def percent_free(value: float, limit: float) -> str:
    """`value` as a decimal, never rounded onto or across `limit`.

    >>> percent_free(0.98996, 0.99), percent_free(0.5, 0.99), percent_free(0.99, 0.99)
    ('0.98996', '0.500', '0.990')
    """
    for digits in range(3, 16):
        text = f"{value:.{digits}f}"
        if (float(text) > limit) == (value > limit) and (float(text) == limit) == (value == limit):
            return text
    return repr(value)


def label_text(labels: dict[str, str]) -> str:
    """Labels as words: `digit 3`; empty for the pooled items."""
    return ", ".join(f"{name} {value}" for name, value in labels.items())


def sentence(found: SliceFinding, metric: str, side: str, limit: float, errors: tuple[str, ...]) -> str:
    """Why the worst slice of a requirement has its status."""
    e = found.estimate
    where = f" for {label_text(found.labels)}" if found.labels else ""
    words = {"at_most": "at most", "at_least": "at least", "margin": "worse by at most"}[side]
    wanted = f"{words} {limit:g}"
    if found.reason == "does_not_count":
        return "this safeguard does not count at the channel of the release"
    if found.reason == "want_of_evidence":
        return _want(e, metric, where, errors)
    bound = e.low if (side == "at_least") == (found.status != "violated") else e.high
    kind = "lower" if bound == e.low and bound != e.high else "upper"
    shown = percent_free(bound, limit) if bound is not None else "none"
    counted = (
        f"{e.hits} losses and {e.gains} gains in {e.scored} pairs" if e.gains is not None else f"{e.hits} of {e.scored}"
    )
    lost = e.planned - e.scored
    imputed = f", {lost} lost ones counted against it" if lost else ""
    verb = {"met": "is shown", "violated": "is refuted", "not_shown": "is not settled"}[found.status]
    return f"{wanted} {verb}{where}: {counted}{imputed}, {kind} bound {shown} at effective alpha {e.alpha:.4f}"


def _want(e: Estimate, metric: str, where: str, errors: tuple[str, ...]) -> str:
    cause = f": {errors[0]}" if errors else ""
    if e.planned == 0:
        return f"no planned item carries {metric}{where}{cause}"
    if e.scored == 0:
        return f"none of {e.planned} planned items was scored{where}{cause}"
    return f"{e.planned - e.scored} of {e.planned} planned items failed or are missing{where}{cause}"


def settle(found: SliceFinding, side: Side, limit: float) -> str | None:
    """What would settle a share that is not shown; None if it is met."""
    e = found.estimate
    if found.status == "met" or found.reason == "does_not_count":
        return None
    if found.reason == "want_of_evidence":
        return f"measure all {e.planned} planned items" if e.planned else "plan items that carry the metric"
    wrong = e.hits if side == "at_most" else e.scored - e.hits
    name = "hits" if side == "at_most" else "misses"
    rate = e.hits / e.scored
    needed = items_to_settle(rate, limit, side, e.alpha)
    seen = f"{wrong} {name} in {e.scored}"
    if needed is None:
        return f"{seen}; no number of items would show {limit:g} at that rate"
    return f"{seen}; needs {needed} items at that rate for {limit:g} at effective alpha {e.alpha:.4f}"


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
        f"of {margin:g} at effective alpha {e.alpha:.4f}"
    )
