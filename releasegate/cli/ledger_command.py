"""`releasegate ledger`: the record of a family's attempts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
from rich.table import Table

from releasegate.cli import options
from releasegate.cli.console import output, print_json
from releasegate.cli.summary import short
from releasegate.errors import ReleaseGateError, UsageError
from releasegate.ledger import Anchor, Attempt, LedgerView, parse_anchor, parse_family
from releasegate.policy import Policy
from releasegate.repository import GateRepository
from releasegate.repository.ledger_file import LedgerFile, ledger_path
from releasegate.spending import MOST_ATTEMPTS, Spending

family = click.argument("family", callback=lambda ctx, param, value: parse_family(value, "FAMILY"))
ledger = click.option(
    "--ledger", type=options.FILE, metavar="FILE", help="Default: policies/ledger/FAMILY.jsonl of the gate repository."
)
_ATTEMPTS = click.IntRange(min=1, max=MOST_ATTEMPTS)


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
@click.option(
    "--attempts",
    type=_ATTEMPTS,
    metavar="N",
    help="Split alpha evenly over N attempts; default: as the policy FAMILY says, else over any number.",
)
@ledger
@options.repository
@options.format_
def init(family: str, attempts: int | None, ledger: Path | None, repo: Path, format_: str) -> int:
    """Start the ledger of FAMILY.

    It says over how many attempts alpha is split, and policies of the family must say the same. A file that is there already
    is refused.

    \b
    Example:
      releasegate ledger init mini-chameleon
    """
    view = _file(family, ledger, repo).init(family, _declared(family, attempts, repo))
    spending = view.spending(1)
    if format_ == "json":
        started = {"ledger": view.source, "family": view.family, "count": view.count, "head": view.head}
        print_json(started | ({} if spending.attempts is None else {"attempts": spending.attempts}))
    else:
        split = "" if spending.attempts is None else f"; {spending.words}"
        click.echo(f"{view.source}: started; next is attempt {view.next_attempt}{split}")
    return 0


@command.command("divide")
@family
@click.option("--attempts", type=_ATTEMPTS, metavar="N", help="Evenly over the attempts from the next one to N.")
@click.option("--open-ended", is_flag=True, help="Over any number of attempts, by the open-ended series begun anew.")
@ledger
@options.repository
@options.format_
def divide(family: str, attempts: int | None, open_ended: bool, ledger: Path | None, repo: Path, format_: str) -> int:
    """Divide what the attempts of FAMILY have left of alpha among those to come.

    What was spent stays spent, so that no order of changes spends more than alpha. N counts all attempts of the family, those
    that were opened too. The policies of the family must say the same then: `release: {attempts: N}`.

    \b
    Example:
      releasegate ledger divide mini-chameleon --attempts 12
    """
    if (attempts is not None) == open_ended:
        raise UsageError(
            "releasegate ledger divide", "says not among which attempts", "give --attempts N or --open-ended"
        )
    with _file(family, ledger, repo).locked(family) as held:
        held.divide(attempts)
        view = held.view
    spending = view.spending(view.next_attempt)
    if format_ == "json":
        print_json({"family": view.family, "count": view.count, "head": view.head, "spending": _spending(view)})
        return 0
    click.echo(f"{view.source}: from attempt {view.next_attempt} on, {spending.left:.4g} of {spending.words}")
    click.echo(f"anchor: {view.anchor}")
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
                "attempts": [_plain(attempt) for attempt in _in_order(view)],
                "next": upcoming,
                "spending": _spending(view),
            }
        )
        return 0
    if view.attempts:
        output().print(_table(view))
    click.echo(_left_text(view))
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
    spending = view.spending(attempt)
    alpha = spending.effective_alpha(policy.release.alpha, attempt, policy.shares) if policy else None
    return {"attempt": attempt, "effective_alpha": alpha, "share_of_alpha": spending.part(attempt)}


def _declared(family: str, attempts: int | None, repo: Path) -> int | None:
    """The number of attempts that alpha is to be split over: as asked for, and as the policies of the family say.

    Raises:
        UsageError: two of them differ.
    """
    stated = {policy.id: policy.release.attempts for policy in _counting_in(family, repo)}
    wanted = attempts if attempts is not None else next(iter(stated.values()), None)
    for name, other in stated.items():
        if other != wanted:
            says = "says nothing of attempts" if other is None else f"says `release: {{attempts: {other}}}`"
            what = f"policy {name} of family {family} {says}, not {'nothing' if wanted is None else wanted}"
            raise UsageError("--attempts", what, "give it and every policy of the family the same number")
    return wanted


def _counting_in(family: str, repo: Path) -> list[Policy]:
    """The policies of the repository, as far as they are in order, whose attempts the family counts."""
    here, found = GateRepository.here(repo), []
    if here is None:
        return []
    for path in here.policies():
        try:
            found.append(here.read_policy(path).record)
        except ReleaseGateError:
            continue  # what is wrong with it is said where it is used
    return [policy for policy in found if policy.family == family]


def _spending(view: LedgerView) -> dict[str, Any]:
    """How alpha is spent from the next attempt on, and what part of it is left."""
    spending = view.spending(view.next_attempt)
    return {**spending.plain(), "left": _left(view, spending)}


def _left(view: LedgerView, spending: Spending) -> float:
    return spending.left_after(view.next_attempt - 1)


def _left_text(view: LedgerView) -> str:
    spending = view.spending(view.next_attempt)
    return f"left: {_left(view, spending):.4g} of alpha; {spending.words}"


def _alpha_text(upcoming: dict[str, Any]) -> str:
    if not upcoming["share_of_alpha"]:
        return "for which no alpha is left"
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
        **({} if attempt.items is None else {"extended_by": attempt.items}),
    }


def _table(view: LedgerView) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for title in ("attempt", "opened", "plan", "nonce", "pool items used", "verdict"):
        table.add_column(title)
    for a in _in_order(view):
        used = ", ".join(f"{eval_id} {len(items)}" for eval_id, items in a.used.items())
        nonce = "drawn" if a.nonce else "not drawn"
        table.add_row(
            str(a.number) if a.items is None else f"  +{a.items}",
            a.day,
            short(a.plan),
            nonce,
            used or "–",
            a.closed.verdict if a.closed else "not closed",
        )
    return table


def _in_order(view: LedgerView) -> list[Attempt]:
    """The attempts, each followed by its extensions."""
    return sorted((*view.attempts, *view.extensions), key=lambda known: known.number)


def _number(n: int, noun: str) -> str:
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"
