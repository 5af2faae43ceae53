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
from releasegate.decision.slices import slices_of
from releasegate.errors import RunError
from releasegate.gate import open_model
from releasegate.intervals import Side, items_to_settle, most_hits
from releasegate.ledger import Anchor
from releasegate.opening import Attempt, ledger_of, new_plan, open_or_resume
from releasegate.plan import SOURCE, Plan
from releasegate.policy import Requirement
from releasegate.repository import GateRepository, RunFolder


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
    checkpoint = open_model(model, record, Bars(quiet=quiet))
    counted = ledger_of(repository, record, ledger)
    anchor = one_anchor(ledger_head, anchor_run)
    today = datetime.now(UTC).date().isoformat()
    attempt = Attempt(repository, record, checkpoint, dtype, today, lambda: secrets.token_hex(32), counted, anchor)
    if run is None:
        number = counted.read(record.id, anchor).next_attempt if counted is not None else 1
        plan = new_plan(attempt, today, number)
    else:
        folder = RunFolder(run)
        with folder.locked():
            if folder.plan_path.exists():
                raise RunError(str(run), "holds a run already", "resume it, or choose another folder")
            plan = open_or_resume(folder, attempt)
    if format_ == "json":
        print_json(plan.plain())
        return 0
    console = output()
    console.print(
        f"{plan.policy.id} · attempt {plan.attempt} · effective alpha {plan.alpha:.4f} · opened {plan.opened}"
    )
    console.print(_measurements(plan))
    console.print(_requirements(plan))
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


def _requirements(plan: Plan) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for title in ("requirement", "metric", "limit", "items a slice", "may go wrong", "needs at least"):
        table.add_column(title)
    for capability in plan.policy.capabilities:
        for section, _, r in capability.sections():
            table.add_row(r.id, r.metric, _limit(r), *_capacity(plan, r, section))
    return table


def _limit(r: Requirement) -> str:
    return next(
        f"{name} {getattr(r, name):g}" for name in ("at_most", "at_least", "margin") if getattr(r, name) is not None
    )


def _capacity(plan: Plan, r: Requirement, section: str) -> tuple[str, str, str]:
    """Items of the smallest slice, how many of them may go wrong, and the fewest that could show anything."""
    places = [s.name for s in plan.strips] if section in ("removal", "keep") else [SOURCE]
    measurement = next((m for m in plan.measurements if m.eval == r.eval and m.checkpoint in places), None)
    if measurement is None or not measurement.cells:
        return "none", "–", "–"
    n = min(part.planned for part in slices_of(r, plan.cards[r.eval], measurement.cells))
    side: Side = "at_least" if r.at_least is not None else "at_most"
    metric = plan.cards[r.eval].metrics[r.metric_name]
    halved = r.margin is not None or metric.judged_by is not None or metric.threshold is not None
    alpha = plan.alpha / 2 if halved else plan.alpha
    limit = next(x for x in (r.at_most, r.at_least, r.margin) if x is not None)
    wrong = most_hits(n, limit, side, alpha) if n else None
    needed = items_to_settle(0.0 if side == "at_most" else 1.0, limit, side, alpha)
    return str(n), "not even none" if wrong is None else str(wrong), str(needed)
