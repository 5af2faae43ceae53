"""Writing the report of a run: the page in its folder, and whatever else was asked for."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from releasegate.approval import Wanted
from releasegate.decision import Decision
from releasegate.evidence import Evidence
from releasegate.garbage import uncollected
from releasegate.plan import Plan
from releasegate.receipt import Receipt
from releasegate.reporting.formats import Output, Rendered, write_outputs
from releasegate.reporting.templating import templates_of
from releasegate.repository import GateRepository, RunFolder


def write_report(
    run: RunFolder,
    repository: GateRepository,
    decision: Decision,
    plan: Plan,
    receipt: Receipt | None,
    evidence: Evidence | None = None,
    outputs: Sequence[Output] = (),
    policy_file: Path | None = None,
    approvals: tuple[Wanted, ...] = (),
) -> Path:
    """The path of RUN/report.html, which is there whole, and so are the other outputs.

    Args:
        repository: whose templates the page is made of.
        evidence: what was measured, where it was read already.
        policy_file: where the policy lies, if it is at hand: annotations name its lines.
        approvals: every role that is asked for one, with what there is of it.

    Raises:
        EvidenceUntrusted: the evidence is not what the index says it was.
        DocumentError: a template of the gate repository does not render.
    """
    with uncollected():
        rendered = Rendered(run, decision, plan, receipt, templates_of(repository), evidence, policy_file, approvals)
        write_outputs((Output("html", run.report_path), *outputs), rendered)
    return run.report_path
