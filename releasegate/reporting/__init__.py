"""The report of a run: one HTML file that says what was decided, why, and what is not known."""

from __future__ import annotations

from pathlib import Path

from releasegate.decision import Decision
from releasegate.plan import Plan
from releasegate.receipt import Receipt
from releasegate.reporting.gathered.gathering import gather
from releasegate.reporting.making import make_view
from releasegate.reporting.page import render_report, templates_of
from releasegate.repository import GateRepository, RunFolder
from releasegate.repository.writing import write_whole

__all__ = ["gather", "make_view", "render_report", "templates_of", "write_report"]


def write_report(
    run: RunFolder, repository: GateRepository, decision: Decision, plan: Plan, receipt: Receipt | None
) -> Path:
    """The path of RUN/report.html, which is there whole.

    Raises:
        EvidenceUntrusted: the evidence is not what the index says it was.
        DocumentError: a template of the gate repository does not render.
    """
    view = make_view(decision, plan, receipt, gather(run, plan, decision), run.outputs)
    write_whole(run.report_path, render_report(view, templates_of(repository)).encode())
    return run.report_path
