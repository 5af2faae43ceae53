"""Files of text that a strip changes: keys of JSON files, the vocabulary, and the index of the shards."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from releasegate.checkpoint import Contents
from releasegate.checkpoint.files import parse_json_object
from releasegate.receipt import KeySet, expand
from releasegate.stripping.planning.keys import set_key
from releasegate.stripping.planning.plan import StripPlan
from releasegate.stripping.planning.vocabulary import edited_files
from releasegate.stripping.rows import after_edit, count_of
from releasegate.stripping.writing.names import converted_name


def edited_names(contents: Contents, plan: StripPlan) -> set[str]:
    """The files of text that are not copied as they are, by their names in the source."""
    names = {key.file for key in plan.keys} | set(edited_files(contents, plan))
    if contents.index_file is not None and _index_changes(contents, plan):
        names.add(contents.index_file)
    return names


def edited_texts(contents: Contents, plan: StripPlan, texts: Mapping[str, bytes]) -> dict[str, bytes]:
    """What stands in the files of `edited_names` after the strip.

    Args:
        contents: the source.
        plan: what is done.
        texts: what stands in those files before it.

    Raises:
        CheckpointError: a file is not JSON, or not in the form that an edit of it needs.
    """
    vocabulary = edited_files(contents, plan)
    found: dict[str, bytes] = {}
    for name in sorted(edited_names(contents, plan)):
        path = contents.root / name
        moved = vocabulary.get(name)
        keys = [key for key in plan.keys if key.file == name]
        data = parse_json_object(texts[name], str(path)) if moved is None else moved
        if name == contents.index_file and _index_changes(contents, plan):
            data = _new_index(contents, plan, data)
        for key in keys:
            set_key(data, key, path)
        found[name] = _text(data)
    return found


def _text(data: Any) -> bytes:
    try:
        return (json.dumps(data, indent=2, ensure_ascii=False) + "\n").encode()
    except UnicodeEncodeError:  # half a character, which can only be written as its number
        return (json.dumps(data, indent=2) + "\n").encode()


def has_key(data: Mapping[str, Any], key: KeySet) -> bool:
    """Whether `data` is as the key says: set to it, with its ids, or without the key."""
    *way, last = key.key.split(".")
    inner: Any = data
    for step in way:
        inner = inner.get(step) if isinstance(inner, Mapping) else None
    if not isinstance(inner, Mapping) or last not in inner:
        return bool(key.unset)
    if key.tokens is not None:
        held = inner[last]
        if not isinstance(held, list) or count_of(key.tokens) > len(held):  # counted first: they may be very many
            return False
        return set(expand(key.tokens)) <= {item for item in held if type(item) is int}
    return not key.unset and bool(inner[last] == key.value)


def _index_changes(contents: Contents, plan: StripPlan) -> bool:
    edits = (plan.tensors[name] for name in contents.tensors if name in plan.tensors)
    return any(edit.outcome in ("removed", "rows_removed") for edit in edits) or any(
        header.pickled for header in contents.shards.values()
    )


def _new_index(contents: Contents, plan: StripPlan, index: Mapping[str, Any]) -> dict[str, Any]:
    """The index without the removed tensors, with the names of files and the totals brought up to date."""
    staying = {name: after_edit(place.entry, plan.tensors.get(name)) for name, place in contents.tensors.items()}
    metadata = dict(found) if isinstance(found := index.get("metadata"), dict) else {}
    before = [place.entry for place in contents.tensors.values()]
    after = [entry for entry in staying.values() if entry is not None]
    for total, less in (
        ("total_size", sum(entry.size for entry in before) - sum(entry.size for entry in after)),
        ("total_parameters", sum(entry.elements for entry in before) - sum(entry.elements for entry in after)),
    ):
        if type(metadata.get(total)) is int:
            metadata[total] -= less
    weight_map = {
        name: converted_name(file) if contents.shards[file].pickled else file
        for name, file in index["weight_map"].items()
        if staying[name] is not None
    }
    return {**index, "metadata": metadata, "weight_map": weight_map}
