"""`releasegate report`: the HTML report of a run."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import click

from releasegate.cli import options
from releasegate.cli.console import print_json
from releasegate.errors import EvidenceUntrusted
from releasegate.reporting import write_report
from releasegate.repository import GateRepository, RunFolder, decide_run, starter


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
    days = {date.fromisoformat(plan.opened), datetime.now(UTC).date()}
    if decision not in [decide_run(folder, GateRepository.here(repo), day) for day in sorted(days)]:
        what = "is not what the evidence, the policy and the waivers decide"
        raise EvidenceUntrusted(str(folder.decision_path), what, "run `releasegate decide` again")
    path = write_report(folder, repository, decision, plan, folder.receipt())
    if format_ == "json":
        print_json({"report": str(path), "bytes": path.stat().st_size})
    else:
        click.echo(str(path))
    return 0
