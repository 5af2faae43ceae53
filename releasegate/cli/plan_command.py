"""`releasegate plan`: what would be measured, and what it could show."""

from __future__ import annotations

import secrets
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.markup import escape
from rich.table import Table

from releasegate.cli import options
from releasegate.cli.anchors import one_anchor
from releasegate.cli.budget import Budget, budget, duration, in_words, time_in_words
from releasegate.cli.console import Bars, output, print_json
from releasegate.cli.judged import Judged, judged, require_ledger
from releasegate.cli.powered import print_powers
from releasegate.decision.capacity import Capacity, capacity
from releasegate.decision.powers import powers
from releasegate.errors import ReleaseGateError, RunError
from releasegate.ledger import Anchor
from releasegate.ledger import Attempt as AttemptSpent
from releasegate.plan import Plan
from releasegate.policy import Requirement
from releasegate.repository import GateRepository, LedgerFile, RunFolder, family_ledger, ledger_path
from releasegate.repository.lock_file import require_locked
from releasegate.stripped import open_source

if TYPE_CHECKING:
    from releasegate.opening import Attempt


@click.command("plan")
@click.argument("policy", type=options.FILE)
@options.model
@options.dtype
@click.option("--open", "run", type=options.FILE, metavar="RUN", help="Open an attempt in this run folder.")
@options.judge_from
@options.ledger
@options.ledger_head
@options.anchor
@options.for_power
@options.format_
@options.quiet
def command(
    policy: Path,
    model: Path,
    dtype: str,
    run: Path | None,
    judge_from: str | None,
    ledger: Path | None,
    ledger_head: Anchor | None,
    anchor_run: Path | None,
    for_power: float | None,
    format_: str,
    quiet: bool,
) -> int:
    """Show what a gate of CHECKPOINT under POLICY would measure, and how much each requirement can bear.

    Without --open it spends nothing. With it, the nonce is drawn and the plan lies in RUN; then nothing else is left to
    do that needs the ledger but `decide`. Power is the chance that a model half-way between every limit and the ideal
    passes; --for-power plans as many generated items as that takes.

    \b
    Example:
      releasegate plan policies/mini-chameleon.yaml --model examples/mini_chameleon/checkpoint
    """
    anchor = one_anchor(ledger_head, anchor_run)
    with judged(policy, judge_from) as judge:
        require_ledger(judge, ledger, counts=run is not None)
        plan, known, lacking = _planned(judge, model, dtype, run, ledger, anchor, Bars(quiet=quiet), for_power)
    uncounted = known is None
    spent = (known or ())[: plan.attempt if run is not None else plan.attempt - 1]  # others may open more meanwhile
    if format_ == "json":
        more = {"duration": duration(plan).plain(), "budget": budget(plan, spent).plain()}
        able = {"capacity": [found.plain() for _, found in _capacities(plan)], "power": powers(plan).plain()}
        print_json({**plan.plain(), **able, **more})
        return 0
    _print(plan, spent, opened=run is not None, uncounted=uncounted)
    for refusal in _refusals(plan, lacking):
        output().print(f"warning: a gate opens no attempt: {escape(refusal)}", style="yellow")
    if run is not None:
        click.echo(f"opened in {run}; go on with: releasegate eval {run} --model …")
    return 0


def _refusals(plan: Plan, lacking: list[ReleaseGateError]) -> list[str]:
    """Why a gate on this machine would open no attempt: what it lacks, and code that cannot say what to measure."""
    said = {f"{p.where}: {p.what}": p.fix for error in lacking for p in error.problems}
    planned = {m.problem: "correct it" for m in plan.measurements if m.problem is not None}
    return [f"{what}; fix: {fix}" for what, fix in {**planned, **said}.items()]


