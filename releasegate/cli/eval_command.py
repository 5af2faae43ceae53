"""`releasegate eval`: measure what a run's plan lists and is missing."""

from __future__ import annotations

from pathlib import Path

import click

from releasegate.cli import options
from releasegate.cli.console import Bars, print_json
from releasegate.errors import RunError
from releasegate.evaluation import Bench, Target, measure
from releasegate.gate import measure_stripped, open_model
from releasegate.plan import SOURCE
from releasegate.repository import GateRepository, RunFolder


@click.command("eval")
@options.run
@options.model
@options.device
@options.repository
@options.format_
@options.quiet
def command(run: Path, model: Path, device: str, repo: Path, format_: str, quiet: bool) -> int:
    """Measure what the plan of RUN lists and what is missing: on CHECKPOINT, and on RUN/stripped if it is there.

    \b
    Example:
      releasegate eval runs/mini-chameleon --model examples/mini_chameleon/checkpoint
    """
    folder = RunFolder(run)
    plan = folder.read_plan()
    bars = Bars(quiet=quiet)
    with folder.locked():
        folder.evidence.mend_index()
        checkpoint = open_model(model, plan.policy, bars)
        if checkpoint.digest != plan.source:
            raise RunError(str(model), "is not the model that the attempt was opened for", "name that one")
        bench = Bench(folder, plan, GateRepository.around(repo), device, bars)
        measure(bench, Target(SOURCE, checkpoint))
        if folder.stripped.exists():
            measure_stripped(bench, checkpoint)
    done = list(folder.evidence.done().values())
    result = {
        "shards": len(done),
        "measured": sum(d.measured for d in done),
        "failed": sum(d.failed for d in done),
        "evidence": folder.evidence.read(plan).digest,
    }
    if format_ == "json":
        print_json(result)
    else:
        click.echo(f"{result['measured']} measured, {result['failed']} failed, in {result['shards']} shards")
    return 0
