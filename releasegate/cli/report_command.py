"""`releasegate report`: the HTML report of a run."""

from __future__ import annotations

from pathlib import Path

import click

from releasegate.cli import options
from releasegate.cli.console import print_json
from releasegate.errors import EvidenceUntrusted
from releasegate.reporting import write_report
from releasegate.repository import GateRepository, RunFolder, starter


@click.command("report")
@options.run
@options.repository
@options.format_
def command(run: Path, repo: Path, format_: str) -> int:
    """Render RUN/report.html from the stored decision, with the templates of the gate repository.

    \b
    Example:
      releasegate report runs/mini-chameleon
    """
    repository = GateRepository.here(repo) or GateRepository(starter())
    folder = RunFolder(run)
    plan, decision = folder.read_plan(), folder.read_decision()
    if (decision.plan, decision.evidence) != (plan.fixed, folder.evidence.read(plan).digest):
        raise EvidenceUntrusted(
            str(folder.decision_path), "was made on another plan or other evidence", "run `releasegate decide` again"
        )
    path = write_report(folder, repository, decision, plan, folder.receipt())
    if format_ == "json":
        print_json({"report": str(path), "bytes": path.stat().st_size})
    else:
        click.echo(str(path))
    return 0
