"""What a strip will do, fixed before a byte is written: several recipes, resolved against one checkpoint and merged."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from releasegate.checkpoint import Contents
from releasegate.errors import RecipeMismatch
from releasegate.manifest import stripped_digest
from releasegate.receipt import KeySet, LentParts, Ranges, Receipt, RecipeUsed, compact, expand
from releasegate.recipe import Recipe, Residual, matches
from releasegate.stripping.edits import TensorEdit
from releasegate.stripping.resolve import Resolved, mismatch, resolve

APART = "correct one of the recipes, or strip in two runs"


@dataclass(frozen=True, slots=True)
class StripPlan:
    """Everything that one strip changes. What it does not name stays bit for bit.

    Attributes:
        recipes: what was resolved, sorted by id.
        tensors: edits by the tensor's name.
        dropped: files that are left out, sorted.
        keys: keys of JSON files that are set.
        residual: what stays although an attacker could use it.
        lent: what an attacker is given at measuring.
        vocabulary: tokens that are taken out, by id; the ids that follow move up.
        converted: pickles of the source whose tensors stay, by name; each becomes a safetensors file.
        values: patterns of the values in pickles that are kept.
    """

    recipes: tuple[RecipeUsed, ...]
    tensors: Mapping[str, TensorEdit]
    dropped: tuple[str, ...]
    keys: tuple[KeySet, ...]
    residual: tuple[Residual, ...]
    lent: LentParts
    vocabulary: Ranges = ()
    converted: tuple[str, ...] = ()
    values: tuple[str, ...] = ()

    def identity(self, source: str) -> str:
        """strip(source digest, recipe digests)."""
        return stripped_digest(source, [recipe.sha256 for recipe in self.recipes])

    def made(self, receipt: Receipt) -> bool:
        """Whether a receipt says that just this was done: the same edits, files, keys, residual and lent parts."""
        edits = {tensor.name: tensor.outcome for tensor in receipt.tensors if tensor.outcome != "untouched"}
        return (
            receipt.planned == self.identity(receipt.source)
            and receipt.recipes == self.recipes
            and edits == {name: edit.outcome for name, edit in self.tensors.items()}
            and tuple(sorted(entry.path for entry in receipt.dropped)) == self.dropped
            and (receipt.keys, receipt.residual, receipt.lent) == (self.keys, self.residual, self.lent)
        )


def plan_strip(checkpoint: Contents, recipes: Sequence[Recipe]) -> StripPlan:
    """What the strip of `checkpoint` by `recipes` together will do.

    Each recipe must account for the whole checkpoint by itself; together they take away what any of them takes away.

    Raises:
        RecipeMismatch: a recipe does not fit the checkpoint, or two recipes want different things of one tensor,
            file or key.
    """
    if not recipes:
        raise RecipeMismatch(str(checkpoint.root), "no recipe was given", "name at least one recipe")
    resolved = [resolve(checkpoint, recipe) for recipe in sorted(recipes, key=lambda recipe: recipe.id)]
    for one, other in pairwise(resolved):
        if one.recipe.id == other.recipe.id:
            raise mismatch(other.recipe, "is given twice", "name each recipe once")
    tensors = _merge_tensors(resolved)
    if all(name in tensors and tensors[name].outcome == "removed" for name in checkpoint.tensors):
        raise mismatch(resolved[-1].recipe, "removes every tensor", "what would be released? correct the recipe")
    dropped = tuple(sorted({name for one in resolved for name in one.dropped}))
    used = tuple(RecipeUsed(id=one.recipe.id, sha256=one.recipe.digest()) for one in resolved)
    return StripPlan(
        recipes=used,
        tensors=tensors,
        dropped=dropped,
        keys=_merge_keys(resolved, dropped),
        residual=tuple(_merge_residual(resolved, checkpoint, tensors)),
        lent=LentParts(
            tensors=tuple(sorted({name for one in resolved for name in one.lent.tensors})),
            files=tuple(sorted({name for one in resolved for name in one.lent.files})),
        ),
    )


def _merge_tensors(resolved: Sequence[Resolved]) -> dict[str, TensorEdit]:
    merged: dict[str, TensorEdit] = {}
    for one in resolved:
        for name, edit in one.tensors.items():
            before = merged.get(name, edit)
            if before.outcome != edit.outcome:
                what = f"wants tensor {name} {_words(edit)}, and another recipe wants it {_words(before)}"
                raise mismatch(one.recipe, what, APART)
            merged[name] = TensorEdit(edit.outcome, compact([*expand(before.rows), *expand(edit.rows)]))
    return dict(sorted(merged.items()))


def _words(edit: TensorEdit) -> str:
    return "filled with zeros" if edit.outcome == "zero_filled" else edit.outcome.replace("rows_", "with rows ")


def _merge_keys(resolved: Sequence[Resolved], dropped: Sequence[str]) -> tuple[KeySet, ...]:
    merged: dict[tuple[str, str], KeySet] = {}
    for one in resolved:
        for key in one.keys:
            if key.file in dropped:
                raise mismatch(one.recipe, f"sets a key of {key.file}, which another recipe drops", APART)
            before = merged.get((key.file, key.key), key)
            if before.tokens is not None and key.tokens is not None:
                both = compact([*expand(before.tokens), *expand(key.tokens)])
                merged[key.file, key.key] = KeySet(file=key.file, key=key.key, tokens=both)
            elif before == key:
                merged[key.file, key.key] = key
            else:
                raise mismatch(one.recipe, f"sets {key.key} of {key.file} to something else than another recipe", APART)
    return tuple(merged[place] for place in sorted(merged))


def _merge_residual(
    resolved: Sequence[Resolved], checkpoint: Contents, edits: Mapping[str, TensorEdit]
) -> Iterator[Residual]:
    staying = [name for name in checkpoint.tensors if name not in edits or edits[name].outcome == "rows_zeroed"]
    seen: set[Residual] = set()
    for one in resolved:
        for residual in one.residual:
            if residual not in seen and any(matches(residual.pattern, name) for name in staying):
                seen.add(residual)
                yield residual
