"""The routes by which a capability could have gone out, each with its own status and why it is closed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from releasegate.decision import CapabilityDecision, Finding
from releasegate.plan import SOURCE, Plan
from releasegate.policy import Channel, Section
from releasegate.reporting.findings.finding import finding_view
from releasegate.reporting.gathered.gathering import Gathered
from releasegate.reporting.views.report import Findings
from releasegate.reporting.wording.numbers import plural
from releasegate.reporting.wording.words import CHANNEL, REASON, STATUS, Mark

MOST_NAMED = 4
"""Requirements that are named as what closes a route."""

RouteKey = tuple[str, str, str, Channel | None]
"""Checkpoint, section (`strip` for removal and keep), list of safeguards, channel."""


_GROUPS: Mapping[Section, str] = {"removal": "strip", "keep": "strip", "working": "misuse"}
"""The sections that stand together with another: controls are a part of `misuse`."""


def route_groups(
    c: CapabilityDecision, after: tuple[Finding, ...], plan: Plan, gathered: Gathered
) -> tuple[Findings, ...]:
    """The findings of a capability, route by route: those on the source first.

    Args:
        after: its findings on the stripped checkpoint.
    """
    groups: dict[RouteKey, list[Finding]] = {}
    for finding in (*c.findings, *after):
        groups.setdefault(_key(finding), []).append(finding)
    return tuple(_group(n, key, groups[key], c, plan, gathered) for n, key in enumerate(groups, 1))


def _key(finding: Finding) -> RouteKey:
    section = _GROUPS.get(finding.section, finding.section)
    return finding.checkpoint, section, finding.safeguards or "", finding.channel


def _group(
    number: int, key: RouteKey, found: list[Finding], c: CapabilityDecision, plan: Plan, gathered: Gathered
) -> Findings:
    mark, sentence = _status(found, key, c)
    views = tuple(finding_view(f, plan, gathered) for f in found)
    return Findings(f"route-{c.id}~{number}", _title(key), mark, sentence, views)


def _title(key: RouteKey) -> str:
    checkpoint, section, safeguards, channel = key
    words = {
        "misuse": "Too weak to harm",
        "safeguards": f"Protected well enough: {safeguards}",
        "strip": "Taken out of the checkpoint, and the rest kept",
    }[section]
    where = ", after the strip" if checkpoint != SOURCE and section != "strip" else ""
    return words + where + (f", judged for {CHANNEL[channel]}" if channel is not None else "")


def _status(found: Sequence[Finding], key: RouteKey, c: CapabilityDecision) -> tuple[Mark, str]:
    """Whether a route is open, and what stands in its way."""
    closing = [f for f in found if not f.holds]
    doubted = c.closed or () if key[1] == "misuse" else ()
    if doubted:
        reasons = "; ".join(one.sentence for one in doubted[:MOST_NAMED])
        return Mark("not_shown", "closed"), f"This route is closed, whatever was measured: {reasons}."
    n = plural(len(found), "requirement")
    if not closing:
        waived = sum(f.status == "waived" for f in found)
        held = f"{n} hold{'s' if len(found) == 1 else ''}" + (f", {waived} of them by a waiver" if waived else "")
        return Mark("waived" if waived else "met", "open"), f"This route is open: {held}{_taken(key, c)}."
    named = "; ".join(f"{f.requirement} {_why(f)}" for f in closing[:MOST_NAMED])
    more = f"; and {len(closing) - MOST_NAMED} more" if len(closing) > MOST_NAMED else ""
    refuted = any(f.status == "violated" for f in closing)
    mark = Mark("violated", "closed") if refuted else Mark("not_shown", "not shown to be open")
    return mark, f"{len(closing)} of {n} {'does' if len(closing) == 1 else 'do'} not hold: {named}{more}."


def _taken(key: RouteKey, c: CapabilityDecision) -> str:
    """That the capability goes out by this very route."""
    _, section, safeguards, _ = key
    name = f"{section}/{safeguards}" if safeguards else section
    return ", and the capability goes out by it" if c.route == name else ""


def _why(finding: Finding) -> str:
    word = STATUS[finding.status].word
    return f"is {word} ({REASON[finding.reason]})" if finding.reason is not None else f"is {word}"
