"""A decision as JUnit suites: one a capability with a case a finding, and one for the verdict."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from releasegate.decision import Decision, Finding
from releasegate.decision.explaining import label_text
from releasegate.decision.owners import findings_by_capability
from releasegate.decision.record import EXIT_CODES, Status
from releasegate.reporting.annotations.junit import Case, Outcome, Suite
from releasegate.reporting.findings.distances import worst_first
from releasegate.reporting.findings.standing import standing
from releasegate.reporting.first.notices import notices
from releasegate.reporting.formats.annotated import MOST_SLICES, finding_name
from releasegate.reporting.formats.policy_places import UNKNOWN, PolicyPlaces
from releasegate.reporting.formats.rendered import Rendered
from releasegate.reporting.wording.discreet import told
from releasegate.reporting.wording.numbers import number, sentence
from releasegate.reporting.wording.words import ARTEFACT, CAPABILITY, CHANNEL, REASON, VERDICT

OUTCOME: Mapping[Status, Outcome] = {
    "met": "passed",
    "violated": "failure",
    "not_shown": "error",
    "waived": "skipped",
}
RESULT: Mapping[int, Outcome] = {0: "passed", 1: "failure", 3: "error"}
"""Of a verdict, by its exit code."""
VERDICT_SUITE, ELSEWHERE = "(verdict)", "(elsewhere)"
"""No capability has such an id: there are no brackets in one."""


def suites(rendered: Rendered) -> list[Suite]:
    """The verdict, then the capabilities in the order of the policy, then what belongs to none."""
    decision, places = told(rendered.decision, rendered.plan.policy), rendered.places
    cases: dict[str | None, list[Case]] = {c.id: [] for c in decision.capabilities}
    for owner, finding in findings_by_capability(decision, rendered.plan.policy):
        cases.setdefault(owner, []).append(_case(decision, owner, finding, places))
    about = {c.id: {"title": c.title, "verdict": c.verdict, "why": c.sentence} for c in decision.capabilities}
    found = [Suite(owner or ELSEWHERE, listed, about.get(owner or "", {})) for owner, listed in cases.items()]
    return [_verdicts(rendered, decision, places), *found]


def _verdicts(rendered: Rendered, decision: Decision, places: PolicyPlaces) -> Suite:
    facts = {
        "verdict": decision.verdict,
        "channel": decision.channel,
        "policy": decision.policy_digest,
        "plan": decision.plan,
        "evidence": decision.evidence,
        "model": decision.model,
        "decision": rendered.decision.digest(),
        "rehearsal": str(decision.rehearsal).lower(),
        "replay": str(decision.replay).lower(),
    }
    notes = [*notices(decision), *([] if places.known else [UNKNOWN])]
    cases = [*_artefacts(decision, notes, places), *_awaited(decision, places), *_approvals(rendered, places)]
    if decision.exit_code and all(case.outcome in ("passed", "skipped") for case in cases):
        cases.append(_whole(decision, places))
    return Suite(VERDICT_SUITE, cases, facts)


def _whole(decision: Decision, places: PolicyPlaces) -> Case:
    """The verdict itself, where no artefact that the policy lists is kept in by it: no suite is green that is no yes."""
    text, group = sentence(decision.summary), f"{decision.policy}.{VERDICT_SUITE}"
    return Case("release", group, RESULT[decision.exit_code], places.top, decision.verdict, text)


def _artefacts(decision: Decision, notes: list[str], places: PolicyPlaces) -> Iterator[Case]:
    for a in decision.artefacts:
        outcome = RESULT[EXIT_CODES[a.verdict]]
        lines = [*notes, sentence(decision.summary), f"Granted: {CHANNEL[a.granted]}; asked for: {CHANNEL[a.asked]}."]
        text = f"{VERDICT[a.verdict].word}: {a.sentence}"
        yield Case(
            ARTEFACT[a.name],
            f"{decision.policy}.{VERDICT_SUITE}",
            outcome,
            places.top,
            a.verdict,
            text,
            "\n".join(lines),
        )


def _awaited(decision: Decision, places: PolicyPlaces) -> Iterator[Case]:
    for name in decision.awaiting_strip:
        text = "No stripped checkpoint was measured yet, so nothing is decided about it."
        yield Case(
            f"strip of {name}",
            f"{decision.policy}.{VERDICT_SUITE}",
            "error",
            places.capability(name),
            "awaiting_strip",
            text,
        )


def _approvals(rendered: Rendered, places: PolicyPlaces) -> Iterator[Case]:
    """A role each, while a verdict lets something out: an error while somebody's signature is missing."""
    if not rendered.decision.lets_out:
        return
    for one in rendered.approvals:
        name, group = f"approval: {one.role}", f"{rendered.decision.policy}.{VERDICT_SUITE}"
        if one.missing:
            text = f"{one.missing} of {one.count} missing. Nothing goes out before."
            detail = "\n".join(one.idle)
            yield Case(name, group, "error", places.top, "awaiting_approval", text, detail)
        else:
            yield Case(name, group, "passed", places.top)


def _case(decision: Decision, owner: str | None, f: Finding, places: PolicyPlaces) -> Case:
    verdicts = {c.id: CAPABILITY[c.verdict].word for c in decision.capabilities}
    lines = [f"{places.file}:{places.requirement(f.requirement).line}", sentence(f.sentence), *_slices(f)]
    if f.settle and f.status == "not_shown":
        lines.append(f"To settle it: {sentence(f.settle)}")
    if owner is not None:
        lines.append(f"What becomes of {owner}: {verdicts[owner].lower()}.")
    reason = f.waived.reason if f.waived else f.sentence
    kind = f.status if f.reason is None else f"{f.status}: {REASON[f.reason]}"
    return Case(
        finding_name(f),
        f"{decision.policy}.{owner or ELSEWHERE}",
        OUTCOME[f.status],
        places.requirement(f.requirement),
        kind,
        reason,
        "\n".join(lines),
    )


def _slices(f: Finding) -> Iterator[str]:
    for s in worst_first(f, f.slices)[:MOST_SLICES]:
        at = standing(f, s)
        where = label_text(s.labels) or "all items"
        yield f"{where}: {at.estimate} ({at.bounds}), {at.limit}, {at.items}, alpha {number(s.estimate.alpha)}"
    left = len(f.slices) - MOST_SLICES
    if left > 0:
        yield f"… and {left} more"
