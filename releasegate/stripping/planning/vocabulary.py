"""Tokens taken out of a checkpoint: their rows in every tensor, their entries in every file, and the ids that follow."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from fnmatch import fnmatchcase
from pathlib import PurePosixPath
from typing import Any, Protocol

from releasegate.checkpoint import Contents
from releasegate.checkpoint.files import parse_json_object, read_json_text
from releasegate.errors import RecipeMismatch
from releasegate.receipt import KeySet, Ranges, compact, expand
from releasegate.stripping.edits import TensorEdit
from releasegate.stripping.planning.fitting import Fitting
from releasegate.stripping.planning.numbering import Numbering, understood
from releasegate.stripping.planning.tokenids import SIZE, TokenIds, states_size
from releasegate.stripping.planning.tokenizers import is_tokenizer, vocabulary_of, without_tokens
from releasegate.stripping.planning.tokenrows import counts_tokens, other_lengths, vocabulary_sizes
from releasegate.stripping.rows import count_of

CLOSED = ("*.model", "*.spm", "*.bpe", "*.tiktoken", "vocab.txt", "merges.txt", "*.vocab")
"""Files that hold a vocabulary in a form that is not edited here."""
CONFIGS = ("*config.json", "special_tokens_map.json", "params.json")


class Planned(Protocol):
    """What is known of a plan here."""

    @property
    def tensors(self) -> Mapping[str, TensorEdit]: ...
    @property
    def dropped(self) -> Collection[str]: ...
    @property
    def keys(self) -> tuple[KeySet, ...]: ...
    @property
    def vocabulary(self) -> Ranges: ...


def renumbered_keys(fitting: Fitting, keys: tuple[KeySet, ...], tokens: Ranges) -> tuple[KeySet, ...]:
    """The keys with the ids that their tokens have once `tokens` were taken out.

    Raises:
        RecipeMismatch: a key names tokens that are taken out.
    """
    numbering = Numbering.without(tokens)
    found: list[KeySet] = []
    for key in keys:
        if key.tokens is None or not tokens:
            found.append(key)
            continue
        ids = [numbering.new(identity) for identity in expand(key.tokens)]
        if None in ids:
            what = f"sets {key.key} of {key.file} to tokens that it drops"
            raise fitting.mismatch(what, "leave one of the two edits")
        found.append(KeySet(file=key.file, key=key.key, tokens=compact(one for one in ids if one is not None)))
    return tuple(found)


def require_rows(
    fitting: Fitting, edits: Mapping[str, TensorEdit], tokens: Ranges, by_token: Collection[str] = ()
) -> None:
    """Nothing, if every tensor with a row for each token loses the rows of just the tokens that are taken out.

    Args:
        edits: by the tensor's key.
        tokens: their ids.
        by_token: tensors of which a recipe names rows by token.

    Raises:
        RecipeMismatch: one does not.
    """
    contents = fitting.contents
    shapes = {name: place.entry.shape for name, place in contents.tensors.items()}
    shrunk = {name: edit for name, edit in edits.items() if edit.outcome == "rows_removed" and name in shapes}
    others = other_lengths(contents.config)
    if not tokens:
        sizes = vocabulary_sizes(contents)
        for name, edit in shrunk.items():
            shape, side = shapes[name], edit.dimension
            if shape[side] in sizes and (name in by_token or counts_tokens(name, shape, side, others)):
                what = f"removes rows of {name}, which has a row for each token along dimension {side}, and drops no tokens"
                raise fitting.mismatch(what, "add `drop_tokens` with the same tokens, or zero the rows")
        return
    if contents.parallel:
        what = "drops tokens of a checkpoint that is split into tensor-parallel shards"
        raise fitting.mismatch(what, "join the shards first, or zero the rows")
    length = vocabulary_length(contents, edits, tokens)
    if length is None:
        what = f"drops {count_of(tokens)} tokens, and removes their rows from no tensor, or from tensors of several lengths"
        raise fitting.mismatch(what, "add `remove_rows` of the same tokens for each tensor with a row for each token")
    for name, shape in shapes.items():
        done = edits.get(name)
        if done is not None and done.outcome == "removed":
            continue
        alike = done is not None and done.outcome == "rows_removed" and done.rows == tokens
        losing = done.dimension if done and alike else None
        for side, size in enumerate(shape):
            if size == length and side != losing and counts_tokens(name, shape, side, others):
                what = (
                    f"drops {count_of(tokens)} tokens, and {name}, which has a row for each of {length} along dimension "
                    f"{side}, does not lose them"
                )
                raise fitting.mismatch(what, "add `remove_rows` of the same tokens for it")


def vocabulary_length(contents: Contents, edits: Mapping[str, TensorEdit], tokens: Ranges) -> int | None:
    """How many rows the tensors had that lose those of `tokens`; `None` if there are none, or they differ."""
    lengths = {
        contents.tensors[name].entry.shape[edit.dimension]
        for name, edit in edits.items()
        if edit.outcome == "rows_removed" and edit.rows == tokens and name in contents.tensors
    }
    return lengths.pop() if len(lengths) == 1 else None


def edited_files(contents: Contents, plan: Planned) -> dict[str, Any]:
    """What the JSON files hold in which tokens are taken out or renumbered, by name; empty if no token is taken out.

    Keys that the recipe sets are not set in it.

    Raises:
        RecipeMismatch: a file needs a token that is taken out, or holds the vocabulary in a form that is not edited.
        CheckpointError: a file is not what it must be.
    """
    length = vocabulary_length(contents, plan.tensors, plan.vocabulary)
    if not plan.vocabulary or length is None:
        return {}
    numbering = Numbering.without(plan.vocabulary)
    structure = {*contents.shards, *contents.siblings, contents.index_file, *plan.dropped}
    loose = [name for name in sorted(contents.sizes) if name not in structure]
    read = {name: _read(contents, name) for name in loose if name.endswith(".json")}
    names = {token for token, identity in contents.vocabulary.items() if numbering.new(identity) is None}
    for name, data in read.items():
        if is_tokenizer(data):
            with understood(str(contents.root / name)):
                names |= {token for token, identity in vocabulary_of(data).items() if numbering.new(identity) is None}
    if contents.config_file and not states_size(contents.config, length):
        what = f"states no {SIZE} of {length}, which tensors have as rows"
        raise RecipeMismatch(
            str(contents.root / contents.config_file), what, "correct the config: what would be lowered?"
        )
    _refuse_closed(contents, loose)
    found: dict[str, Any] = {}
    for name, data in read.items():
        where = str(contents.root / name)
        settled = {key.key for key in plan.keys if key.file == name}
        with understood(where):
            changed = _edited(name, data, TokenIds(numbering, names, length, where, settled))
        if changed != data:
            found[name] = changed
    return found


def _edited(name: str, data: Mapping[str, Any], ids: TokenIds) -> Mapping[str, Any]:
    base = PurePosixPath(name).name
    if is_tokenizer(data):
        return without_tokens(data, ids.numbering, ids.where)
    if data and base in ("vocab.json", "added_tokens.json") and all(type(value) is int for value in data.values()):
        return ids.numbering.mapping(data)
    if any(fnmatchcase(base, pattern) for pattern in CONFIGS):
        return ids.renumbered(data)
    if not ids.names.isdisjoint({*data, *(value for value in data.values() if isinstance(value, str))}):
        what = "names tokens that the recipe drops, in a form that is not understood"
        raise RecipeMismatch(ids.where, what, "leave the file out with `drop_file`, or export it again afterwards")
    return data


def _read(contents: Contents, name: str) -> dict[str, Any]:
    path = contents.root / name
    text = read_json_text(path)
    if text.lstrip()[:1] == b"[":
        return {}  # a list, which holds no vocabulary that a loader would read
    return parse_json_object(text, str(path))


def _refuse_closed(contents: Contents, loose: list[str]) -> None:
    for name in loose:
        if any(fnmatchcase(PurePosixPath(name).name, pattern) for pattern in CLOSED):
            what = "holds the vocabulary in a form in which no token can be dropped"
            fix = "leave it out with `drop_file` if tokenizer.json is there; else convert it to tokenizer.json"
            raise RecipeMismatch(str(contents.root / name), what, fix)
