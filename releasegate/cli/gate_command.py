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
from releasegate.errors import UsageError
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
    "--out",
    type=options.FILE,
    metavar="RUN",
    help="The run folder; an existing run is resumed. Of an extension: RUN-extended.",
)
@click.option(
    "--extend",
    type=options.FILE,
    metavar="RUN",
    help="Go on with this decided attempt, at its own alpha, in a new run folder.",
)
@click.option("--items", type=click.IntRange(min=1, max=10_000_000), metavar="N", help="Fresh items of an extension.")
@options.device
@options.dtype
@options.judge_from
@options.ledger
@options.ledger_head
@options.anchor
@options.artefact
@options.for_power
@click.option("--rehearse", is_flag=True, help="Measure rehearsal items; no attempt is spent, and nothing may go out.")
@options.outputs
@options.report_format
@options.quiet
def command(
    policy: Path,
    model: Path,
    out: Path | None,
    extend: Path | None,
    items: int | None,
    device: str,
    dtype: str,
    judge_from: str | None,
    ledger: Path | None,
    ledger_head: Anchor | None,
    anchor_run: Path | None,
    artefacts: tuple[str, ...],
    for_power: float | None,
    rehearse: bool,
    outputs: tuple[Output, ...],
    format_: str,
    quiet: bool,
) -> int:
    """Decide whether the model in CHECKPOINT may be published under POLICY.

    Measures it, decides, strips what has to go, measures again, writes the report, and exits with the verdict. Opening
    RUN spends an attempt in the ledger, which `releasegate ledger init` starts. --rehearse does the same on other items,
    at the alpha of the next attempt, and spends none. --extend goes on with an attempt on which a sequential requirement is
    unsettled, and spends none either. With --judge-from, POLICY is a path from the top of the Git repository, and an attempt
    needs --ledger.

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
    out = _place(out, extend, items, rehearse=rehearse)
    call = Call(policy, model, out, device, dtype, today, _nonce, ledger, anchor, rehearsal=rehearse, outputs=asked)
    call = replace(call, extends=extend, items=items)
    with judged(policy, judge_from) as judge:
        require_ledger(judge, ledger, counts=not rehearse)
        require_fresh(judge, RunFolder(out), rehearsal=rehearse)
        if artefacts:  # a wrong name is refused before an attempt is spent
            refuse_unlisted(GateRepository.around(judge.named).read_policy(judge.named).record, artefacts)
        call = replace(call, policy=judge.named, told_at=policy, judged_by=judge.commit, for_power=for_power)
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


def _place(out: Path | None, extend: Path | None, items: int | None, *, rehearse: bool) -> Path:
    """The run folder.

    Raises:
        UsageError: none is named, or an extension is asked for otherwise than it can be.
    """
    if (extend is None) != (items is None):
        raise UsageError("--extend", "goes with --items: which attempt goes on, and by how many items", "give both")
    if extend is None:
        if out is None:
            raise UsageError("releasegate gate", "Missing option '--out'.", "name the run folder with --out RUN")
        return out
    if rehearse:
        raise UsageError("--extend", "goes on with an attempt, and a rehearsal is none", "leave out one of the two")
    out = Path(f"{str(extend).rstrip('/')}-extended") if out is None else out
    if out.resolve() == extend.resolve():
        raise UsageError("--out", "is the run that goes on, which stays as it is", "name another folder")
    return out


def _decision(call: Call, bars: Bars) -> Decision:
    """Of a finished run as it stands; else of the whole story, for which what measures is imported."""
    decision = finished(call, bars)
    if decision is None:
        from releasegate.gate import gate

        decision = gate(call, bars)
    return decision


def _nonce() -> str:
    return secrets.token_hex(32)
