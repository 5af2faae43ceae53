"""What the first screen says of a capability beside its mark: the numbers that decide it, in a sentence or a few."""

from __future__ import annotations

from collections.abc import Iterable

from releasegate.decision import CapabilityDecision, Finding
from releasegate.plan import Plan
from releasegate.reporting.findings.distances import worst_first
from releasegate.reporting.findings.finding import metric_title
from releasegate.reporting.findings.judges import looks_refuted
from releasegate.reporting.findings.measures import label_words
from releasegate.reporting.wording.numbers import beside, limit, plural
from releasegate.reporting.wording.words import CHANNEL, OUTCOME, SIDE, checkpoint

MOST_TOLD = 2
"""Requirements told of one route."""


def reason(c: CapabilityDecision, after: tuple[Finding, ...], plan: Plan) -> str:
    """The numbers that say what becomes of a capability, each of its worst slice.

    A capability that several routes could have released and none did has something to say of each.

    Args:
        after: the findings on the stripped checkpoint that belong to it.
    """
    if c.route == "unconditional":
        return "Unconditional: it goes out whatever is measured."
    routes = _routes(c.findings)
    if c.route is None and not after and len(routes) > 1:
        return _closed(routes, plan)
    shown = [_deciding(found) for found in (_of_route(c), after) if found]
    numbers = " ".join(_numbers(same, plan, placed=bool(after)) for same in _alike(shown))
    return numbers or f"{OUTCOME[c.verdict]}."


def _of_route(c: CapabilityDecision) -> tuple[Finding, ...]:
    """The findings on the source by which a capability is published; all of them where none of them is the route."""
    name = "" if c.route == "misuse" else (c.route or "none").removeprefix("safeguards/")
    own = _routes(c.findings).get(name, ()) if c.route in ("misuse", f"safeguards/{name}") else ()
    return tuple(own) or c.findings


def _routes(findings: Iterable[Finding]) -> dict[str, list[Finding]]:
    """The findings on the source by route: misuse is "", a list of safeguards its name."""
    found: dict[str, list[Finding]] = {}
    for f in findings:
        if f.section in ("misuse", "working", "safeguards"):
            found.setdefault(f.safeguards or "", []).append(f)
    return found


def _closed(routes: dict[str, list[Finding]], plan: Plan) -> str:
    """Why each route is closed: misuse first, then the lists of safeguards."""
    told = []
    misuse = [f for f in routes.get("", []) if not f.holds]
    if misuse:
        refuted = any(f.status == "violated" for f in misuse)
        told.append(f"{'Not' if refuted else 'Not shown to be'} too weak to harm: {_against(misuse, plan)}.")
    lists = {name: [f for f in found if not f.holds] for name, found in routes.items() if name}
    if lists:
        said = "; ".join(f"{name.replace('_', ' ')}: {_against(found, plan)}" for name, found in lists.items())
        none = "The list of safeguards is not met" if len(lists) == 1 else "No list of safeguards is met"
        told.append(f"{none}. {said[:1].upper()}{said[1:]}.")
    return " ".join(told)


def _against(findings: list[Finding], plan: Plan) -> str:
    """The first findings that stand in the way of a route, and how many more there are; one word on a list that is void."""
    void = [f for f in findings if f.reason == "does_not_count"]
    if len(void) == len(findings) and len({(f.enforced_by, f.channel) for f in void}) == 1:
        return f"does not count{_at(void[0])}, as the {void[0].enforced_by} enforces it"
    told = "; ".join(_one(f, plan) for f in findings[:MOST_TOLD])
    more = len(findings) - MOST_TOLD
    return f"{told}; and {plural(more, 'more requirement')}" if more > 0 else told


def _one(f: Finding, plan: Plan) -> str:
    """One finding with its limit, at the channel where it was judged if others differ."""
    title = metric_title(f, plan.card_of(f.metric))
    at = _at(f)
    if f.reason == "does_not_count":
        return f"{title}: does not count{at}, as the {f.enforced_by} enforces it"
    return f"{title}: {_value(f, plan)}{at}, limit {SIDE[f.side]} {limit(f.limit)}{_open([f])}"


def _at(f: Finding) -> str:
    """The channel where a finding was judged, if others differ."""
    return f" for {CHANNEL[f.channel]}" if f.channel is not None else ""


def _deciding(findings: tuple[Finding, ...]) -> Finding:
    """The finding that stands in the way, else one that a waiver holds, else the first."""
    return min(findings, key=lambda f: (f.holds, f.status != "waived"))


def _alike(findings: list[Finding]) -> list[list[Finding]]:
    """The findings, those of one metric and limit together."""
    found: dict[tuple[str, str, float], list[Finding]] = {}
    for f in findings:
        found.setdefault((f.metric, f.side, f.limit), []).append(f)
    return list(found.values())


def _numbers(findings: list[Finding], plan: Plan, *, placed: bool) -> str:
    """One metric on the checkpoints where it decides.

    Args:
        placed: whether to say on which, because there is more than one.
    """
    first = findings[0]
    title = metric_title(first, plan.card_of(first.metric))
    values = ", ".join(_value(f, plan) + (f" {checkpoint(f.checkpoint)}" if placed else "") for f in findings)
    return f"{title}: {values}, limit {SIDE[first.side]} {limit(first.limit)}{_open(findings)}."


def _open(findings: list[Finding]) -> str:
    """That a limit is not shown to be kept, where the estimate alone would look as if it were; or that a waiver holds it."""
    if any(f.status == "waived" for f in findings):
        return ", held by a waiver"
    reasons = {f.reason for f in findings if f.status == "not_shown"}
    if "want_of_evidence" in reasons:
        return ", and evidence is wanting"
    if "unsettled" not in reasons:
        return ""
    judged = any(looks_refuted(f, worst_first(f, f.slices)[0]) for f in findings)
    return ", which the judge's errors leave open" if judged else ", which is not shown"


def _value(finding: Finding, plan: Plan) -> str:
    """The estimate of the worst slice, with its name if there is more than one."""
    worst = worst_first(finding, finding.slices)[0]
    value = worst.estimate.value
    text = "nothing scored" if value is None else beside(value, *worst.limits(finding.limit))
    return f"{text} ({label_words(plan.card_of(finding.metric), worst.labels)})" if worst.labels else text
