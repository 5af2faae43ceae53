"""`releasegate ledger`: the record of a family's attempts."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import click
from rich.table import Table

from releasegate.cli import options
from releasegate.cli.console import output, print_json
from releasegate.cli.summary import short
from releasegate.ledger import Anchor, Attempt, LedgerView, parse_anchor, parse_family
from releasegate.policy import Policy
from releasegate.repository import GateRepository
from releasegate.repository.ledger_file import LedgerFile, ledger_path

family = click.argument("family", callback=lambda ctx, param, value: parse_family(value, "FAMILY"))
ledger = click.option(
    "--ledger", type=options.FILE, metavar="FILE", help="Default: policies/ledger/FAMILY.jsonl of the gate repository."
)


@click.group("ledger", no_args_is_help=False)
def command() -> None:
    """The ledger of FAMILY: every attempt to publish, in order, in a file that only grows.

    \b
    Example:
      releasegate ledger init mini-chameleon
      releasegate ledger show mini-chameleon
    """


@command.command("init")
@family
@ledger
@options.repository
@options.format_
def init(family: str, ledger: Path | None, repo: Path, format_: str) -> int:
    """Start the ledger of FAMILY.

    A file that is there already is refused.

    \b
    Example:
      releasegate ledger init mini-chameleon
    """
    view = _file(family, ledger, repo).init(family)
    if format_ == "json":
        print_json({"ledger": view.source, "family": view.family, "count": view.count, "head": view.head})
    else:
        click.echo(f"{view.source}: started; next is attempt {view.next_attempt}")
    return 0


@command.command("show")
@family
@ledger
@options.repository
@options.format_
def show(family: str, ledger: Path | None, repo: Path, format_: str) -> int:
    """Show the attempts of FAMILY, and the next one's alpha.

    \b
    Example:
      releasegate ledger show mini-chameleon
    """
    view = _file(family, ledger, repo).read(family)
    upcoming = _next(view, _policy(family, repo))
    if format_ == "json":
        print_json(
            {
                "family": view.family,
                "count": view.count,
                "head": view.head,
                "attempts": [_plain(attempt) for attempt in view.attempts],
                "next": upcoming,
            }
        )
        return 0
    if view.attempts:
        output().print(_table(view))
    click.echo(f"next: attempt {upcoming['attempt']}, {_alpha_text(upcoming)}")
    click.echo(f"anchor: {view.anchor}")
    return 0


@command.command("verify")
@family
@click.option(
    "--anchor",
    metavar="COUNT:HASH",
    callback=lambda ctx, param, value: None if value is None else parse_anchor(value, "--anchor"),
    help="A place that the ledger must go on from, kept elsewhere.",
)
@ledger
@options.repository
@options.format_
def verify(family: str, anchor: Anchor | None, ledger: Path | None, repo: Path, format_: str) -> int:
    """Check every line of the ledger of FAMILY.

    Lines removed from its end leave no gap: only --anchor, kept elsewhere, shows that.

    \b
    Example:
      releasegate ledger verify mini-chameleon
    """
    view = _file(family, ledger, repo).read(family, anchor)
    if format_ == "json":
        print_json(
            {
                "valid": True,
                "family": view.family,
                "count": view.count,
                "head": view.head,
                "attempts": len(view.attempts),
                "anchored": anchor is not None,
            }
        )
        return 0
    click.echo(f"ok: {_number(view.count, 'line')}, {_number(len(view.attempts), 'attempt')}, the chain is whole")
    if anchor is None:
        click.echo("unanchored: lines removed from its end would not be seen; give --anchor")
    else:
        click.echo(f"ok: goes on from the anchor at line {anchor.count}")
    click.echo(f"anchor: {view.anchor}")
    return 0


def _file(family: str, ledger: Path | None, repo: Path) -> LedgerFile:
    return LedgerFile(ledger or ledger_path(GateRepository.around(repo).root, family))


def _policy(family: str, repo: Path) -> Policy | None:
    """The policy that the family is named after and that counts its attempts there, if the repository has it."""
    for folder in (repo.resolve(), *repo.resolve().parents):
        path = folder / "policies" / f"{family}.yaml"
        if path.is_file():
            found = GateRepository.around(path).read_policy(path).record
            return found if found.family == family else None
    return None


def _next(view: LedgerView, policy: Policy | None) -> dict[str, Any]:
    """The next attempt: its number, and its effective alpha (null where the repository has no policy of the family)."""
    attempt = view.next_attempt
    alpha = policy.effective_alpha(attempt) if policy else None
    return {"attempt": attempt, "effective_alpha": alpha, "share_of_alpha": 6 / (math.pi * attempt) ** 2}


def _alpha_text(upcoming: dict[str, Any]) -> str:
    if upcoming["effective_alpha"] is not None:
        return f"effective alpha {upcoming['effective_alpha']:.4g}"
    return f"{upcoming['share_of_alpha']:.4g} of the policy's alpha"


def _plain(attempt: Attempt) -> dict[str, Any]:
    return {
        "attempt": attempt.number,
        "day": attempt.day,
        "plan": attempt.plan,
        "nonce_drawn": attempt.nonce is not None,
        "used": {eval_id: len(items) for eval_id, items in attempt.used.items()},
        "verdict": attempt.closed.verdict if attempt.closed else None,
        "decision": attempt.closed.decision if attempt.closed else None,
    }


def _table(view: LedgerView) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for title in ("attempt", "opened", "plan", "nonce", "pool items used", "verdict"):
        table.add_column(title)
    for a in view.attempts:
        used = ", ".join(f"{eval_id} {len(items)}" for eval_id, items in a.used.items())
        nonce = "drawn" if a.nonce else "not drawn"
        table.add_row(
            str(a.number), a.day, short(a.plan), nonce, used or "–", a.closed.verdict if a.closed else "not closed"
        )
    return table


def _number(n: int, noun: str) -> str:
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"
