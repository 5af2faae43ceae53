"""`releasegate inspect`: what a checkpoint holds, in whatever state it is."""

from __future__ import annotations

import json
from pathlib import Path

import click
from click.core import ParameterSource

from releasegate.cli import options
from releasegate.cli.console import Bars, output
from releasegate.errors import Exit
from releasegate.inspection import inspect_checkpoint
from releasegate.recipe import Recipe
from releasegate.repository import GateRepository, starter


@click.command("inspect")
@click.argument("checkpoint", type=options.FILE)
@click.option("--tensors", is_flag=True, help="List every tensor.")
@click.option("--duplicates", is_flag=True, help="Read the tensors' bytes, and name those that are the same.")
@options.repository
@options.format_
@options.quiet
def command(checkpoint: Path, tensors: bool, duplicates: bool, repo: Path, format_: str, quiet: bool) -> int:
    """Say what CHECKPOINT, a folder or one file, holds: layout, parts, leftovers, code, secrets, and which recipes fit.

    No weights are loaded. What is malformed is listed, and the rest is looked at all the same; the exit code is 2 then.

    \b
    Example:
      releasegate inspect examples/mini_chameleon/checkpoint
    """
    given = click.get_current_context().get_parameter_source("repo") is ParameterSource.COMMANDLINE
    recipes = _recipes(GateRepository.around(repo) if given else GateRepository.here(repo))
    with Bars(quiet=quiet).reading(checkpoint, "compare" if duplicates else "inspect") as watch:
        found = inspect_checkpoint(checkpoint, recipes.values(), list_tensors=tensors, compare=duplicates, watch=watch)
    if format_ == "json":
        click.echo(json.dumps(found.plain(), indent=2))  # in ASCII: names are not to be trusted with a terminal
    else:
        from releasegate.cli.inspected import print_inspection

        print_inspection(output(), found)
    return Exit.YES if found.sound else Exit.CANNOT


def _recipes(repository: GateRepository | None) -> dict[str, Recipe]:
    """The recipes of the gate repository, else those that ship. Files that cannot be read are named."""
    files = (repository or GateRepository(starter())).recipe_files
    recipes = files.read_all()
    for name, problems in recipes.broken.items():
        click.echo(f"recipe {name} was not tried: {problems[0].where}: {problems[0].what}", err=True)
    for file in files.ignored():
        click.echo(f"{file} was not tried: recipes end in .yaml", err=True)
    return recipes.read
