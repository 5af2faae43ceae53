"""`releasegate report`: the HTML report of a run, and an index over several."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import click

from releasegate.cli import options
from releasegate.cli.asked import policy_file, with_printed
from releasegate.cli.console import print_json
from releasegate.cli.reported import Reported, index_place, report_all
from releasegate.errors import Exit, UsageError
from releasegate.reporting import write_report
from releasegate.reporting.formats import Output, Taken, require_places
from releasegate.repository import GateRepository, RunFolder, read_decided, starter
from releasegate.repository.approvals import approvals_of


@click.command("report")
@click.argument("runs", type=options.FILE, nargs=-1, required=True, metavar="RUNS...")
@click.option(
    "--index",
    type=options.FILE,
    metavar="FILE",
    help="Where the index over the runs goes; default, for several: index.html in the folder that holds them all.",
)
@options.repository
@options.outputs
@options.report_format
def command(runs: tuple[Path, ...], index: Path | None, repo: Path, outputs: tuple[Output, ...], format_: str) -> int:
    """Render RUN/report.html of each run from its stored decision, with the templates of the gate repository.

    Of several runs, or with --index, also an index over them: what each came to, with a link to its report. A run that
    cannot be trusted is listed with the reason, the others are rendered all the same, and the exit code is 2.

    \b
    Example:
      releasegate report runs/mini-chameleon
      releasegate report runs/*/ --index runs/index.html
    """
    repository, today = GateRepository.here(repo), datetime.now(UTC).date()
    place = index_place(runs, index)
    if place is not None and (outputs or format_ not in ("text", "json")):
        option = "--output" if outputs else f"--format {format_}"
        raise UsageError(option, "is for one run, and there are several, or an index of them", "name one run alone")
    if place is not None:
        return _several(report_all(runs, place, repository, today), format_)
    asked = with_printed(outputs, format_)
    require_places(asked, Taken(RunFolder(runs[0]), repository))
    of = read_decided(RunFolder(runs[0]), repository, today)
    templates = repository or GateRepository(starter())
    file = policy_file(repository, of.plan)
    wanted = approvals_of(of.run, of.plan, repository, of.decision, today)
    path = write_report(of.run, templates, of.decision, of.plan, of.receipt, of.evidence, asked, file, wanted)
    if format_ == "text":
        for made in (path, *(output.path for output in outputs)):
            click.echo(str(made))
    return Exit.YES


def _several(found: Reported, format_: str) -> Exit:
    if format_ == "json":
        print_json(found.plain())
    else:
        for run in found.runs:
            if run.report:
                click.echo(run.report)
        click.echo(found.index)
    for problem in found.problems:
        click.echo(f"{problem.where}: {problem.what}\n  fix: {problem.fix}", err=True)
    return Exit.CANNOT if found.problems else Exit.YES
