"""`releasegate strip`: capabilities out of a checkpoint."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from releasegate.checkpoint import read_contents
from releasegate.cli import options
from releasegate.cli.console import Bars, print_json
from releasegate.errors import UsageError
from releasegate.repository import GateRepository, receipt_path
from releasegate.stripping import outline, plan_strip, require_place, write_strip

if TYPE_CHECKING:
    from releasegate.receipt import Receipt
    from releasegate.stripping import Outline


@click.command("strip")
@click.argument("checkpoint", type=options.FILE)
@click.option(
    "--recipe", "recipes", multiple=True, required=True, metavar="ID", help="layout/capability; may be repeated."
)
@click.option(
    "--out", type=options.FILE, metavar="FOLDER", help="Must not exist, nor FOLDER.receipt.json: the receipt."
)
@click.option("--plan-only", is_flag=True, help="Only say what would be done; nothing is written, no weights are read.")
@click.option(
    "--link-untouched", is_flag=True, help="Hard links for files that stay byte for byte; they must be read-only."
)
@click.option("--verify-written", is_flag=True, help="Read everything back from disk, and compare it.")
@options.repository
@options.format_
@options.quiet
def command(
    checkpoint: Path,
    recipes: tuple[str, ...],
    out: Path | None,
    plan_only: bool,
    link_untouched: bool,
    verify_written: bool,
    repo: Path,
    format_: str,
    quiet: bool,
) -> int:
    """Write CHECKPOINT without what the recipes take out, and a receipt beside it. The source is only read.

    \b
    Example:
      releasegate strip examples/mini_chameleon/checkpoint \\
          --recipe chameleon-hf/image_generation --out runs/public
    """
    if out is None and not plan_only:
        raise UsageError("releasegate strip", "has no --out", "name the folder that shall come to be, or --plan-only")
    if out is not None:
        require_place(checkpoint, out)  # refused before a large source is read
    repository = GateRepository.around(repo)
    chosen = [repository.recipe(name) for name in dict.fromkeys(recipes)]
    source = read_contents(checkpoint)
    plan = plan_strip(source, chosen)
    if out is None or plan_only:
        outlined = outline(source, plan, out, link_untouched=link_untouched)
        _say(outlined.plain(), _lines(outlined), format_)
        return 0
    with Bars(quiet=quiet).stages() as (stage, watch):
        receipt = write_strip(
            source, plan, out, watch, stage=stage, link_untouched=link_untouched, verify_written=verify_written
        )
    _say(receipt.plain(), _done(receipt, out), format_)
    return 0


def _say(data: object, lines: Iterator[str], format_: str) -> None:
    if format_ == "json":
        print_json(data)
    else:
        for line in lines:
            click.echo(line)


def _done(receipt: Receipt, out: Path) -> Iterator[str]:
    from collections import Counter

    from releasegate.namedrecipe import recipe_line
    from releasegate.receipt import unread_words
    from releasegate.repository.shipped import known_recipes

    counts = Counter(tensor.outcome for tensor in receipt.tensors)
    yield f"{out}: " + ", ".join(f"{_tensors(n)} {_words(name)}" for name, n in sorted(counts.items()))
    left_out = [*(entry.path for entry in receipt.dropped), *(c.file for c in receipt.converted or () if not c.to)]
    yield f"files left out: {_listed(left_out)}"
    for one in receipt.converted or ():
        if one.to is not None:
            yield f"converted: {one.file} to {one.to}; {_values(len(one.kept), len(one.left))}"
    yield f"residual: {_listed([residual.pattern for residual in receipt.residual])}"
    yield f"recipe: {recipe_line(receipt, known_recipes(receipt))}"
    yield f"tier: {receipt.tier_means}"
    yield from (f"untouched by this strip: {one.capability}" for one in receipt.remaining or ())
    if receipt.read_back:
        yield f"read back from disk and compared: {len(receipt.output.files)} files"
    yield f"receipt: {receipt_path(out)}"
    if receipt.wide:
        yield f"not checked: what else stands under the names that stay (wide): {receipt.wide}"
    if receipt.unread:
        yield f"not checked: what these files and settings mean: {unread_words(receipt.unread)}"
    yield f"not checked: that it loads (`releasegate verify {out} --loads`)"


def _lines(outlined: Outline) -> Iterator[str]:
    from releasegate.namedrecipe import KnownRecipes, used_line
    from releasegate.repository.shipped import shipped_recipes

    for name, one in outlined.outcomes.items():
        yield f"{_words(name)}: {_tensors(one.tensors)}, {one.size:,} bytes"
        changed = [tensor for tensor, outcome in outlined.tensors.items() if outcome == name]
        yield from _indented(changed)
    left_out = (f"{name} ({size:,} bytes)" for name, size in outlined.left_out.items())
    yield f"files left out: {_listed(list(left_out))}"
    yield f"files converted: {_listed([f'{file} to {to}' for file, to in outlined.converted.items()])}"
    yield f"files edited: {_listed(outlined.edited)}"
    yield f"files kept: {_listed(outlined.kept, NAMES)}"
    yield f"residual: {len(outlined.residual) or 'none'}"
    yield from (f"  {pattern}: {' '.join(why.split())}" for pattern, why in outlined.residual)
    yield f"lent when it is measured: {_listed(outlined.lent)}"
    yield from (f"restored elsewhere: {cost}" for cost in outlined.restored)
    yield from (f"untouched by this strip: {capability}: {why}" for capability, why in outlined.remaining)
    yield f"recipe: {used_line(outlined.recipes, KnownRecipes(shipped=shipped_recipes()))}"
    yield f"size: {outlined.size_before:,} bytes become {outlined.size_after:,}; room needed: {outlined.room:,} bytes"
    if outlined.wide:
        yield f"not checked: what else stands under the names that stay (wide): {outlined.wide}"
    yield "not checked here: the search for copies of what goes, and for texts that still offer it"


def _indented(names: Sequence[str]) -> Iterator[str]:
    yield from (f"  {name}" for name in names[:NAMES])
    if len(names) > NAMES:
        yield f"  … and {len(names) - NAMES:,} more (--format json lists all)"


MOST = 6
"""Names in a line."""
NAMES = 20
"""Names of tensors with one outcome, and of files that are kept."""


def _listed(names: Sequence[str], most: int = MOST) -> str:
    shown = ", ".join(names[:most]) or "none"
    return shown if len(names) <= most else f"{shown}, and {len(names) - most} more"


def _words(outcome: str) -> str:
    return outcome.replace("_", " ")


def _tensors(count: int) -> str:
    return f"{count} {'tensor' if count == 1 else 'tensors'}"


def _values(kept: int, left: int) -> str:
    return f"{kept} of its {kept + left} other values kept"