def _planned(
    judge: Judged,
    model: Path,
    dtype: str,
    run: Path | None,
    ledger: Path | None,
    anchor: Anchor | None,
    bars: Bars,
    for_power: float | None,
) -> tuple[Plan, tuple[AttemptSpent, ...] | None, list[ReleaseGateError]]:
    """The plan, opened if a run folder is named; the attempts that the ledger knows, or None if there is none; what is missing.

    What measures is imported once all files that are named were found: it takes seconds.
    """
    repository = GateRepository.around(judge.named)
    require_locked(repository, judge.named)
    policy = repository.read_policy(judge.named).record
    usual = ledger_path(repository.root, policy.family)
    uncounted = run is None and ledger is None and anchor is None and not usual.exists()
    counted = LedgerFile(usual) if uncounted else family_ledger(repository, policy, ledger)
    if run is not None:
        RunFolder(run).require_place(model)
    with bars.reading(model) as watch:
        checkpoint = open_source(model, policy, watch)
    from releasegate.evaluation import (
        missing_material,
        missing_reader,
        require_answers,
        require_material,
        require_reader,
    )
    from releasegate.opening import Attempt, first_plan, next_plan

    today = datetime.now(UTC).date().isoformat()
    attempt = Attempt(repository, policy, checkpoint, dtype, today, lambda: secrets.token_hex(32), counted, anchor)
    attempt = replace(attempt, for_power=for_power)
    if run is None:
        lacking = [*missing_material(repository, policy), *missing_reader(repository, policy, checkpoint)]
        if uncounted:
            return first_plan(attempt), None, lacking
        return next_plan(attempt), counted.read(policy.family, anchor).attempts, lacking
    require_material(repository, policy)
    require_reader(repository, policy, checkpoint)
    require_answers(policy.model.subject, checkpoint)
    plan = _opened(RunFolder(run), attempt, judge)
    return plan, counted.read(policy.family, anchor).attempts, []


def _opened(folder: RunFolder, attempt: Attempt, judge: Judged) -> Plan:
    from releasegate.opening import open_or_resume

    with folder.locked():
        if folder.plan_path.exists():
            raise RunError(str(folder.root), "holds a run already", "resume it, or choose another folder")
        plan = open_or_resume(folder, attempt)
        folder.note_judge(judge.commit)
    return plan


def _print(plan: Plan, spent: tuple[AttemptSpent, ...], *, opened: bool, uncounted: bool) -> None:
    console, found = output(), budget(plan, spent)
    day = f"opened {plan.opened}" if opened else f"as of {plan.opened}, and nothing is spent"
    console.print(
        f"{plan.policy.id} · attempt {plan.attempt} · effective alpha {plan.alpha:.4f}, "
        f"{_next_alpha(found)} at the next · {day}"
    )
    if uncounted:
        fix = f"`releasegate ledger init {plan.policy.family}`"
        console.print(f"no ledger yet: planned as attempt 1; a gate needs one: {fix}", style="dim", markup=False)
    console.print(in_words(found, len(spent) + 1), style="dim")
    console.print(_measurements(plan))
    console.print(f"about {time_in_words(duration(plan).total)} in all, on two CPU cores", style="dim")
    console.print(_requirements(plan))
    for r, able in _capacities(plan):
        if able.warning is not None:
            console.print(f"warning: {r.id}: {escape(able.warning)}", style="yellow")
    print_powers(console, plan)


def _next_alpha(found: Budget) -> str:
    return "none" if found.next_effective_alpha is None else f"{found.next_effective_alpha:.4f}"


def _measurements(plan: Plan) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for title in ("eval", "role", "checkpoint", "items", "about", "labels", "problem"):
        table.add_column(title, justify="right" if title in ("items", "about") else "left")
    for m, seconds in zip(plan.measurements, duration(plan).measurements, strict=True):
        labels = sorted({name for cell in m.cells for name in cell.labels})
        table.add_row(
            m.eval,
            m.role,
            m.checkpoint,
            str(m.items),
            time_in_words(seconds),
            ", ".join(labels),
            escape(m.problem or ""),
        )
    return table


def _capacities(plan: Plan) -> list[tuple[Requirement, Capacity]]:
    policy = plan.policy
    return [(r, capacity(plan, r, section)) for c in policy.capabilities for section, r in plan.stated(policy, c)]


def _requirements(plan: Plan) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for title in ("requirement", "limit", "items", "may go wrong", "needs", "next attempt", "power", "expected items"):
        table.add_column(title, justify="left" if title in ("requirement", "limit") else "right")
    for r, found in _capacities(plan):
        slices = f" x {found.slices}" if found.slices > 1 else ""
        power = "" if found.power is None else f"{found.power:.3f} at {found.truth:g}"
        cells = (found.may_go_wrong, found.needs, found.needs_next)
        expected = "" if found.mean_items is None else f"{found.mean_items:.0f}"
        counts = ["–" if cell is None else str(cell) for cell in cells]
        table.add_row(r.id, f"{r.stated[0]} {r.stated[1]:g}", f"{found.items}{slices}", *counts, power, expected)
    return table
