"""`releasegate eval`: measure what a run's plan lists and is missing."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import click

from releasegate.cli import options
from releasegate.cli.console import Bars, print_json
from releasegate.cli.judged import judged
from releasegate.evaluation import Bench
from releasegate.gate import measure_run, open_model
from releasegate.repository import GateRepository, RunFolder
from releasegate.repository.lock_file import require_locked
from releasegate.stripped import require_source


@click.command("eval")
@options.run
@options.model
@options.device
@options.judge_from
@options.repository
@options.format_
@options.quiet
def command(run: Path, model: Path, device: str, judge_from: str | None, repo: Path, format_: str, quiet: bool) -> int:
    """Measure what the plan of RUN lists and what is missing, on CHECKPOINT; strip it if the evidence asks for it, and
    measure what is left.

    That is everything between `plan --open` and `decide`. It needs no ledger and no secret, and stores no verdict.

    \b
    Example:
      releasegate eval runs/mini-chameleon --model examples/mini_chameleon/checkpoint
    """
    folder = RunFolder(run)
    plan = folder.read_plan()
    with judged(repo, judge_from) as judge, folder.locked():
        repository = GateRepository.around(judge.named)
        require_locked(repository)
        folder.evidence.mend_index()
        bench = Bench(folder, plan, repository, device, Bars(quiet=quiet))
        checkpoint = open_model(model, plan.policy, bench.progress)
        require_source(model, plan, checkpoint)
        folder.note_judge(judge.commit)
        decision = measure_run(bench, checkpoint, datetime.now(UTC).date())
    done = list(folder.evidence.done().values())
    result = {
        "shards": len(done),
        "measured": sum(d.measured for d in done),
        "failed": sum(d.failed for d in done),
        "evidence": decision.evidence,
    }
    if format_ == "json":
        print_json(result)
    else:
        click.echo(f"{result['measured']} measured, {result['failed']} failed, in {result['shards']} shards")
    return 0
