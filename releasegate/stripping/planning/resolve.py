"""One recipe against one checkpoint: which tensors, rows, files and keys its patterns mean, each accounted for once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import assert_never

from releasegate.checkpoint import Contents
from releasegate.patterns import matches
from releasegate.receipt import KeySet, LentParts, Ranges
from releasegate.recipe import (
    DropFiles,
    DropTensors,
    DropTokens,
    Recipe,
    ReinitialiseRows,
    RemoveRows,
    RemoveSlices,
    RowEdit,
    SetKey,
    Tokens,
    UnsetKey,
    ZeroFill,
    ZeroRows,
    ZeroSlices,
    kind_of,
    pattern_of,
)
from releasegate.stripping.edits import TensorEdit
from releasegate.stripping.planning.fitting import Accounts, Fitting, fit
from releasegate.stripping.planning.keys import key_edit, refuse_overlap
from releasegate.stripping.planning.residuals import check_residual, lent_parts
from releasegate.stripping.planning.selection import joined, row_edits, slice_edits, token_ids
from releasegate.stripping.planning.ties import UNTIE, absent_by_tie, refuse_ties
from releasegate.stripping.rows import count_of


@dataclass(frozen=True, slots=True)
class Resolved:
    """A recipe in the names of one checkpoint.

    Attributes:
        fitting: the recipe and the checkpoint.
        tensors: edits by the tensor's key.
        dropped: files that are left out.
        keys: keys of JSON files that are set.
        tokens: ids that are taken out of the vocabulary.
        lent: what an attacker is given at measuring.
        converted: pickles whose tensors the recipe accounts for one by one.
        by_token: tensors of which it names rows by token, by key.
    """

    fitting: Fitting
    tensors: Mapping[str, TensorEdit]
    dropped: tuple[str, ...]
    keys: tuple[KeySet, ...]
    tokens: Ranges
    lent: LentParts
    converted: tuple[str, ...]
    by_token: frozenset[str]

    @property
    def recipe(self) -> Recipe:
        """What was resolved."""
        return self.fitting.recipe


def resolve(contents: Contents, recipe: Recipe) -> Resolved:
    """What `recipe` means for the checkpoint that holds `contents`.

    Raises:
        RecipeMismatch: another layout; a tensor or file that is not accounted for, or twice; an expectation that is not
            met; a residual or lent part that is not there; tied embeddings; a file that no published checkpoint may hold.
        CheckpointError: a file whose tensors or keys the recipe names cannot be read.
    """
    fitting = fit(contents, recipe)
    tensors, files = Accounts(fitting, "tensor"), Accounts(fitting, "file")
    edits = _tensor_edits(fitting, tensors)
    dropped, keys = _file_edits(fitting, files)
    for file in fitting.opened:
        files.claims.setdefault(file, {})["tensors"] = "its tensors"
    for pattern in recipe.keep.tensors:
        tensors.claim(pattern, f"keep {pattern}")
    for pattern in recipe.keep.files:
        files.claim(pattern, f"keep {pattern}")
    _refuse_foreign(fitting, dropped)
    _refuse_code(fitting, dropped, keys)
    tensors.settle()
    files.settle()
    refuse_emptied(fitting, edits)
    refuse_ties(fitting, edits)
    check_residual(fitting, edits, dropped)
    pickles = {**contents.shards, **fitting.opened}
    return Resolved(
        fitting=fitting,
        tensors=edits,
        dropped=dropped,
        keys=keys,
        tokens=_tokens(fitting),
        lent=lent_parts(fitting, edits, dropped),
        converted=tuple(sorted(name for name, header in pickles.items() if header.pickled)),
        by_token=frozenset(_by_token(fitting)),
    )


def _by_token(fitting: Fitting) -> Iterator[str]:
    for edit in fitting.recipe.edits:
        if isinstance(edit, RowEdit) and isinstance(edit.rows, Tokens):
            for name in fitting.tensors(pattern_of(edit)):
                yield from (part.key for part in fitting.parts[name])


def _tensor_edits(fitting: Fitting, tensors: Accounts) -> dict[str, TensorEdit]:
    found: dict[str, TensorEdit] = {}
    for edit in fitting.recipe.edits:
        label = f"{kind_of(edit)} {pattern_of(edit)}"
        match edit:
            case DropTensors() | ZeroFill():
                names = tensors.claim(pattern_of(edit), label)
                if not names and (tied := absent_by_tie(fitting, pattern_of(edit))):
                    raise fitting.mismatch(f"{label}: matches no tensor: {tied}", UNTIE)
                fitting.expect(edit.expect, len(names), label, "tensors")
                outcome = TensorEdit("removed" if isinstance(edit, DropTensors) else "zero_filled")
                found |= {part.key: outcome for name in names for part in fitting.parts[name]}
            case ZeroRows() | ReinitialiseRows() | RemoveRows():
                names = tensors.claim(pattern_of(edit), label, sharing="rows")
                _join(fitting, found, row_edits(fitting, edit, names))
            case ZeroSlices() | RemoveSlices():
                names = tensors.claim(pattern_of(edit), label, sharing="rows")
                _join(fitting, found, slice_edits(fitting, edit, names))
            case DropTokens() | DropFiles() | SetKey() | UnsetKey():
                pass
            case _:
                assert_never(edit)
    return found


def _join(fitting: Fitting, found: dict[str, TensorEdit], more: Mapping[str, TensorEdit]) -> None:
    """Adds edits of parts to those that are there: the same thing done to more rows of a tensor is one edit."""
    for key, edit in more.items():
        before = found.get(key, edit)
        both = before.joined(edit) if before.partial else edit  # else it is claimed twice, which is refused later
        if both is None:
            what = f"wants tensor {key} {before.words} and {edit.words}"
            raise fitting.mismatch(what, "do one of the two, or strip in two runs")
        found[key] = both


def refuse_emptied(fitting: Fitting, edits: Mapping[str, TensorEdit]) -> None:
    """Nothing, if the model keeps a tensor, and each tensor that loses rows keeps some.

    Raises:
        RecipeMismatch: otherwise.
    """
    if all(name in edits and edits[name].outcome == "removed" for name in fitting.contents.tensors):
        raise fitting.mismatch("removes every tensor", "what would be released? correct the recipe")
    for parts in fitting.parts.values():
        for part in parts:
            edit = edits.get(part.key)
            lost = count_of(edit.rows) if edit is not None and edit.outcome == "rows_removed" else 0
            if edit is not None and lost and lost == part.entry.shape[edit.dimension]:
                raise fitting.mismatch(f"removes all {lost} rows of {part.key}", "`drop` the tensor")


def _file_edits(fitting: Fitting, files: Accounts) -> tuple[tuple[str, ...], tuple[KeySet, ...]]:
    dropped: set[str] = set()
    keys: list[KeySet] = []
    for edit in fitting.recipe.edits:
        match edit:
            case DropFiles(drop_file=pattern):
                names = files.claim(pattern, f"drop_file {pattern}")
                _refuse_structure(fitting, pattern, names)
                fitting.expect(edit.expect, len(names), f"drop_file {pattern}", "files")
                dropped |= set(names)
            case SetKey() | UnsetKey():
                key = key_edit(fitting, edit, files.claim(pattern_of(edit), "set"))
                keys += [key] if key else []
            case _:
                pass
    refuse_overlap(fitting, keys)
    return tuple(sorted(dropped)), tuple(keys)


def _refuse_structure(fitting: Fitting, pattern: str, names: list[str]) -> None:
    """The model's own files are not left out as files."""
    contents, label = fitting.contents, f"drop_file {pattern}"
    shard = next((name for name in contents.shards if matches(pattern, name, contents.config)), None)
    if shard is not None and not names:
        fix = "`drop` the tensors by name; a file of which no tensor stays is left out"
        raise fitting.mismatch(f"{label}: {shard} holds the model's weights", fix)
    if contents.index_file is not None and not names and matches(pattern, contents.index_file, contents.config):
        fix = "leave that edit out"
        raise fitting.mismatch(f"{label}: {contents.index_file} says where the weights lie, and is written anew", fix)
    if contents.config_file in names:
        fix = "keep it, and `set` or `unset` its keys"
        raise fitting.mismatch(f"{label}: without {contents.config_file} nothing says what the model is", fix)


