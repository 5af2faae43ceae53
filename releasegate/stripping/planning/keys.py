"""Edits of JSON files: which key of which file gets which value."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from itertools import combinations
from pathlib import Path
from typing import Any

from releasegate.checkpoint.files import read_json_object
from releasegate.errors import CheckpointError
from releasegate.receipt import KeySet, expand
from releasegate.recipe import FromConfig, SetKey, UnsetKey, kind_of, pattern_of
from releasegate.stripping.planning.fitting import Fitting
from releasegate.stripping.planning.selection import token_ids


def key_edit(fitting: Fitting, edit: SetKey | UnsetKey, names: list[str]) -> KeySet | None:
    """What `edit` does to the one JSON file that it is about; `None` where there is nothing to take out.

    Args:
        names: what its pattern matches.

    Raises:
        RecipeMismatch: `names` is not one JSON file; a key that is not there, or is no number to lower.
        CheckpointError: the file is not a JSON object.
    """
    label = f"{kind_of(edit)} {pattern_of(edit)}"
    if isinstance(edit, UnsetKey) and edit.expect is not None and not names:
        fitting.expect(edit.expect, 0, f"{label}, key {edit.key}", "keys")
        return None
    if len(names) != 1 or not names[0].endswith(".json"):
        what = f"{label}: matches {len(names)} files, and a key is set in one JSON file"
        raise fitting.mismatch(what, f"add {pattern_of(edit)} to the checkpoint (`{{}}` suffices), or correct the name")
    file, key = names[0], edit.key
    if isinstance(edit, SetKey) and edit.tokens is not None:
        return KeySet(file=file, key=key, tokens=token_ids(fitting, edit.tokens, label))
    if isinstance(edit, SetKey) and edit.less is None and "." not in key:
        return KeySet(file=file, key=key, value=edit.value)
    holder, last = _holder(fitting, file, key)
    if isinstance(edit, UnsetKey):
        there = last in (holder or {})
        fitting.expect(1 if edit.expect is None else edit.expect, int(there), f"{label}, key {key}", "keys")
        return KeySet(file=file, key=key, unset=True) if there else None
    if holder is None:
        what = f"{label}: {file} has no object {key.rpartition('.')[0]}"
        raise fitting.mismatch(what, "correct the key: a dotted path of keys that are there")
    if edit.less is None:
        return KeySet(file=file, key=key, value=edit.value)
    less = fitting.number(edit.less, label) if isinstance(edit.less, FromConfig) else edit.less
    before = holder.get(last)
    if type(before) is not int or before < less:
        what = f"{label}: {file} has no whole number {key} that {less} can be taken from"
        raise fitting.mismatch(what, "correct the key or `less`")
    return KeySet(file=file, key=key, value=before - less)


def _holder(fitting: Fitting, file: str, key: str) -> tuple[Mapping[str, Any] | None, str]:
    """The object of `file` in which the last step of the dotted `key` stands, `None` if there is none; and that step."""
    *path, last = key.split(".")
    held: Any = read_json_object(fitting.contents.root / file)
    for step in path:
        held = held.get(step) if isinstance(held, Mapping) else None
    return (held if isinstance(held, Mapping) else None), last


def refuse_overlap(fitting: Fitting, keys: list[KeySet]) -> None:
    """Nothing, if no two edits are about one key, or one about a key inside another's value.

    Raises:
        RecipeMismatch: two are.
    """
    for one, other in combinations(sorted(keys, key=lambda key: (key.file, key.key)), 2):
        if one.file != other.file:
            continue
        if one.key == other.key:
            raise fitting.mismatch(f"sets {one.key} of {one.file} twice", "leave one of the two edits")
        if other.key.startswith(f"{one.key}."):
            what = f"sets {one.key} of {one.file}, and {other.key} inside it"
            raise fitting.mismatch(what, "leave one of the two edits")


def set_key(data: dict[str, Any], key: KeySet, path: Path) -> None:
    """Nothing; the key is set or taken out in `data`, which stands in the file at `path`.

    Raises:
        CheckpointError: there is something else than an object on the way to it, or than a list where ids are added.
    """
    *way, last = key.key.split(".")
    for depth, step in enumerate(way, 1):
        inner = data.get(step)
        if not isinstance(inner, dict):
            if key.unset:
                return
            what = f"has no object {'.'.join(way[:depth])}, in which {last} is to be set"
            raise CheckpointError(str(path), what, "correct the key in the recipe, or the file")
        data = inner
    if key.unset:
        data.pop(last, None)
    elif key.tokens is not None:
        data[last] = _with_ids(path, key, data.get(last))
    else:
        data[last] = key.value


def _with_ids(path: Path, key: KeySet, before: Any) -> list[int]:
    if before is not None and not (isinstance(before, list) and all(type(item) is int for item in before)):
        raise CheckpointError(
            str(path), f"has a {key.key} that is not a list of token ids", "correct or remove the key"
        )
    return sorted({*(before or ()), *expand(key.tokens or ())})


def config_after(fitting: Fitting, keys: Sequence[KeySet]) -> dict[str, Any]:
    """The configuration once its `keys` are set and taken out.

    Raises:
        CheckpointError: see `set_key`.
    """
    config = deepcopy(dict(fitting.contents.config))
    for key in keys:
        if key.file == fitting.contents.config_file:
            set_key(config, key, fitting.contents.root / key.file)
    return config
