"""`releasegate check`: policies against their evals and recipes."""

from __future__ import annotations

from pathlib import Path

import click

from releasegate.cli import options
from releasegate.cli.console import print_json
from releasegate.errors import DocumentError, NotFound, Problem
from releasegate.policycheck import unused
from releasegate.repository import GateRepository
from releasegate.sensitivity import unsettled


@click.command("check")
@click.argument("policies", type=options.FILE, nargs=-1)
@options.repository
@options.format_
def command(policies: tuple[Path, ...], repo: Path, format_: str) -> int:
    """Check POLICIES (all of the repository, and all recipes, if none is named) against their evals and recipes.

    Every problem is listed with its file, line and column, and what to do about it.

    \b
    Example:
      releasegate check policies/mini-chameleon.yaml
    """
    problems: list[Problem] = []
    notes: list[str] = []
    files = list(policies)
    if not files:
        everything = GateRepository.around(repo)
        files = everything.policies()
        problems += everything.recipe_files.read_all().problems
        notes += [f"{name}: is ignored: recipes end in .yaml" for name in everything.recipe_files.ignored()]
    if not files:
        raise NotFound(str(repo), "has no policies", "add one to policies/, or name a file")
    for file in files:
        repository = GateRepository.around(file)
        try:
            policy = repository.read_policy(file).record
            found = (*unused(policy), *unsettled(policy, repository.cards()))
            notes += [f"{repository.shown(file)}: {note}" for note in found]
        except DocumentError as error:
            problems += [problem for problem in error.problems if problem not in problems]
    if format_ == "json":
        listed = [{"where": p.where, "what": p.what, "fix": p.fix} for p in problems]
        print_json({"checked": [str(f) for f in files], "problems": listed, "notes": notes})
        return 2 if problems else 0
    for note in notes:
        click.echo(f"note: {note}", err=True)
    if problems:
        raise DocumentError(problems)
    click.echo(f"{len(files)} {'policy' if len(files) == 1 else 'policies'} checked, no problem found")
    return 0
