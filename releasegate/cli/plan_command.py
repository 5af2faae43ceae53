"""`releasegate plan`: what would be measured, and what it could show."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime
from pathlib import Path

import click
from rich.markup import escape
from rich.table import Table

from releasegate.cli import options
from releasegate.cli.anchors import one_anchor
from releasegate.cli.console import Bars, output, print_json
from releasegate.decision.capacity import Capacity, capacity
from releasegate.errors import RunError
from releasegate.gate import open_model
from releasegate.intervals import effective_alpha
from releasegate.ledger import Anchor
from releasegate.opening import Attempt, first_plan, next_plan, open_or_resume
from releasegate.plan import Plan
from releasegate.policy import Requirement
from releasegate.repository import GateRepository, LedgerFile, RunFolder, family_ledger, ledger_path


@click.command("plan")
@click.argument("policy", type=options.FILE)
@options.model
@options.dtype
@click.option("--open", "run", type=options.FILE, metavar="RUN", help="Open an attempt in this run folder.")
@options.ledger
@options.ledger_head
@options.anchor
@options.format_
@options.quiet
def command(
    policy: Path,
    model: Path,
    dtype: str,
    run: Path | None,
    ledger: Path | None,
    ledger_head: Anchor | None,
    anchor_run: Path | None,
    format_: str,
    quiet: bool,
) -> int:
    """Show what a gate of CHECKPOINT under POLICY would measure, and how much each requirement can bear.

    Without --open it spends nothing. With it, the nonce is drawn and the plan lies in RUN.

    \b
    Example:
      releasegate plan policies/mini-chameleon.yaml --model examples/mini_chameleon/checkpoint
    """
    repository = GateRepository.around(policy)
    record = repository.read_policy(policy).record
    anchor = one_anchor(ledger_head, anchor_run)
    usual = ledger_path(repository.root, record.family)
    uncounted = run is None and ledger is None and anchor is None and not usual.exists()
    counted = LedgerFile(usual) if uncounted else family_ledger(repository, record, ledger)
    checkpoint = open_model(model, record, Bars(quiet=quiet))
    today = datetime.now(UTC).date().isoformat()
    attempt = Attempt(repository, record, checkpoint, dtype, today, lambda: secrets.token_hex(32), counted, anchor)
    if run is None:
        plan = first_plan(attempt) if uncounted else next_plan(attempt)
    else:
        folder = RunFolder(run)
        with folder.locked():
            if folder.plan_path.exists():
                raise RunError(str(run), "holds a run already", "resume it, or choose another folder")
            plan = open_or_resume(folder, attempt)
    if format_ == "json":
        print_json({**plan.plain(), "capacity": [found.plain() for _, found in _capacities(plan)]})
        return 0
    console = output()
    console.print(
        f"{plan.policy.id} · attempt {plan.attempt} · effective alpha {plan.alpha:.4f} · opened {plan.opened}"
    )
    if uncounted:
        fix = f"`releasegate ledger init {record.family}`"
        console.print(f"no ledger yet: planned as attempt 1; a gate needs one: {fix}", style="dim", markup=False)
    console.print(_measurements(plan))
    console.print(_requirements(plan))
    for r, found in _capacities(plan):
        if found.warning is not None:
            console.print(f"warning: {r.id}: {escape(found.warning)}", style="yellow")
    spent = sum(effective_alpha(record.release.alpha, j, 1) for j in range(1, plan.attempt + 1))
    left = record.release.alpha - spent
    console.print(f"alpha {record.release.alpha:g}: {left:.4f} left for the attempts after this one", style="dim")
    if run is not None:
        console.print(f"opened in {escape(str(run))}; go on with: releasegate eval {escape(str(run))} --model …")
    return 0


def _measurements(plan: Plan) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for title in ("eval", "role", "checkpoint", "items", "labels", "problem"):
        table.add_column(title)
    for m in plan.measurements:
        labels = sorted({name for cell in m.cells for name in cell.labels})
        table.add_row(m.eval, m.role, m.checkpoint, str(m.items), ", ".join(labels), escape(m.problem or ""))
    return table


def _capacities(plan: Plan) -> list[tuple[Requirement, Capacity]]:
    return [(r, capacity(plan, r, section)) for c in plan.policy.capabilities for section, _, r in c.sections()]


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
