"""`releasegate strip`: capabilities out of a checkpoint."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import click

from releasegate.checkpoint import open_checkpoint
from releasegate.cli import options
from releasegate.cli.console import Bars, print_json
from releasegate.repository import GateRepository, receipt_path
from releasegate.stripping import plan_strip, write_strip


@click.command("strip")
@click.argument("checkpoint", type=options.FILE)
@click.option(
    "--recipe", "recipes", multiple=True, required=True, metavar="ID", help="layout/capability; may be repeated."
)
@click.option(
    "--out", type=options.FILE, required=True, metavar="FOLDER", help="Must not exist; its receipt stands beside it."
)
@options.repository
@options.format_
@options.quiet
def command(checkpoint: Path, recipes: tuple[str, ...], out: Path, repo: Path, format_: str, quiet: bool) -> int:
    """Write CHECKPOINT without what the recipes take out, and a receipt beside it. The source is only read.

    \b
    Example:
      releasegate strip examples/mini_chameleon/checkpoint \\
          --recipe chameleon-hf/image_generation --out runs/public
    """
    repository = GateRepository.around(repo)
    chosen = [repository.recipe(name) for name in dict.fromkeys(recipes)]
    bars = Bars(quiet=quiet)
    with bars.reading(checkpoint) as watch:
        source = open_checkpoint(checkpoint, watch)
    planned = plan_strip(source, chosen)
    with bars.reading(checkpoint, "strip") as watch:
        receipt = write_strip(source, planned, out, watch)
    if format_ == "json":
        print_json(receipt.plain())
        return 0
    counts = Counter(tensor.outcome for tensor in receipt.tensors)
    click.echo(
        f"{out}: "
        + ", ".join(
            f"{n} {'tensor' if n == 1 else 'tensors'} {name.replace('_', ' ')}" for name, n in sorted(counts.items())
        )
    )
    click.echo(f"files left out: {', '.join(entry.path for entry in receipt.dropped) or 'none'}")
    click.echo(f"tier: {receipt.tier.replace('_', ' ')}; cost to restore: not measured")
    click.echo(f"receipt: {receipt_path(out)}")
    return 0
