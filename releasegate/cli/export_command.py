"""`releasegate export`: the folder that goes public, and with --push its way to a hub."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from releasegate.cli import options
from releasegate.cli.console import Bars, print_json
from releasegate.publishing.exporting import Call, Exported, again, export, pushable
from releasegate.publishing.releasable import Hindrance
from releasegate.repository import GateRepository, RunFolder

if TYPE_CHECKING:
    from releasegate.publishing.hub import HubRepository, Pushed

MOST = 40
"""Files that are listed one by one."""


def _target(value: str | None) -> HubRepository | None:
    from releasegate.publishing.hub import parse_hub_repository

    return None if value is None else parse_hub_repository(value)


@click.command("export")
@options.run
@click.argument("dest", type=options.FILE)
@click.option(
    "--model",
    type=options.FILE,
    metavar="CHECKPOINT",
    help="Folder of the source checkpoint; needed where it goes out whole.",
)
@click.option(
    "--push",
    "target",
    metavar="hub:ORG/NAME",
    callback=lambda ctx, param, value: _target(value),
    help="Also upload it: private until every file was compared. A DEST that was exported before is verified and pushed.",
)
@options.repository
@options.format_
@options.quiet
def command(
    run: Path, dest: Path, model: Path | None, target: HubRepository | None, repo: Path, format_: str, quiet: bool
) -> int:
    """Write DEST, the folder that goes public, from an attested RUN: the checkpoint that may go out, its model card and
    licence, report, decision, receipt, bill of materials and attestations.

    Every file is verified by the attestations before DEST has its name; what fails leaves nothing. DEST must not exist, or
    be empty.

    \b
    Example:
      releasegate export runs/mini-chameleon public/mini-chameleon
      releasegate export runs/mini-chameleon public/mini-chameleon --push hub:lab/mini-chameleon
    """
    if target is not None:
        from releasegate.publishing.hub import require_hub

        require_hub()
    bars = Bars(quiet=quiet)
    call = Call(RunFolder(run), dest, GateRepository.around(repo), today(), model, push=target is not None)
    pushed_before = target is not None and dest.is_dir() and any(dest.iterdir())
    found = again(call, bars) if pushed_before else export(call, bars)
    if isinstance(found, Hindrance):
        if format_ == "json":
            print_json({"exported": False, "why": found.sentence})
        else:
            click.echo(f"not exported: {found.sentence}", err=True)
        return found.exit
    if target is None:
        _say(found, None, format_)
        return 0
    pushed = _push(found, target, bars.note)
    _say(found, pushed, format_)
    return 0


def today() -> date:
    """The day, in UTC."""
    return datetime.now(UTC).date()


def _push(found: Exported, target: HubRepository, watch: Callable[[str], None]) -> Pushed:
    from releasegate.publishing.hub import open_hub, push

    release = pushable(found)
    with open_hub() as hub:
        return push(release, target, hub, watch)


def _say(found: Exported, pushed: Pushed | None, format_: str) -> None:
    from releasegate.reporting.wording.numbers import size

    released = found.released
    total = sum(file.size for file in released.files)
    if format_ == "json":
        print_json(_plain(found, pushed))
        return
    click.echo(f"{found.place}: {len(released.files)} files and their attestations, {size(total)}")
    for file in released.files[:MOST]:
        click.echo(f"  {file.path} ({file.size:,} bytes)")
    if len(released.files) > MOST:
        click.echo(f"  … and {len(released.files) - MOST:,} more (--format json lists all)")
    for replaced in found.verified.attested.release.replaced:
        click.echo(f"in place of the checkpoint's own: {replaced.path}")
    click.echo(f"verdict: {found.verified.attested.release.verdict}")
    click.echo(f"release digest: {released.digest()}")
    if pushed is not None:
        click.echo(f"public: {pushed.url} at commit {pushed.commit}, {pushed.sent} files sent")


def _plain(found: Exported, pushed: Pushed | None) -> dict[str, Any]:
    released, release = found.released, found.verified.attested.release
    return {
        "exported": True,
        "folder": str(found.place),
        "release": released.digest(),
        "verdict": release.verdict,
        "channel": release.channel,
        "bytes": sum(file.size for file in released.files),
        "files": [file.plain() for file in released.files],
        "replaced": [one.path for one in release.replaced],
        "pushed": None
        if pushed is None
        else {"repository": pushed.repository, "commit": pushed.commit, "url": pushed.url, "sent": pushed.sent},
    }
