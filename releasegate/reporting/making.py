"""From a decision and its evidence to what a report shows. Pure, but for outputs, which are read from the run."""

from __future__ import annotations

from pathlib import Path

from releasegate.approval import Wanted
from releasegate.decision import CapabilityDecision, Decision, Finding
from releasegate.decision.owners import after_by_capability, findings_by_capability
from releasegate.plan import Plan
from releasegate.receipt import Receipt
from releasegate.reporting.case import assurance_case
from releasegate.reporting.case.viewing import case_view
from releasegate.reporting.figures.grouping import figure_groups
from releasegate.reporting.findings.charting import charts
from releasegate.reporting.findings.measures import instruments
from releasegate.reporting.findings.resting import evidence_view
from releasegate.reporting.findings.routes import route_groups
from releasegate.reporting.findings.strip_effects import effects
from releasegate.reporting.findings.stripped import strip_view
from releasegate.reporting.first.screen import first_screen
from releasegate.reporting.frameworks import frameworks, tags_of
from releasegate.reporting.gathered.gathering import Gathered
from releasegate.reporting.samples.viewing import samples_view
from releasegate.reporting.standing import mark_of
from releasegate.reporting.views.report import CapabilityView, ReportView
from releasegate.reporting.wording.discreet import told
from releasegate.reporting.wording.numbers import MOST_TITLE, sentence, shortened
from releasegate.reporting.wording.words import CAPABILITY, route


def make_view(
    decision: Decision,
    plan: Plan,
    receipt: Receipt | None,
    gathered: Gathered,
    outputs: Path,
    approvals: tuple[Wanted, ...] = (),
) -> ReportView:
    """Everything that a report shows.

    Args:
        outputs: the folder of the run's outputs.
        approvals: every role that is asked for one, with what there is of it.
    """
    mark = mark_of(decision, plan, approvals)
    evidence = evidence_view(decision, plan, receipt, gathered)
    decision = told(decision, plan.policy)
    after = after_by_capability(decision, plan.policy)
    elsewhere = tuple(f for owner, f in findings_by_capability(decision, plan.policy) if owner is None)
    return ReportView(
        told=mark,
        first=first_screen(decision, plan, after, evidence.measurements, approvals),
        capabilities=tuple(_capability(c, after[c.id], plan, gathered) for c in decision.worst_first),
        figures=figure_groups(gathered, plan, decision, outputs),
        samples=samples_view(gathered, plan, decision, outputs),
        instruments=instruments(gathered, plan),
        strip=strip_view(receipt, decision, plan, gathered, elsewhere) if receipt else None,
        evidence=evidence,
        case=case_view(assurance_case(decision, plan, receipt, gathered)),
        frameworks=frameworks(decision, plan),
    )


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
        effects=effects(c.findings, after, plan, gathered),
        tags=tags_of(plan, c.id),
    )
