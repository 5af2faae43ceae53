"""`releasegate verify`: a stripped checkpoint against its receipt, and whether it loads."""

from __future__ import annotations

from pathlib import Path

import click

from releasegate.checkpoint import read_contents
from releasegate.checkpoint.loadable import Loads, NotChecked, check_loads
from releasegate.cli import options
from releasegate.cli.console import Bars, print_json
from releasegate.errors import Exit, NotFound, VerifyError
from releasegate.repository import read_receipt, receipt_path
from releasegate.stripping import verify_strip


@click.command("verify")
@click.argument("stripped", type=options.FILE)
@click.option("--receipt", type=options.FILE, metavar="FILE", help="Default: the one that stands beside the folder.")
@click.option(
    "--source", type=options.FILE, metavar="CHECKPOINT", help="Also compare with the checkpoint it came from."
)
@click.option("--loads", is_flag=True, help="Also check that its library loads it, with nothing missing or left over.")
@options.format_
@options.quiet
def command(stripped: Path, receipt: Path | None, source: Path | None, loads: bool, format_: str, quiet: bool) -> int:
    """Check that STRIPPED is what its receipt says: every file, every tensor, and with --source every byte that stayed.

    \b
    Example:
      releasegate verify runs/mini-chameleon/stripped --source examples/mini_chameleon/checkpoint
    """
    if not stripped.is_dir():
        what = "is a file, where a folder is wanted" if stripped.exists() else "there is no such folder"
        raise NotFound(str(stripped), what, "name the folder of the stripped checkpoint")
    place = receipt or receipt_path(stripped)
    record = read_receipt(place)
    if record.rehearsal:
        what = "is of a rehearsal: nothing of it may go out"
        raise VerifyError(str(place), what, "run the gate without --rehearse")
    with Bars(quiet=quiet).reading(stripped, "verify") as watch:
        checks = verify_strip(stripped, record, source, watch)
    loaded = check_loads(read_contents(stripped, strict=True)) if loads else NotChecked("it was not asked for")
    match loaded:
        case NotChecked(why=why):
            not_checked = [f"that it loads: {why}"]
        case Loads():
            checks, not_checked = [*checks, str(loaded)], []
    if format_ == "json":
        print_json({"valid": True, "tier": record.tier, "checks": checks, "not_checked": not_checked})
    else:
        for check in checks:
            click.echo(f"ok: {check}")
        for one in not_checked if loads else ():
            click.echo(f"not checked: {one}")
    return Exit.INCOMPLETE if loads and not_checked else Exit.YES
