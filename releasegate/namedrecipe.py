"""Which recipe a strip went by, whose it is, and what it named: one line of the receipt and of recipes that are known. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from releasegate.receipt import Receipt, RecipeUsed, TensorOutcome
from releasegate.recipe import RecipeId
from releasegate.records import Digest

Standing = Literal["given", "not_given", "locked", "not_locked", "shipped", "shipped_earlier", "not_shipped", "own"]
STANDING: Mapping[Standing, str] = {
    "given": "the recipe that was named with --recipe",
    "not_given": "NOT the recipe that was named with --recipe",
    "locked": "as the lock of the gate repository names it",
    "not_locked": "NOT the recipe that the lock of the gate repository names",
    "shipped": "the shipped recipe",
    "shipped_earlier": "a recipe that an earlier releasegate shipped",
    "not_shipped": "NOT the shipped recipe of that id",
    "own": "a recipe of your own",
}
"""Whose a recipe is, in words."""
REFUSED: frozenset[Standing] = frozenset({"not_given", "not_locked", "not_shipped"})
"""A recipe that takes the id of another one, and is not it."""
MOST_PLACES = 4
"""Tensors and groups of tensors that one line names."""
DIGITS = 12
"""Of a digest, in one line."""


@dataclass(frozen=True)
class KnownRecipes:
    """The digests that a recipe is compared with, by its id; what was named for the purpose goes before what lies about.

    Attributes:
        given: of the recipes that somebody named.
        locked: of the recipes that the lock of a gate repository names.
        shipped: of the recipes that come with releasegate, that of now first, then those of earlier versions.
    """

    given: Mapping[RecipeId, Digest] = field(default_factory=dict)
    locked: Mapping[RecipeId, Digest] = field(default_factory=dict)
    shipped: Mapping[RecipeId, Sequence[Digest]] = field(default_factory=dict)

    def standing(self, used: RecipeUsed) -> Standing:
        """Whose the recipe is that was used.

        >>> used = RecipeUsed(id="a-hf/b", sha256="sha256:" + "0" * 64)
        >>> KnownRecipes(shipped={"a-hf/b": ["sha256:" + "1" * 64]}).standing(used), KnownRecipes().standing(used)
        ('not_shipped', 'own')
        """
        if used.id in self.given:
            return "given" if self.given[used.id] == used.sha256 else "not_given"
        if used.id in self.locked:
            return "locked" if self.locked[used.id] == used.sha256 else "not_locked"
        now, *earlier = self.shipped.get(used.id, ("",))
        if now == used.sha256:
            return "shipped"
        if used.sha256 in earlier:
            return "shipped_earlier"
        return "not_shipped" if now else "own"

    def words(self, used: RecipeUsed) -> str:
        """The same in words; of one that takes the id of a recipe that ships, also whether it is that one."""
        standing = self.standing(used)
        shipped = self.shipped.get(used.id, ())
        borrowed = standing in ("given", "locked") and shipped and used.sha256 not in shipped
        return f"{STANDING[standing]}, {STANDING['not_shipped']}" if borrowed else STANDING[standing]


def recipe_line(receipt: Receipt, known: KnownRecipes) -> str:
    """Each recipe with its digest and whose it is, and what they named."""
    names = "it names" if len(receipt.recipes) == 1 else "they name"
    return f"{used_line(receipt.recipes, known)}: {names} {named(receipt)}"


def used_line(recipes: Sequence[RecipeUsed], known: KnownRecipes) -> str:
    """Each recipe with its digest and whose it is."""
    return "; ".join(
        f"{one.id} (sha256 {one.sha256.removeprefix('sha256:')[:DIGITS]}), {known.words(one)}" for one in recipes
    )


def named(receipt: Receipt) -> str:
    """What was taken out or changed: rows tensor by tensor, whole tensors by the module that they belong to, and files."""
    rows = [f"{_rows(one)} of {one.name}" for one in receipt.tensors if _rows_of(one)]
    whole = Counter(_module(one.name) for one in receipt.tensors if one.outcome in ("removed", "zero_filled"))
    groups = [f"{_counted(count, 'tensor')} of {module}" for module, count in whole.items()]
    listed = [*rows[:MOST_PLACES], *groups[: max(MOST_PLACES - len(rows), 1)]]
    left_rows, left = max(len(rows) - MOST_PLACES, 0), sum(whole.values()) - _shown(whole, MOST_PLACES - len(rows))
    if left_rows:
        listed.append(f"rows of {_counted(left_rows, 'more tensor')}")
    if left:
        listed.append(_counted(left, "more tensor"))
    gone = [*receipt.dropped, *(one for one in receipt.converted or () if one.to is None)]
    return ", ".join([*listed, *([_counted(len(gone), "file")] if gone else [])])


def _shown(whole: Counter[str], places: int) -> int:
    return sum(list(whole.values())[: max(places, 1)])


def _rows_of(one: TensorOutcome) -> int:
    if one.outcome in ("rows_zeroed", "rows_reinitialised", "rows_removed"):
        return sum(last - first + 1 for first, last in one.rows)
    return 0


def _rows(one: TensorOutcome) -> str:
    return _counted(_rows_of(one), "row")


def _module(name: str) -> str:
    """The module that a tensor belongs to; of one that belongs to none, itself.

    >>> _module("model.vqmodel.post_quant_conv.weight"), _module("scale")
    ('model.vqmodel.post_quant_conv', 'scale')
    """
    return name.rpartition(".")[0] or name


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
