"""`releasegate gate`: the whole story."""

from __future__ import annotations

import secrets
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from releasegate.call import Call
from releasegate.cli import options
from releasegate.cli.anchors import one_anchor
from releasegate.cli.asked import refuse_unlisted, with_printed, written
from releasegate.cli.awaited import exit_with
from releasegate.cli.console import Bars, output
from releasegate.cli.judged import judged, require_fresh, require_ledger
from releasegate.decision import Decision
from releasegate.decision.wording import worded
from releasegate.finished import finished
from releasegate.plan import SOURCE
from releasegate.repository import GateRepository, RunFolder
from releasegate.repository.approvals import approvals_of

if TYPE_CHECKING:
    from releasegate.ledger import Anchor
    from releasegate.reporting.formats import Output


@click.command("gate")
@click.argument("policy", type=options.FILE)
@options.model
@click.option(
    "--out", type=options.FILE, required=True, metavar="RUN", help="The run folder; an existing run is resumed."
)
@options.device
@options.dtype
@options.judge_from
@options.ledger
@options.ledger_head
@options.anchor
@options.artefact
@click.option("--rehearse", is_flag=True, help="Measure rehearsal items; no attempt is spent, and nothing may go out.")
@options.outputs
@options.report_format
@options.quiet
def command(
    policy: Path,
    model: Path,
    out: Path,
    device: str,
    dtype: str,
    judge_from: str | None,
    ledger: Path | None,
    ledger_head: Anchor | None,
    anchor_run: Path | None,
    artefacts: tuple[str, ...],
    rehearse: bool,
    outputs: tuple[Output, ...],
    format_: str,
    quiet: bool,
) -> int:
    """Decide whether the model in CHECKPOINT may be published under POLICY.

    Measures it, decides, strips what has to go, measures again, writes the report, and exits with the verdict. Opening
    RUN spends an attempt in the ledger, which `releasegate ledger init` starts. --rehearse does the same on other items,
    at the alpha of the next attempt, and spends none. With --judge-from, POLICY is a path from the top of the Git
    repository, and an attempt needs --ledger.

    \b
    Example:
      releasegate gate policies/mini-chameleon.yaml \\
          --model examples/mini_chameleon/checkpoint --out runs/rehearsal --rehearse
      releasegate gate policies/mini-chameleon.yaml \\
          --model examples/mini_chameleon/checkpoint --out runs/mini-chameleon
    """
    anchor = one_anchor(ledger_head, anchor_run)
    today = datetime.now(UTC).date()
    asked = with_printed(outputs, format_)
    call = Call(policy, model, out, device, dtype, today, _nonce, ledger, anchor, rehearsal=rehearse, outputs=asked)
    with judged(policy, judge_from) as judge:
        require_ledger(judge, ledger, counts=not rehearse)
        require_fresh(judge, RunFolder(out), rehearsal=rehearse)
        if artefacts:  # a wrong name is refused before an attempt is spent
            refuse_unlisted(GateRepository.around(judge.named).read_policy(judge.named).record, artefacts)
        call = replace(call, policy=judge.named, told_at=policy, judged_by=judge.commit)
        decision = _decision(call, Bars(quiet=quiet))
        run = RunFolder(out)
        plan = run.read_plan()
        wanted = approvals_of(run, plan, GateRepository.around(judge.named), decision, today)
    if format_ == "text":
        from releasegate.cli.summary import print_summary

        places = {"report": run.report_path, "decision": run.decision_path}
        if any(a.checkpoint != SOURCE and a.granted != "none" for a in decision.artefacts):
            places["stripped"] = run.stripped
        places |= written(outputs)
        print_summary(output(), worded(decision, plan.policy), places, wanted)
    return exit_with(decision, artefacts, wanted)


def _decision(call: Call, bars: Bars) -> Decision:
    """Of a finished run as it stands; else of the whole story, for which what measures is imported."""
    decision = finished(call, bars)
    if decision is None:
        from releasegate.gate import gate

        decision = gate(call, bars)
    return decision


def _nonce() -> str:
    return secrets.token_hex(32)
