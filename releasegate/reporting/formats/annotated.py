"""A decision as annotations: what does not hold, at the line of the policy that asks for it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from releasegate.decision import Decision, Finding
from releasegate.decision.explaining import label_text
from releasegate.decision.owners import findings_by_capability
from releasegate.policy import Policy
from releasegate.reporting.annotations.annotation import Annotation, Level, Rule, shown
from releasegate.reporting.findings.distances import worst_first
from releasegate.reporting.first.approving import waiting
from releasegate.reporting.first.notices import notices
from releasegate.reporting.formats.policy_places import UNKNOWN, PolicyPlaces
from releasegate.reporting.formats.rendered import Rendered
from releasegate.reporting.wording.discreet import told
from releasegate.reporting.wording.numbers import MOST_TITLE, limit, sentence
from releasegate.reporting.wording.words import CHANNEL, SECTION, SIDE, STATUS, VERDICT, checkpoint

VERDICT_RULE, STRIP_RULE = "releasegate/verdict", "releasegate/strip"
"""No requirement has such an id: there is no `/` in one."""
MOST_SLICES = 20
"""Slices of one finding whose estimates are listed, the worst first."""
MOST_TAGS = 20
ASKED = {
    **{section: f"the capability is {so}" for section, so in SECTION.items()},
    "keep": "what is to stay survives the strip",
}
"""What a requirement of each section is asked for."""


def annotated(rendered: Rendered) -> list[Annotation]:
    """One for the verdict, then one for each finding that does not hold or is waived, and each strip that is awaited."""
    decision, places = told(rendered.decision, rendered.plan.policy), rendered.places
    return [
        _verdict(decision, places, waiting(decision, rendered.approvals)),
        *(_awaited(decision, name, places) for name in decision.awaiting_strip),
        *_findings(decision, rendered.plan.policy, places),
    ]


def rules(rendered: Rendered) -> list[Rule]:
    """One for each requirement, in the order of the policy, and two for what is said of the whole."""
    policy, places = rendered.plan.policy, rendered.places
    own = [
        Rule(VERDICT_RULE, "The verdict on the release", "What the findings come to.", places.top),
        Rule(STRIP_RULE, "A strip that is to come", "The stripped checkpoint must be measured as well.", places.top),
    ]
    known = dict(_requirement_rules(policy, places))
    for finding in rendered.decision.findings:
        known.setdefault(finding.requirement, Rule(finding.requirement, finding.metric, finding.metric, places.top))
    return [*known.values(), *own]


def properties(rendered: Rendered) -> dict[str, Any]:
    """What a log says of the run as a whole."""
    decision = told(rendered.decision, rendered.plan.policy)
    return {
        "verdict": decision.verdict,
        "verdictWithoutWaivers": decision.verdict_without_waivers,
        "exitCode": decision.exit_code,
        "channel": decision.channel,
        "rehearsal": decision.rehearsal,
        "replay": decision.replay,
        "attempt": decision.attempt,
        "alpha": decision.alpha,
        "policy": decision.policy,
        "policyDigest": decision.policy_digest,
        "plan": decision.plan,
        "evidence": decision.evidence,
        "model": decision.model,
        "decision": rendered.decision.digest(),
        "awaitingApproval": [one.text for one in rendered.approvals if one.missing],
        "awaitingStrip": list(decision.awaiting_strip),
        "linesKnown": rendered.places.known,
    }


def _requirement_rules(policy: Policy, places: PolicyPlaces) -> Iterator[tuple[str, Rule]]:
    for capability in policy.capabilities:
        for section, _, r in capability.sections():
            side, number = r.stated
            title = f"{r.metric} {SIDE[side]} {limit(number)}"
            why = f"{sentence(shown(capability.title, MOST_TITLE))} {sentence(capability.rationale)}"
            text = f"{why} Asked for so that {ASKED[section]}: {title}."
            tags = sorted({*(capability.tags or ()), section})[:MOST_TAGS]
            facts = {"capability": capability.id, "section": section, "metric": r.metric, "tags": tags}
            yield r.id, Rule(r.id, title, text, places.requirement(r.id), facts)


def _verdict(decision: Decision, places: PolicyPlaces, waits: list[str]) -> Annotation:
    said = [*notices(decision), *waits, sentence(decision.summary), *([] if places.known else [UNKNOWN])]
    level: Level = "error" if decision.exit_code or waits else "note"
    title = f"{VERDICT[decision.verdict].word}: {decision.policy}"
    return Annotation(VERDICT_RULE, level, places.top, title, " ".join(said), (decision.policy,))


def _awaited(decision: Decision, name: str, places: PolicyPlaces) -> Annotation:
    text = "No stripped checkpoint was measured yet, so nothing is decided about it."
    return Annotation(
        STRIP_RULE, "error", places.capability(name), f"{name}: strip awaited", text, (decision.policy, name)
    )


def _findings(decision: Decision, policy: Policy, places: PolicyPlaces) -> Iterator[Annotation]:
    out = {c.id for c in decision.capabilities if c.verdict in ("release", "release_stripped")}
    for owner, f in findings_by_capability(decision, policy):
        if f.status == "met":
            continue
        released = owner in out
        yield Annotation(
            f.requirement,
            _level(f, released=released),
            places.requirement(f.requirement),
            finding_name(f) + f": {STATUS[f.status].word}",
            " ".join(_sentences(f, decision, places, released=released)),
            finding_key(decision, f),
            f.waived.reason if f.waived else None,
            {"capability": owner, **finding_facts(f)},
        )


def _level(f: Finding, *, released: bool) -> Level:
    """A finding that stands in the way of nothing is a note: a system that stops at errors would stop a release."""
    if f.holds or released:
        return "note"
    return "error" if f.status == "violated" else "warning"


def _sentences(f: Finding, decision: Decision, places: PolicyPlaces, *, released: bool) -> Iterator[str]:
    if decision.rehearsal:
        yield "Rehearsal."
    if decision.replay:
        yield "Replay."
    yield sentence(f.sentence)
    if f.waived is not None:
        yield f"Waived by {f.waived.owner} until {f.waived.expires}: {sentence(f.waived.reason)}"
    elif released:
        yield "The capability goes out all the same, by another route."
    elif f.settle and f.status != "violated":
        yield f"To settle it: {sentence(f.settle)}"
    if not places.known:
        yield UNKNOWN


def finding_name(f: Finding) -> str:
    """Which requirement on which checkpoint, and at which channel where that matters."""
    at = f" at {CHANNEL[f.channel]}" if f.channel else ""
    return f"{f.requirement} ({checkpoint(f.checkpoint)}{at})"


def finding_key(decision: Decision, f: Finding) -> tuple[str, ...]:
    """What a finding is about, whatever was measured."""
    return (decision.policy, f.section, f.safeguards or "", f.checkpoint, f.channel or "", f.metric)


def finding_facts(f: Finding) -> dict[str, Any]:
    """A finding with the estimates of its worst slices, as JSON data in full precision."""
    return {
        "status": f.status,
        "reason": f.reason,
        "section": f.section,
        "safeguards": f.safeguards,
        "checkpoint": f.checkpoint,
        "channel": f.channel,
        "metric": f.metric,
        "side": f.side,
        "limit": f.limit,
        "waiver": f.waived.waiver if f.waived else None,
        "slices": len(f.slices),
        "estimates": [
            {
                "slice": shown(label_text(s.labels)),
                "status": s.status,
                "value": s.estimate.value,
                "low": s.estimate.low,
                "high": s.estimate.high,
                "alpha": s.estimate.alpha,
                "method": s.estimate.method,
                "planned": s.estimate.planned,
                "scored": s.estimate.scored,
                "failed": s.estimate.failed,
            }
            for s in worst_first(f, f.slices)[:MOST_SLICES]
        ],
    }
