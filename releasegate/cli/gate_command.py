"""`releasegate gate`: the whole story."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime
from pathlib import Path

import click

from releasegate.cli import options
from releasegate.cli.console import Bars, output, print_json
from releasegate.cli.summary import print_summary
from releasegate.gate import Call, gate
from releasegate.repository import RunFolder


@click.command("gate")
@click.argument("policy", type=options.FILE)
@options.model
@click.option(
    "--out", type=options.FILE, required=True, metavar="RUN", help="The run folder; an existing run is resumed."
)
@options.device
@options.dtype
@options.format_
@options.quiet
def command(policy: Path, model: Path, out: Path, device: str, dtype: str, format_: str, quiet: bool) -> int:
    """Decide whether the model in CHECKPOINT may be published under POLICY.

    Measures it, decides, strips what has to go, measures again, writes the report, and exits with the verdict.

    \b
    Example:
      releasegate gate policies/mini-chameleon.yaml \\
          --model examples/mini_chameleon/checkpoint --out runs/mini-chameleon
    """
    call = Call(policy, model, out, device, dtype, datetime.now(UTC).date(), lambda: secrets.token_hex(32))
    decision = gate(call, Bars(quiet=quiet))
    run = RunFolder(out)
    if format_ == "json":
        print_json(decision.plain())
    else:
        places = {"report": run.report_path, "decision": run.decision_path}
        if decision.strip is not None:
            places["stripped"] = run.stripped
        print_summary(output(), decision, places)
    return decision.exit_code
