"""From a decision and its evidence to what a report shows. Pure, but for outputs, which are read from the run."""

from __future__ import annotations

from pathlib import Path

from releasegate.decision import ArtefactDecision, CapabilityDecision, Decision, Finding
from releasegate.plan import Plan
from releasegate.receipt import Receipt
from releasegate.reporting.figures.grouping import figure_groups
from releasegate.reporting.findings.charting import charts
from releasegate.reporting.findings.finding import anchor
from releasegate.reporting.findings.measures import instruments
from releasegate.reporting.findings.reasons import reason
from releasegate.reporting.findings.resting import evidence_view
from releasegate.reporting.findings.routes import route_groups
from releasegate.reporting.findings.stripped import strip_view
from releasegate.reporting.gathered.gathering import Gathered
from releasegate.reporting.samples.playing import listening
from releasegate.reporting.samples.showing import answers, galleries
from releasegate.reporting.view import (
    ArtefactLine,
    CapabilityLine,
    CapabilityView,
    FirstScreen,
    Pair,
    ReportView,
)
from releasegate.reporting.wording.numbers import MOST_PROSE, MOST_TITLE, number, sentence, shortened
from releasegate.reporting.wording.words import ARTEFACT, CAPABILITY, CHANNEL, VERDICT, route


def make_view(decision: Decision, plan: Plan, receipt: Receipt | None, gathered: Gathered, outputs: Path) -> ReportView:
    """Everything that a report shows.

    Args:
        outputs: the folder of the run's outputs.
    """
    after = {c.id: _after(decision, plan, c) for c in decision.capabilities}
    placed = {anchor(f) for findings in after.values() for f in findings}
    elsewhere = tuple(f for f in (decision.strip.findings if decision.strip else ()) if anchor(f) not in placed)
    evidence = evidence_view(decision, plan, receipt, gathered)
    return ReportView(
        first=_first(decision, plan, after),
        capabilities=tuple(_capability(c, after[c.id], plan, gathered) for c in decision.capabilities),
        figures=figure_groups(gathered, plan, decision, outputs),
        listening=listening(gathered, plan, decision, outputs),
        galleries=galleries(gathered, plan, decision, outputs),
        answers=answers(gathered, plan, decision),
        instruments=instruments(gathered, plan),
        strip=strip_view(receipt, decision, plan, gathered, elsewhere) if receipt else None,
        evidence=evidence,
        hashed=plan.policy.hashes_samples,
    )


def _after(decision: Decision, plan: Plan, c: CapabilityDecision) -> tuple[Finding, ...]:
    """The findings on the stripped checkpoint that belong to a capability."""
    policy = next((p for p in plan.policy.capabilities if p.id == c.id), None)
    names = {requirement.id for _, _, requirement in policy.sections()} if policy else set()
    return tuple(f for f in (decision.strip.findings if decision.strip else ()) if f.requirement in names)


def _first(decision: Decision, plan: Plan, after: dict[str, tuple[Finding, ...]]) -> FirstScreen:
    return FirstScreen(
        title=decision.policy if decision.replay else shortened(plan.policy.title, MOST_TITLE),
        mark=VERDICT[decision.verdict],
        summary=shortened(decision.summary, MOST_PROSE),
        notices=tuple(_notices(decision)),
        facts=_facts(decision, plan),
        artefacts=tuple(_artefact(a) for a in decision.artefacts) if len(decision.artefacts) > 1 else (),
        capabilities=tuple(
            CapabilityLine(
                f"capability-{c.id}",
                shortened(c.title, MOST_TITLE),
                CAPABILITY[c.verdict],
                reason(c, after[c.id], plan),
            )
            for c in decision.capabilities
        ),
        not_measured=tuple(shortened(line, MOST_PROSE) for line in decision.not_measured),
        outside=tuple(shortened(line, MOST_PROSE) for line in decision.outside),
        leans_on=tuple(shortened(line, MOST_PROSE) for line in decision.leans_on),
        would_change=tuple(_would_change(decision)),
    )


def _artefact(a: ArtefactDecision) -> ArtefactLine:
    granted = f", granted for {CHANNEL[a.granted]}" if a.granted not in (a.asked, "none") else ""
    return ArtefactLine(
        name=ARTEFACT[a.name],
        mark=CAPABILITY[a.verdict],
        sentence=shortened(a.sentence, MOST_PROSE),
        channel=f"asked for {CHANNEL[a.asked]}{granted}",
    )


def _notices(decision: Decision) -> list[str]:
    found = []
    if decision.rehearsal:
        found.append(
            f"Rehearsal: measured on rehearsal items, at the alpha of attempt {decision.attempt}. It counts for nothing, and "
            "nothing of it may go out."
        )
    elif decision.ledger is not None and not decision.ledger.anchored:
        found.append("Ledger: unanchored. Attempts removed from its end would not be seen.")
    if decision.replay:
        found.append(
            "Replay: judged by another policy than the one that was fixed before measuring. Never to be published."
        )
    if decision.awaiting_strip:
        found.append("No stripped checkpoint was measured yet, so nothing is decided about it.")
    return found


def _facts(decision: Decision, plan: Plan) -> tuple[Pair, ...]:
    """Several artefacts have a channel each, which stands beside them."""
    channel = (Pair("channel", CHANNEL[decision.channel]),) if len(decision.artefacts) == 1 else ()
    return (
        *channel,
        Pair("opened", f"{plan.opened}, attempt {decision.attempt}"),
        Pair("effective alpha", number(decision.alpha)),
        Pair(f"model, layout {plan.model.layout}", decision.model, code=True),
        Pair(f"policy {decision.policy}", decision.policy_digest, code=True),
        Pair("evidence", decision.evidence, code=True),
    )


def _would_change(decision: Decision) -> list[Pair]:
    """What would settle each requirement that is not met, where the verdict is not a clean release."""
    findings = [f for c in decision.capabilities for f in c.findings]
    findings += decision.strip.findings if decision.strip else ()
    return [Pair(f.requirement, f.settle) for f in findings if f.status == "not_shown" and f.settle]


def _capability(c: CapabilityDecision, after: tuple[Finding, ...], plan: Plan, gathered: Gathered) -> CapabilityView:
    return CapabilityView(
        anchor=f"capability-{c.id}",
        title=shortened(c.title, MOST_TITLE),
        id=c.id,
        rationale=c.rationale,
        mark=CAPABILITY[c.verdict],
        route=sentence(route(c.route)),
        sentence=sentence(c.sentence),
        groups=route_groups(c, after, plan, gathered),
        charts=charts((*c.findings, *after), plan),
    )
