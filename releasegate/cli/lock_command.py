"""`releasegate lock`: pin what judges, or say what differs from what was pinned."""

from __future__ import annotations

from pathlib import Path

import click

from releasegate.cli import options
from releasegate.cli.console import print_json
from releasegate.errors import Exit, LockError, NotFound, Problem
from releasegate.lock import REMEDY, Difference
from releasegate.repository import GateRepository
from releasegate.repository.lock_file import NAME, unlocked, write_lock


@click.command("lock")
@click.option("--check", is_flag=True, help="Write nothing; exit with 2 and name each difference, if there is one.")
@options.repository
@options.format_
def command(check: bool, repo: Path, format_: str) -> int:
    """Write policies/releasegate.lock: the digest of every policy, recipe, card, harness, plug-in, instrument and template.

    While it is there, `gate`, `plan`, `eval` and `check` refuse whatever differs from it.

    \b
    Example:
      releasegate lock
      releasegate lock --check
    """
    repository = GateRepository.around(repo)
    if check:
        return _checked(unlocked(repository), format_)
    found = _before(repository)
    lock = write_lock(repository)
    if format_ == "json":
        print_json({**lock.plain(), "differences": [one.plain() for one in found]})
        return Exit.YES
    for one in found:
        click.echo(f"{one.file}: {one.kind}")
    click.echo(f"{NAME}: {len(lock.files)} files locked")
    return Exit.YES


def _before(repository: GateRepository) -> tuple[Difference, ...]:
    """What differs from the lock that is written anew; nothing, where there is none, or it is none."""
    try:
        return unlocked(repository)
    except (LockError, NotFound):
        return ()


def _checked(found: tuple[Difference, ...], format_: str) -> int:
    if format_ == "json":
        print_json({"differences": [one.plain() for one in found]})
        return Exit.CANNOT if found else Exit.YES
    if found:
        raise LockError.of([Problem(one.file, one.sentence(), REMEDY) for one in found])
    click.echo(f"{NAME}: everything is as it was locked")
    return Exit.YES
