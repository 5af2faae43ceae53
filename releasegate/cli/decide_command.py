"""`releasegate decide`: the verdict on stored evidence. No model is needed, and none is run."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import click

from releasegate.cli import options
from releasegate.cli.console import output, print_json
from releasegate.cli.summary import print_summary
from releasegate.decision import decide
from releasegate.repository import RunFolder


@click.command("decide")
@options.run
@options.format_
def command(run: Path, format_: str) -> int:
    """Decide on the evidence of RUN, store the decision there, and exit with the verdict.

    \b
    Example:
      releasegate decide runs/mini-chameleon
    """
    folder = RunFolder(run)
    plan = folder.read_plan()
    today = datetime.now(UTC).date()
    decision = decide(plan.policy, plan, folder.evidence.read(plan), folder.receipt(), today)
    with folder.locked():
        folder.write_decision(decision)
    if format_ == "json":
        print_json(decision.plain())
    else:
        print_summary(output(), decision, {"decision": folder.decision_path})
    return decision.exit_code
