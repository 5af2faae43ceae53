"""The first screen, put together from a decision and its plan."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from releasegate.approval import Wanted
from releasegate.decision import ArtefactDecision, CapabilityDecision, Decision, Finding
from releasegate.plan import Plan
from releasegate.reporting.findings.reasons import reason
from releasegate.reporting.first.approving import approvals, waiting
from releasegate.reporting.first.beyond import outside
from releasegate.reporting.first.changing import changes
from releasegate.reporting.first.leaning import leant_on
from releasegate.reporting.first.notices import notices
from releasegate.reporting.first.wanting import wanting
from releasegate.reporting.views.first import ArtefactLine, CapabilityLine, Fact, FirstScreen, Lines
from releasegate.reporting.views.report import MeasurementView
from releasegate.reporting.wording.numbers import MOST_PROSE, MOST_TEXT, MOST_TITLE, number, plural, shortened
from releasegate.reporting.wording.words import ARTEFACT, CAPABILITY, CHANNEL, VERDICT

MOST_CAPABILITIES = 8
"""Capabilities in sight, where not more of them are kept from going out."""
MOST_LINES = 6
"""Sentences in sight under one heading."""
MOST_CHANGES = 4
"""What would change the verdict, in sight."""


def first_screen(
    decision: Decision,
    plan: Plan,
    after: Mapping[str, tuple[Finding, ...]],
    measurements: tuple[MeasurementView, ...],
    approvals_wanted: tuple[Wanted, ...] = (),
) -> FirstScreen:
    """The answer in one screen.

    Args:
        after: by capability, the findings on the stripped checkpoint that belong to it.
        measurements: what was planned, and what became of it.
        approvals_wanted: every role that is asked to approve, with what there is of it.
    """
    shown, folded = _capabilities(decision, plan, after)
    change = changes(decision)
    return FirstScreen(
        title=decision.policy if decision.replay else shortened(plan.policy.title, MOST_TITLE),
        mark=VERDICT[decision.verdict],
        summary=shortened(_summary(decision), MOST_PROSE),
        notices=(*notices(decision), *waiting(decision, approvals_wanted)),
        facts=tuple(_facts(decision, plan, approvals_wanted)),
        artefacts=tuple(_artefact(a) for a in decision.artefacts) if len(decision.artefacts) > 1 else (),
        capabilities=shown,
        released=folded,
        not_measured=_lines(wanting(decision, measurements)),
        outside=_lines(outside(decision)),
        leans_on=_lines(leant_on(decision)),
        would_change=change[:MOST_CHANGES],
        changes_folded=change[MOST_CHANGES:],
        running=f"{decision.policy} · {VERDICT[decision.verdict].word}{' · rehearsal' if decision.rehearsal else ''}",
        aside=f"model {decision.model}",
    )


def _summary(decision: Decision) -> str:
    """The verdict in a sentence; of several artefacts, which of them may go out: each has a line of its own below."""
    if len(decision.artefacts) < 2:
        return decision.summary
    out = [_published(a) for a in decision.artefacts if a.granted != "none"]
    if not out:
        return f"None of {len(decision.artefacts)} artefacts may be published."
    names = f"{', '.join(out[:-1])} and {out[-1]}" if len(out) > 1 else out[0]
    return f"Of {len(decision.artefacts)} artefacts, {len(out)} may be published: {names}."


def _published(a: ArtefactDecision) -> str:
    """An artefact that may go out, and what that is bound to."""
    bound = ["stripped"] if a.verdict == "release_stripped" else []
    bound += [CHANNEL[a.granted]] if a.granted != a.asked else []
    return ARTEFACT[a.name].lower() + (f" ({', '.join(bound)})" if bound else "")


def _lines(found: Iterable[str]) -> Lines:
    """Sentences of bounded length; one that would be folded up alone is not."""
    told = tuple(shortened(line, MOST_TEXT) for line in found)
    most = len(told) if len(told) <= MOST_LINES + 1 else MOST_LINES
    return Lines(told[:most], told[most:])


def _capabilities(
    decision: Decision, plan: Plan, after: Mapping[str, tuple[Finding, ...]]
) -> tuple[tuple[CapabilityLine, ...], tuple[CapabilityLine, ...]]:
    """The worst first, and in sight; those that are released too, as far as there is room."""
    ordered = decision.worst_first
    held = sum(c.verdict != "release" for c in ordered)
    most = len(ordered) if len(ordered) <= MOST_CAPABILITIES + 1 else max(held, MOST_CAPABILITIES)
    lines = tuple(_capability(c, after[c.id], plan) for c in ordered)
    return lines[:most], lines[most:]


def _capability(c: CapabilityDecision, after: tuple[Finding, ...], plan: Plan) -> CapabilityLine:
    return CapabilityLine(
        anchor=f"capability-{c.id}",
        title=shortened(c.title, MOST_TITLE),
        mark=CAPABILITY[c.verdict],
        sentence=shortened(reason(c, after, plan), MOST_PROSE),
    )


def _artefact(a: ArtefactDecision) -> ArtefactLine:
    granted = f", granted for {CHANNEL[a.granted]}" if a.granted not in (a.asked, "none") else ""
    return ArtefactLine(
        name=ARTEFACT[a.name],
        mark=CAPABILITY[a.verdict],
        sentence=shortened(a.sentence, MOST_PROSE),
        channel=f"asked for {CHANNEL[a.asked]}{granted}",
    )


def _facts(decision: Decision, plan: Plan, approvals_wanted: tuple[Wanted, ...]) -> Iterable[Fact]:
    """What was judged, by what, when and by whom. Several artefacts have a channel each, which stands beside them."""
    layout = f"layout {plan.model.layout}"
    name = plan.policy.model.name
    yield Fact(f"model, {layout}" if name else "model", shortened(name, MOST_TITLE) if name else layout, decision.model)
    yield Fact("policy", decision.policy, decision.policy_digest)
    if len(decision.artefacts) == 1:
        asked = decision.artefacts[0].asked
        note = f"asked for: {CHANNEL[asked]}" if asked != decision.channel else ""
        yield Fact("channel", CHANNEL[decision.channel], note=note)
    yield Fact("opened", str(plan.opened), note=f"attempt {decision.attempt}, alpha {number(decision.alpha)}")
    yield approvals(decision, plan, approvals_wanted)
    yield Fact("evidence", plural(len(plan.measurements), "measurement"), decision.evidence)
