"""`releasegate init`: a new gate repository."""

from __future__ import annotations

from pathlib import Path

import click

from releasegate.cli import options
from releasegate.cli.console import print_json
from releasegate.repository import scaffold


@click.command("init")
@click.argument("folder", type=options.FILE, default=Path())
@options.format_
def command(folder: Path, format_: str) -> int:
    """Copy the starter's policies, evals and reports into FOLDER. What is there already is never overwritten.

    \b
    Example:
      releasegate init my-gates
    """
    files = scaffold(folder)
    if format_ == "json":
        print_json({"folder": str(folder), "files": [str(file.relative_to(folder)) for file in files]})
    else:
        click.echo(f"{len(files)} files in {folder}; next: releasegate check --repo {folder}")
    return 0
