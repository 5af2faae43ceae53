"""What `releasegate verify` checks and says of a strip: the folder, its receipt, and whose recipe it is by."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from releasegate.cli.console import Bars, print_json
from releasegate.errors import Exit, NotFound, Problem, VerifyError

if TYPE_CHECKING:
    from releasegate.checkpoint.loadable import Loads, NotChecked
    from releasegate.namedrecipe import KnownRecipes
    from releasegate.receipt import ExactShapes, Receipt
    from releasegate.recipe import Recipe


@dataclass(frozen=True)
class StripCall:
    """What is to be verified, and by what.

    Attributes:
        stripped: the folder.
        receipt: where its receipt lies, if not beside it.
        source: what it came from, if that is at hand.
        recipes: the files of the recipes that it must be by.
        repo: the gate repository whose lock names recipes; None: that around the working folder.
        loads: whether its library is to load it; None: where the receipt says that it was held against its class.
    """

    stripped: Path
    receipt: Path | None
    source: Path | None
    recipes: tuple[Path, ...]
    repo: Path | None
    loads: bool | None = None


def verified_strip(call: StripCall, format_: str, *, quiet: bool) -> int:
    """The exit code, once everything that was checked is told.

    Raises:
        VerifyError: something differs from the receipt, or it is by a recipe that takes another one's id.
        RecipeMismatch: a recipe that was named does not fit the source.
    """
    from releasegate.checkpoint.loadable import Loads, NotChecked
    from releasegate.namedrecipe import recipe_line
    from releasegate.repository import read_receipt, receipt_path
    from releasegate.stripping import verify_strip

    if not call.stripped.is_dir():
        what = "is a file, where a folder is wanted" if call.stripped.exists() else "there is no such folder"
        raise NotFound(str(call.stripped), what, "name the folder of the stripped checkpoint")
    place = call.receipt or receipt_path(call.stripped)
    record = read_receipt(place)
    if record.rehearsal:
        what = "is of a rehearsal: nothing of it may go out"
        raise VerifyError(str(place), what, "run the gate without --rehearse")
    given = [_recipe(file) for file in call.recipes]
    known = _known(record, given, call.repo)
    require_named(record, known, place)
    with Bars(quiet=quiet).reading(call.stripped, "verify") as watch:
        checks = verify_strip(call.stripped, record, call.source, watch)
    if given and call.source is not None:
        checks.append(_fitting(record, given, call.source, place))
    if record.exact is not None:
        checks.append(_accounted(record.exact))
    loaded = _loaded(call, record)
    if isinstance(loaded, Loads):
        checks.append(str(loaded))
    not_checked = [*_not_checked(record), *([f"that it loads: {loaded.why}"] if isinstance(loaded, NotChecked) else [])]
    if format_ == "json":
        facts = {"valid": True, "tier": record.tier, "recipes": plain_recipes(record, known)}
        print_json({**facts, "checks": checks, "not_checked": not_checked})
    else:
        click.echo(f"recipe: {recipe_line(record, known)}")
        for check in checks:
            click.echo(f"ok: {check}")
        for one in not_checked:
            click.echo(f"not checked: {one}")
    return Exit.INCOMPLETE if call.loads and isinstance(loaded, NotChecked) else Exit.YES


def _accounted(exact: ExactShapes) -> str:
    """How what stays was held against what it should be when it was stripped, as the receipt says."""
    by = f"{exact.class_} of {exact.library}" if exact.by == "class" else "the recipe's list"
    return f"what stays was held against {by} when it was stripped: {exact.tensors} tensors, none over or missing"


def _not_checked(receipt: Receipt) -> Iterator[str]:
    """What the strip itself did not check, as the receipt says."""
    from releasegate.receipt import unread_words

    if receipt.exact is None:
        why = receipt.wide or "the receipt is from before that was done"
        yield f"what else stands under the names that stay (wide): {why}"
    if receipt.unread:
        yield f"what these files and settings mean: {unread_words(receipt.unread)}"


def _loaded(call: StripCall, receipt: Receipt) -> Loads | NotChecked:
    """Whether its library loads it; unasked, only what was held against a class, and is not quantised."""
    from releasegate.checkpoint import read_contents
    from releasegate.checkpoint.loadable import NotChecked, check_loads

    if call.loads is False:
        return NotChecked("it was not asked for")
    if call.loads is None and (receipt.exact is None or receipt.exact.by != "class"):
        return NotChecked("it was not held against a class when it was stripped; ask with --loads")
    contents = read_contents(call.stripped, strict=True)
    if call.loads is None and "quantization_config" in contents.config:
        return NotChecked("it is quantised; ask with --loads, which needs the library that reads it")
    return check_loads(contents)


def plain_recipes(receipt: Receipt, known: KnownRecipes) -> list[dict[str, str]]:
    """Each recipe with whose it is and what all of them named, as JSON data."""
    from releasegate.namedrecipe import named

    return [
        {
            "id": one.id,
            "sha256": one.sha256,
            "is": known.standing(one),
            "means": known.words(one),
            "names": named(receipt),
        }
        for one in receipt.recipes
    ]


def stripped_by(folder: Path, policy: Path) -> tuple[Receipt | None, KnownRecipes]:
    """The receipt that lies in a release, None if nothing was stripped; and what its recipes are compared with.

    Args:
        folder: the release, whose files are known to be as attested.
        policy: the policy's file; of the gate repository around it, if there is one, the lock counts.

    Raises:
        VerifyError: the receipt is none.
        LockError: the lock is none.
    """
    from releasegate.namedrecipe import KnownRecipes
    from releasegate.released import RECEIPT
    from releasegate.repository import GateRepository, read_receipt
    from releasegate.repository.shipped import known_recipes

    if not (folder / RECEIPT).is_file():
        return None, KnownRecipes()
    receipt = read_receipt(folder / RECEIPT)
    return receipt, known_recipes(receipt, GateRepository.here(policy))


def require_named(receipt: Receipt, known: KnownRecipes, place: Path) -> None:
    """Refuse a receipt by a recipe that takes the id of another one, or not by one that was named.

    Raises:
        VerifyError: every such recipe.
    """
    from releasegate.namedrecipe import REFUSED, named

    found = []
    for used in receipt.recipes:
        if known.standing(used) in REFUSED:
            what = f"is by a recipe that is {known.words(used)}: {used.id}, {used.sha256}, which names {named(receipt)}"
            fix = "read that recipe; if it is the one that was meant, name it with --recipe FILE"
            found.append(Problem(str(place), what, fix))
    for name in known.given:
        if name not in {used.id for used in receipt.recipes}:
            found.append(
                Problem(str(place), f"is not by the recipe {name}, which was named", "leave that --recipe out")
            )
    if found:
        raise VerifyError.of(found)


def _recipe(file: Path) -> Recipe:
    from releasegate.documents import parse_document
    from releasegate.recipe import Recipe
    from releasegate.repository.reading import read_file

    return parse_document(Recipe, read_file(file, "recipe", "name the recipe's file"), str(file)).record


def _known(receipt: Receipt, given: list[Recipe], repo: Path | None) -> KnownRecipes:
    from releasegate.repository import GateRepository
    from releasegate.repository.shipped import known_recipes

    repository = GateRepository.here(Path()) if repo is None else GateRepository.around(repo)
    return replace(known_recipes(receipt, repository), given={one.id: one.digest() for one in given})


def _fitting(receipt: Receipt, given: list[Recipe], source: Path, place: Path) -> str:
    """What was checked: that the recipes find in the source what they expect, and want what the receipt tells."""
    from releasegate.checkpoint import read_contents
    from releasegate.receipt import Untouched
    from releasegate.stripping import plan_strip

    plan = plan_strip(read_contents(source), given)
    changed = {one.name: one.outcome for one in receipt.tensors if not isinstance(one, Untouched)}
    planned = {name: edit.outcome for name, edit in plan.tensors.items()}
    alone = len(given) == len(receipt.recipes)
    if (planned != changed) if alone else not planned.items() <= changed.items():
        what = "tells of other tensors than its recipes name in the source"
        raise VerifyError(str(place), what, "strip the source again")
    return f"the source has what the recipe expects of it, and {len(planned)} of its tensors are to change or go"
