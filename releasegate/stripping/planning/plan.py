"""What a strip will do, fixed before a byte is written: several recipes, resolved against one checkpoint and merged."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import TypeVar

from releasegate.checkpoint import Contents, Header
from releasegate.checkpoint.files import CODE
from releasegate.checkpoint.gguf import read_gguf, refuse_gguf
from releasegate.errors import RecipeMismatch
from releasegate.manifest import stripped_digest
from releasegate.patterns import matches
from releasegate.receipt import ExactShapes, KeySet, LentParts, Ranges, Receipt, RecipeUsed, Tier
from releasegate.recipe import Recipe, Remaining, Residual, Restored, SetKey
from releasegate.stripping.edits import TensorEdit, edit_of
from releasegate.stripping.planning.exact import account
from releasegate.stripping.planning.fitting import mismatch
from releasegate.stripping.planning.keys import config_after, refuse_overlap
from releasegate.stripping.planning.residuals import staying
from releasegate.stripping.planning.resolve import Resolved, refuse_emptied, resolve
from releasegate.stripping.planning.selection import joined
from releasegate.stripping.planning.ties import refuse_ties
from releasegate.stripping.planning.vocabulary import edited_files, renumbered_keys, require_rows

AS_IT_IS = "publish it as it is, or correct the recipe"
APART = "correct one of the recipes, or strip in two runs"


C = TypeVar("C", bound=Contents)


@dataclass(frozen=True, slots=True)
class StripPlan:
    """Everything that one strip changes. What it does not name stays bit for bit.

    Attributes:
        recipes: what was resolved, sorted by id.
        tensors: edits by the tensor's key: its name, `NAME@FILE` of a tensor-parallel shard, `FILE:NAME` beside the model.
        dropped: files that are left out, sorted.
        keys: keys of JSON files that are set; ids are those after the strip.
        residual: what stays although an attacker could use it.
        lent: what an attacker is given at measuring.
        restored: what it cost elsewhere to bring back what goes.
        remaining: what it does not touch.
        vocabulary: tokens that are taken out, by their ids before; the ids that follow move up.
        converted: pickles of the source whose tensors are accounted for one by one, by name; what stays of each
            becomes a safetensors file.
        values: patterns of the values in pickles that are kept.
        siblings: headers of the files beside the model whose tensors are edited one by one, by the file's name.
        by_token: tensors of which a recipe names rows by token, by key.
        exact: how what stays was held against what it should be; `None` where it was not.
        wide: why it was not.
        undeclared: dotted paths of settings of the model that its class does not declare; `None` if no class was asked.
    """

    recipes: tuple[RecipeUsed, ...]
    tensors: Mapping[str, TensorEdit]
    dropped: tuple[str, ...]
    keys: tuple[KeySet, ...]
    residual: tuple[Residual, ...]
    lent: LentParts
    restored: tuple[Restored, ...] = ()
    remaining: tuple[Remaining, ...] = ()
    vocabulary: Ranges = ()
    converted: tuple[str, ...] = ()
    values: tuple[str, ...] = ()
    siblings: Mapping[str, Header] = field(default_factory=dict, repr=False)
    by_token: frozenset[str] = frozenset()
    exact: ExactShapes | None = None
    wide: str | None = None
    undeclared: tuple[str, ...] | None = None

    @property
    def tier(self) -> Tier:
        """What the strip proves."""
        return "named_weights_absent" if self.wide is not None else "weights_absent"

    def identity(self, source: str) -> str:
        """strip(source digest, recipe digests)."""
        return stripped_digest(source, [recipe.sha256 for recipe in self.recipes])

    def opened(self, contents: C) -> C:
        """The source with the headers of the files beside its model whose tensors the plan edits one by one."""
        return replace(contents, siblings={**contents.siblings, **self.siblings})

    def made(self, receipt: Receipt) -> bool:
        """Whether a receipt says that just this was done: the same edits, files, keys, values, residual and lent parts."""
        edits = {tensor.name: edit for tensor in receipt.tensors if (edit := edit_of(tensor)) is not None}
        kept = (value for one in receipt.converted or () for value in one.kept)
        return (
            receipt.planned == self.identity(receipt.source)
            and receipt.recipes == self.recipes
            and edits == self.tensors
            and tuple(sorted(entry.path for entry in receipt.dropped)) == self.dropped
            and (receipt.keys, receipt.residual, receipt.lent) == (self.keys, self.residual, self.lent)
            and (receipt.restored or (), receipt.remaining or ()) == (self.restored, self.remaining)
            and (receipt.vocabulary.tokens if receipt.vocabulary else ()) == self.vocabulary
            and tuple(sorted(one.file for one in receipt.converted or ())) == self.converted
            and all(any(matches(pattern, value) for pattern in self.values) for value in kept)
            and receipt.tier == self.tier
            and _same_accounting(receipt.exact, self.exact)
        )


def plan_strip(checkpoint: Contents, recipes: Sequence[Recipe]) -> StripPlan:
    """What the strip of `checkpoint` by `recipes` together will do.

    Each recipe must account for the whole checkpoint by itself; together they take away what any of them takes away.

    Raises:
        RecipeMismatch: a recipe does not fit the checkpoint, or two recipes want different things of one tensor,
            file or key.
        StripError: the checkpoint is a GGUF file.
    """
    if not recipes:
        raise RecipeMismatch(str(checkpoint.root), "no recipe was given", "name at least one recipe")
    for shard in checkpoint.shards if checkpoint.layout.endswith("-gguf") else ():
        refuse_gguf(read_gguf(checkpoint.root / shard))
    resolved = [resolve(checkpoint, recipe) for recipe in sorted(recipes, key=lambda recipe: recipe.id)]
    for one, other in pairwise(resolved):
        if one.recipe.id == other.recipe.id:
            raise mismatch(other.recipe, "is given twice", "name each recipe once")
    tensors = _merge_tensors(resolved)
    dropped = tuple(sorted({name for one in resolved for name in one.dropped}))
    _refuse_nothing_or_all(resolved, tensors, dropped)
    tokens = joined([ids for one in resolved for ids in one.tokens])
    keys = _merge_keys(resolved, dropped)
    plan = StripPlan(
        recipes=tuple(RecipeUsed(id=one.recipe.id, sha256=one.recipe.digest()) for one in resolved),
        tensors=tensors,
        dropped=dropped,
        keys=renumbered_keys(resolved[-1].fitting, keys, tokens),
        residual=tuple(_merge_residual(resolved, tensors, dropped)),
        lent=LentParts(
            tensors=tuple(sorted({name for one in resolved for name in one.lent.tensors})),
            files=tuple(sorted({name for one in resolved for name in one.lent.files})),
        ),
        restored=tuple(dict.fromkeys(known for one in resolved for known in one.recipe.restored or ())),
        remaining=tuple(dict.fromkeys(known for one in resolved for known in one.recipe.remaining or ())),
        vocabulary=tokens,
        converted=tuple(sorted({name for one in resolved for name in one.converted})),
        values=tuple(sorted(set.intersection(*(set(one.recipe.keep.values or ()) for one in resolved)))),
        siblings=_merge_siblings(resolved, dropped),
        by_token=frozenset().union(*(one.by_token for one in resolved)),
    )
    fitting = resolved[-1].fitting
    refuse_ties(fitting, plan.tensors, config_after(fitting, plan.keys))
    require_rows(fitting, plan.tensors, tokens, plan.by_token)
    edited_files(checkpoint, plan)  # raises what is wrong with them before anything is written
    exact, wide, undeclared = account(resolved, plan)
    return replace(plan, exact=exact, wide=wide, undeclared=undeclared)


def _same_accounting(told: ExactShapes | None, found: ExactShapes | None) -> bool:
    """Whether a receipt tells of the same; one from before it was checked tells of nothing. Versions may differ."""
    if told is None or found is None:
        return told is None
    return (told.by, told.class_, told.tensors) == (found.by, found.class_, found.tensors)


def _refuse_nothing_or_all(
    resolved: Sequence[Resolved], tensors: Mapping[str, TensorEdit], dropped: Sequence[str]
) -> None:
    recipe = resolved[-1].recipe
    if not tensors and not dropped:
        raise mismatch(recipe, "takes nothing away from this checkpoint", AS_IT_IS)
    if not tensors and not any(_may_hold_weights(resolved[-1].fitting.contents, name) for name in dropped):
        what = f"takes no weights away from this checkpoint: it leaves out {', '.join(dropped[:3])}"
        raise mismatch(recipe, what + (", …" if len(dropped) > 3 else ""), AS_IT_IS)
    refuse_emptied(resolved[-1].fitting, tensors)


def _may_hold_weights(contents: Contents, name: str) -> bool:
    return name in contents.siblings or contents.foreign.get(name, CODE) != CODE


def _merge_tensors(resolved: Sequence[Resolved]) -> dict[str, TensorEdit]:
    merged: dict[str, TensorEdit] = {}
    for one in resolved:
        for name, edit in one.tensors.items():
            before = merged.get(name, edit)
            both = before.joined(edit)
            if both is None:
                what = f"wants tensor {name} {edit.words}, and another recipe wants it {before.words}"
                raise mismatch(one.recipe, what, APART)
            merged[name] = both
    return dict(sorted(merged.items()))


def _merge_siblings(resolved: Sequence[Resolved], dropped: Sequence[str]) -> dict[str, Header]:
    merged: dict[str, Header] = {}
    for one in resolved:
        for file, header in one.fitting.opened.items():
            if file in dropped:
                raise mismatch(one.recipe, f"accounts for tensors of {file}, which another recipe drops", APART)
            merged[file] = header
    return merged


def _merge_keys(resolved: Sequence[Resolved], dropped: Sequence[str]) -> tuple[KeySet, ...]:
    merged: dict[tuple[str, str], KeySet] = {}
    lowered: set[tuple[str, str]] = set()
    for one in resolved:
        _refuse_lowered_twice(one, lowered)
        for key in one.keys:
            if key.file in dropped:
                raise mismatch(one.recipe, f"sets a key of {key.file}, which another recipe drops", APART)
            before = merged.get((key.file, key.key), key)
            if before.tokens is not None and key.tokens is not None:
                both = joined([*before.tokens, *key.tokens])
                merged[key.file, key.key] = KeySet(file=key.file, key=key.key, tokens=both)
            elif before == key:
                merged[key.file, key.key] = key
            else:
                raise mismatch(one.recipe, f"sets {key.key} of {key.file} to something else than another recipe", APART)
    keys = [merged[place] for place in sorted(merged)]
    refuse_overlap(resolved[-1].fitting, keys)
    return tuple(keys)


def _refuse_lowered_twice(one: Resolved, lowered: set[tuple[str, str]]) -> None:
    """Each of two recipes that lower a number would reckon from the source's."""
    own = {
        (file, edit.key)
        for edit in one.recipe.edits
        if isinstance(edit, SetKey) and edit.less is not None
        for file in one.fitting.files(edit.set)
    }
    for file, key in sorted(own & lowered):
        raise mismatch(one.recipe, f"lowers {key} of {file}, which another recipe lowers too", APART)
    lowered |= own


def _merge_residual(
    resolved: Sequence[Resolved], edits: Mapping[str, TensorEdit], dropped: Sequence[str]
) -> Iterator[Residual]:
    """What any recipe lists, unless another recipe takes it away."""
    seen: set[Residual] = set()
    for one in resolved:
        for residual in one.recipe.residual:
            if residual not in seen and any(True for _ in staying(one.fitting, residual, edits, dropped)):
                seen.add(residual)
                yield residual