def _refuse_foreign(fitting: Fitting, dropped: tuple[str, ...]) -> None:
    """A file that may hold anything is left out, or its tensors are accounted for one by one."""
    for name, what in fitting.contents.foreign.items():
        opened = fitting.opened.get(name)
        if name not in dropped and not (opened and opened.pickled):
            fix = f"leave it out with `drop_file: {name}`, or account for its tensors (`{name}:PATTERN`) if it is a pickle"
            raise fitting.mismatch(f"does not drop {name!r}, which is {what}", fix)


def _refuse_code(fitting: Fitting, dropped: tuple[str, ...], keys: tuple[KeySet, ...]) -> None:
    """A key that asks for code from the checkpoint to be run is taken out, or the file that it stands in."""
    unset = {(key.file, key.key) for key in keys if key.unset}
    for name, key in fitting.contents.code.items():
        if name not in dropped and (name, key) not in unset:
            what = f"leaves {key} in {name}, which asks for code from the checkpoint to be run"
            raise fitting.mismatch(what, f"take it out: `{{unset: {name}, key: {key}}}`")


def _tokens(fitting: Fitting) -> Ranges:
    """The ids that are taken out of the vocabulary."""
    found: list[tuple[int, int]] = []
    for edit in fitting.recipe.edits:
        if isinstance(edit, DropTokens):
            label = f"drop_tokens {edit.drop_tokens}"
            ids = token_ids(fitting, Tokens(vocabulary=edit.drop_tokens), label)
            fitting.expect(edit.expect, count_of(ids), label, "tokens")
            found += ids
    return joined(found)
