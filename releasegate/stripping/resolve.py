"""One recipe against one checkpoint: which tensors, rows, files and keys its patterns mean, each accounted for once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal, assert_never

from releasegate.checkpoint import Contents
from releasegate.errors import RecipeMismatch
from releasegate.receipt import KeySet, LentParts, Ranges, compact
from releasegate.recipe import (
    Between,
    DropFiles,
    DropTensors,
    Expect,
    FromConfig,
    Recipe,
    Residual,
    SetKey,
    Tokens,
    ZeroFill,
    ZeroRows,
    matches,
)
from releasegate.stripping.edits import TensorEdit

ACCOUNT = "name it in exactly one edit or under `keep` in the recipe, or take it out of the checkpoint"


@dataclass(frozen=True, slots=True)
class Resolved:
    """A recipe in the names of one checkpoint."""

    recipe: Recipe
    tensors: Mapping[str, TensorEdit]
    dropped: tuple[str, ...]
    keys: tuple[KeySet, ...]
    residual: tuple[Residual, ...]
    lent: LentParts


def mismatch(recipe: Recipe, what: str, fix: str) -> RecipeMismatch:
    """The error that `recipe` does not fit the checkpoint."""
    return RecipeMismatch(f"recipe {recipe.id}", what, fix)


@dataclass(slots=True)
class _Accounts:
    """What each tensor or file of the checkpoint was claimed by."""

    recipe: Recipe
    kind: Literal["tensor", "file"]
    names: list[str]
    claims: dict[str, list[str]] = field(default_factory=dict)

    def claim(self, pattern: str, by: str) -> list[str]:
        """The names that `pattern` matches, claimed; two claims with the same words count as one."""
        found = [name for name in self.names if matches(pattern, name)]
        for name in found:
            held = self.claims.setdefault(name, [])
            if by not in held:
                held.append(by)
        return found

    def settle(self) -> None:
        """Raises RecipeMismatch unless each name is claimed exactly once."""
        for name, held in self.claims.items():
            if len(held) > 1:
                what = f"accounts for {self.kind} {name!r} more than once: {', '.join(held)}"
                raise mismatch(self.recipe, what, "make the patterns narrower, so that one of them names it")
        missed = [name for name in self.names if name not in self.claims]
        if missed:
            shown = ", ".join(repr(name) for name in missed[:3]) + (", …" if len(missed) > 3 else "")
            what = f"does not account for {len(missed)} {self.kind}{'s' if len(missed) > 1 else ''}: {shown}"
            raise mismatch(self.recipe, what, ACCOUNT)


def resolve(checkpoint: Contents, recipe: Recipe) -> Resolved:
    """What `recipe` means for `checkpoint`.

    Raises:
        RecipeMismatch: another layout; a tensor or file that is not accounted for, or twice; an expectation that is not
            met; a residual or lent part that is not there; tied embeddings.
    """
    if recipe.layout != checkpoint.layout:
        what = f"is for layout {recipe.layout}, and the checkpoint's is {checkpoint.layout}"
        raise mismatch(recipe, what, "choose a recipe of the checkpoint's layout")
    structure = {*checkpoint.shards, checkpoint.index_file}
    tensors = _Accounts(recipe, "tensor", sorted(checkpoint.tensors))
    files = _Accounts(recipe, "file", sorted(set(checkpoint.sizes) - structure))
    edits = _tensor_edits(checkpoint, recipe, tensors)
    dropped, keys = _file_edits(checkpoint, recipe, files)
    for pattern in recipe.keep.tensors:
        tensors.claim(pattern, f"keep {pattern}")
    for pattern in recipe.keep.files:
        files.claim(pattern, f"keep {pattern}")
    tensors.settle()
    files.settle()
    _refuse_ties(checkpoint, recipe, edits)
    _check_residual(recipe, edits, tensors.names)
    lent = _lent(recipe, edits, tensors.names, dropped, files.names)
    return Resolved(recipe, edits, dropped, keys, recipe.residual, lent)


def _tensor_edits(checkpoint: Contents, recipe: Recipe, tensors: _Accounts) -> dict[str, TensorEdit]:
    found: dict[str, TensorEdit] = {}
    for edit in recipe.edits:
        match edit:
            case DropTensors(drop=pattern):
                names = tensors.claim(pattern, f"drop {pattern}")
                _expect(checkpoint, recipe, edit.expect, len(names), f"drop {pattern}", "tensors")
                found |= dict.fromkeys(names, TensorEdit("removed"))
            case ZeroFill(zero_fill=pattern):
                names = tensors.claim(pattern, f"zero_fill {pattern}")
                _expect(checkpoint, recipe, edit.expect, len(names), f"zero_fill {pattern}", "tensors")
                found |= dict.fromkeys(names, TensorEdit("zero_filled"))
            case ZeroRows(zero_rows=pattern):
                names = tensors.claim(pattern, f"zero_rows {pattern}")
                name, rows = _rows(checkpoint, recipe, edit, names)
                before = found.get(name, TensorEdit("rows_zeroed"))
                found[name] = TensorEdit("rows_zeroed", _union(before.rows, rows))
            case DropFiles() | SetKey():
                pass
            case _:
                raise NotImplementedError  # being built
    return found


def _union(*ranges: Ranges) -> Ranges:
    return compact(number for some in ranges for first, last in some for number in range(first, last + 1))


def _rows(checkpoint: Contents, recipe: Recipe, edit: ZeroRows, names: list[str]) -> tuple[str, Ranges]:
    label = f"zero_rows {edit.zero_rows}"
    if len(names) != 1:
        what = f"{label}: matches {len(names)} tensors, and rows are of one tensor"
        raise mismatch(recipe, what, "name one tensor of the checkpoint")
    entry = checkpoint.tensors[names[0]].entry
    if entry.row_size is None:
        what = f"{label}: the rows of a tensor of dtype {entry.dtype} and shape {list(entry.shape)} are not whole bytes"
        raise mismatch(recipe, what, "zero_fill or drop the whole tensor")
    if not isinstance(edit.rows, Tokens):
        raise NotImplementedError  # being built
    ids = _ids(checkpoint, recipe, edit.rows, label)
    _expect(checkpoint, recipe, edit.expect, len(ids), f"{label}, rows {edit.rows.vocabulary}", "rows")
    if ids[-1] >= entry.shape[0]:
        what = f"{label}: row {ids[-1]} does not exist; the tensor has {entry.shape[0]}"
        raise mismatch(recipe, what, "the vocabulary and the weights do not belong together: export them again")
    return names[0], compact(ids)


def _ids(checkpoint: Contents, recipe: Recipe, tokens: Tokens, label: str) -> list[int]:
    ids = sorted({identity for token, identity in checkpoint.vocabulary.items() if matches(tokens.vocabulary, token)})
    if not ids:
        what = f"{label}: no token of the vocabulary matches {tokens.vocabulary!r}"
        raise mismatch(recipe, what, "check the pattern against vocabulary_map in config.json, or tokenizer.json")
    return ids


def _expect(checkpoint: Contents, recipe: Recipe, expect: Expect, count: int, label: str, noun: str) -> None:
    low, high, words = _bounds(checkpoint, recipe, expect, label)
    if not low <= count <= high:
        fix = "is it another version of the layout? look at what the pattern matches before changing `expect`"
        raise mismatch(recipe, f"{label}: matches {count} {noun}, and {words} expected", fix)


def _bounds(checkpoint: Contents, recipe: Recipe, expect: Expect, label: str) -> tuple[int, int, str]:
    match expect:
        case int():
            return expect, expect, f"{expect} {'is' if expect == 1 else 'are'}"
        case Between():
            return expect.min, expect.max, f"{expect.min} to {expect.max} are"
        case FromConfig():
            value: object = checkpoint.config
            for step in expect.config.split("."):
                value = value.get(step) if isinstance(value, Mapping) else None
            if type(value) is not int or value < 0:
                what = f"{label}: config.json has no whole number {expect.config}"
                raise mismatch(recipe, what, "correct the path under `expect`, or the config")
            return value, value, f"{value} ({expect.config} of config.json) are"
        case _:
            assert_never(expect)


def _file_edits(checkpoint: Contents, recipe: Recipe, files: _Accounts) -> tuple[tuple[str, ...], tuple[KeySet, ...]]:
    dropped: list[str] = []
    keys: dict[tuple[str, str], KeySet] = {}
    for edit in recipe.edits:
        match edit:
            case DropFiles(drop_file=pattern):
                names = files.claim(pattern, f"drop_file {pattern}")
                _expect(checkpoint, recipe, edit.expect, len(names), f"drop_file {pattern}", "files")
                dropped += names
            case SetKey(set=pattern):
                names = files.claim(pattern, "set")
                key = _key_set(checkpoint, recipe, edit, names)
                if (key.file, key.key) in keys:
                    raise mismatch(recipe, f"sets {key.key} of {key.file} twice", "leave one of the two edits")
                keys[key.file, key.key] = key
            case DropTensors() | ZeroFill() | ZeroRows():
                pass
            case _:
                raise NotImplementedError  # being built
    return tuple(dropped), tuple(keys.values())


def _key_set(checkpoint: Contents, recipe: Recipe, edit: SetKey, names: list[str]) -> KeySet:
    label = f"set {edit.set}"
    if len(names) != 1 or not names[0].endswith(".json"):
        what = f"{label}: matches {len(names)} files, and a key is set in one JSON file"
        raise mismatch(recipe, what, f"add {edit.set} to the checkpoint (`{{}}` suffices), or correct the name")
    if edit.tokens is None:
        return KeySet(file=names[0], key=edit.key, value=edit.value)
    return KeySet(file=names[0], key=edit.key, tokens=compact(_ids(checkpoint, recipe, edit.tokens, label)))


def _refuse_ties(checkpoint: Contents, recipe: Recipe, edits: Iterable[str]) -> None:
    text = checkpoint.config.get("text_config")
    configs = [checkpoint.config, *([text] if isinstance(text, Mapping) else [])]
    sizes = {config.get("vocab_size") for config in configs if isinstance(config.get("vocab_size"), int)}
    tied = any(config.get("tie_word_embeddings") for config in configs)
    matrices = [
        name
        for name, place in checkpoint.tensors.items()
        if len(place.entry.shape) > 1 and place.entry.shape[0] in sizes
    ]
    fix = "untie the embeddings first (save input and output as two tensors, tie_word_embeddings: false)"
    for name in edits:
        if name in matrices and (tied or len(matrices) == 1):
            why = "config.json ties them" if tied else "it is the only matrix of the vocabulary's size"
            what = f"edits {name}, which is input and output embedding at once ({why})"
            raise mismatch(recipe, what, fix)
        for file, header in checkpoint.shards.items():
            for key, value in (header.metadata or {}).items():
                if name in (key, value):
                    what = f"edits {name}, which the metadata of {file} ties to another name ({key!r}: {value!r})"
                    raise mismatch(recipe, what, "save the two tensors apart, without shared storage")


def _check_residual(recipe: Recipe, edits: Mapping[str, TensorEdit], names: list[str]) -> None:
    for residual in recipe.residual:
        staying = [
            name
            for name in names
            if matches(residual.pattern, name) and (name not in edits or edits[name].outcome == "rows_zeroed")
        ]
        if not staying:
            what = f"lists as residual {residual.tensors!r}, which matches no tensor that stays"
            raise mismatch(recipe, what, "correct the pattern, or take the entry out")
    for name, edit in edits.items():
        if edit.outcome == "rows_zeroed" and not any(matches(residual.pattern, name) for residual in recipe.residual):
            what = f"zeroes rows of {name} and does not list it under `residual`"
            raise mismatch(
                recipe, what, "zeroed rows are where a restoration starts: list it, with the reason why it stays"
            )


def _lent(
    recipe: Recipe, edits: Mapping[str, TensorEdit], names: list[str], dropped: tuple[str, ...], files: list[str]
) -> LentParts:
    fix = "lend what the recipe takes away, or take the entry out"
    tensors: list[str] = []
    for pattern in recipe.lent.tensors:
        found = [name for name in names if matches(pattern, name)]
        if not found or not all(name in edits for name in found):
            raise mismatch(recipe, f"lends {pattern!r}, which is no tensor that it removes or zeroes", fix)
        tensors += found
    lent_files: list[str] = []
    for pattern in recipe.lent.files:
        found = [name for name in files if matches(pattern, name)]
        if not all(name in dropped for name in found):
            raise mismatch(recipe, f"lends {pattern!r}, which is no file that it drops", fix)
        lent_files += found
    return LentParts(tensors=tuple(sorted(set(tensors))), files=tuple(sorted(set(lent_files))))
