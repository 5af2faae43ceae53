"""Which files form the model: by the index, else by the layout; and whether index and shards agree, both ways."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import PurePosixPath
from typing import Any

from releasegate.checkpoint.jsontext import shown
from releasegate.checkpoint.layouts import Form
from releasegate.inspection.reading import SHOWN
from releasegate.inspection.record import Finding, Kind, Level
from releasegate.inspection.stored import Held

AGAIN = "fetch or export the checkpoint again"


@dataclass(frozen=True, slots=True)
class Model:
    """The files that form the model.

    Attributes:
        files: those that were read.
        index_file: the index that says so.
        known: whether anything says so. Where nothing does, `files` is every file of tensors.
    """

    files: tuple[str, ...]
    index_file: str | None
    known: bool


def choose_model(
    held: Mapping[str, Held], names: Sequence[str], form: Form | None, index: Any, index_file: str | None
) -> Model:
    """The files of `held` that form the model.

    Args:
        held: what was read.
        names: every file of the folder.
        form: the layout on disk, if it is known.
        index: what the index holds, if there is one that could be read.
        index_file: its name.
    """
    if isinstance(index, Mapping) and isinstance(index.get("weight_map"), Mapping):
        listed = {place for place in index["weight_map"].values() if isinstance(place, str)}
        return Model(tuple(name for name in held if name in listed), index_file, known=True)
    for pattern in form.weights if form else ():
        found = [name for name in names if fnmatchcase(name, pattern)]
        if found:
            return Model(tuple(name for name in found if name in held), None, known=True)
    return Model(tuple(held), None, known=len(held) == 1)


def index_findings(index_file: str, index: Any, names: Sequence[str], held: Mapping[str, Held]) -> Iterator[Finding]:
    """Everything about an index that does not agree with the files of its folder: dead entries, tensors left out."""
    folder = index_file.rpartition("/")[0]
    places = index.get("weight_map") if isinstance(index, Mapping) else None
    if not isinstance(places, Mapping) or not places:
        yield _finding("index_malformed", "problem", index_file, "has no weight_map", AGAIN, ())
        return
    outside = [name for name, place in places.items() if not _is_plain(place)]
    fix = "name the shard alone, without a path"
    yield from _some(
        "index_malformed",
        "problem",
        index_file,
        "places tensors in what is not the name of a file in this folder",
        fix,
        outside,
    )
    plain = {name: f"{folder}/{place}" if folder else place for name, place in places.items() if _is_plain(place)}
    absent = sorted({place for place in plain.values() if place not in names})
    yield from _some("index_mismatch", "problem", index_file, "names shards that are not there", AGAIN, absent)
    inside = {file: {tensor.name for tensor in found.tensors} for file, found in held.items()}
    ghosts = [name for name, place in plain.items() if place in inside and name not in inside[place]]
    what = "names tensors that are not in the shard it places them in"
    yield from _some("index_mismatch", "problem", index_file, what, AGAIN, ghosts)
    for file in sorted(set(plain.values()) & set(inside)):
        missed = [name for name in sorted(inside[file]) if plain.get(name) != file]
        what = f"holds tensors that {index_file} does not place in it: they are published all the same"
        yield from _some("not_in_index", "problem", file, what, AGAIN, missed)
    yield from _totals(index_file, index, held, set(plain.values()))


def _totals(index_file: str, index: Mapping[str, Any], held: Mapping[str, Held], shards: set[str]) -> Iterator[Finding]:
    metadata = index.get("metadata")
    claimed = metadata.get("total_size") if isinstance(metadata, Mapping) else None
    if not shards <= set(held) or not isinstance(claimed, int | float):
        return
    found = sum(tensor.size for file in shards for tensor in held[file].tensors)
    if claimed != found:
        what = f"claims {claimed:,} bytes of tensors, and the shards hold {found:,}"
        yield _finding(
            "totals", "note", index_file, what, "something was added or taken out after the index was written", ()
        )


def stray_findings(model: Model, held: Mapping[str, Held], names: Sequence[str]) -> Iterator[Finding]:
    """Files of tensors that the model's loader does not read, and further indexes."""
    if not model.known:
        return
    by = f"not in {model.index_file}" if model.index_file else "not one of the model's files"
    for file, found in held.items():
        if file not in model.files and found.tensors:
            size = sum(tensor.size for tensor in found.tensors)
            count = len(found.tensors)
            tensors = "a tensor" if count == 1 else f"{count:,} tensors"
            too = "it is" if count == 1 else "they are"
            what = f"is {by}, and holds {tensors} of {size:,} bytes: {too} published all the same"
            fix = "take it out, or name it in a recipe"
            yield _finding("not_in_index", "concern", file, what, fix, [tensor.name for tensor in found.tensors])
    for name in names:
        if name.endswith(".index.json") and name != model.index_file:
            what = (
                "is an index beside the one that counts"
                if model.index_file
                else "is an index that no loader of this layout reads"
            )
            yield _finding("second_index", "concern", name, what, "take it out: a loader may follow it", ())


def _is_plain(place: Any) -> bool:
    return isinstance(place, str) and PurePosixPath(place).name == place and "\\" not in place and place.isprintable()


def _some(kind: Kind, level: Level, where: str, what: str, fix: str, names: Sequence[str]) -> Iterator[Finding]:
    if names:
        yield _finding(kind, level, where, what, fix, names)


def _finding(kind: Kind, level: Level, where: str, what: str, fix: str, names: Sequence[str]) -> Finding:
    first = tuple(name if name.isprintable() and len(name) <= 200 else shown(name) for name in names[:SHOWN])
    return Finding(kind=kind, level=level, where=where, what=what, fix=fix, count=max(1, len(names)), names=first)
