"""The report of a run: one HTML file that says what was decided, why, and what is not known."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from releasegate.decision import Decision
from releasegate.evidence import Evidence
from releasegate.garbage import uncollected
from releasegate.plan import Plan
from releasegate.receipt import Receipt
from releasegate.reporting.formats import Output, Rendered, write_outputs
from releasegate.reporting.gathered.gathering import gather
from releasegate.reporting.making import make_view
from releasegate.reporting.page import render_report
from releasegate.reporting.templating import templates_of
from releasegate.repository import GateRepository, RunFolder

__all__ = ["gather", "make_view", "render_report", "templates_of", "write_report"]


def write_report(
    run: RunFolder,
    repository: GateRepository,
    decision: Decision,
    plan: Plan,
    receipt: Receipt | None,
    evidence: Evidence | None = None,
    outputs: Sequence[Output] = (),
) -> Path:
    """The path of RUN/report.html, which is there whole, and so are the other outputs.

    Args:
        evidence: what was measured, where it was read already.

    Raises:
        EvidenceUntrusted: the evidence is not what the index says it was.
        DocumentError: a template of the gate repository does not render.
    """
    with uncollected():
        rendered = Rendered(run, decision, plan, receipt, templates_of(repository), evidence)
        write_outputs((Output("html", run.report_path), *outputs), rendered)
    return run.report_path
