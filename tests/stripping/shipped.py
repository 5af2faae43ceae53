"""The recipes that ship, and the contents of the layouts that they are for: names and shapes alone, no data written."""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase
from pathlib import Path

from releasegate.checkpoint import Contents, Entry, Header, Place
from releasegate.checkpoint.files import foreign_files, read_json_object
from releasegate.checkpoint.layouts import find_form
from releasegate.checkpoint.remote_code import keys_with_code
from releasegate.checkpoint.vocabulary import read_vocabulary
from releasegate.documents import parse_document
from releasegate.recipe import Recipe
from tests.layouts import Contents as Files
from tests.layouts import Tensors, write_contents

RECIPES = Path(__file__).parents[2] / "policies" / "recipes"


def shipped(name: str) -> Recipe:
    """The recipe `layout/capability` that ships."""
    path = RECIPES / f"{name}.yaml"
    return parse_document(Recipe, path.read_text(), path.name).record


def header(tensors: Tensors, *, pickled: bool) -> Header:
    """A header with `tensors` one after the other."""
    entries: dict[str, Entry] = {}
    begin = 0
    for name, spec in tensors.items():
        entries[name or "tensor"] = Entry(name or "tensor", spec.dtype, spec.shape, begin, begin + spec.nbytes)
        begin += spec.nbytes
    return Header(0, entries, None, {} if pickled else None)


def contents_of(files: Files, root: Path) -> Contents:
    """What `read_contents` would say of `files`, whose texts alone are written to `root`. Torch files are not opened."""
    write_contents(root, Files(texts=files.texts), None)
    headers = {name: header(tensors, pickled=name in files.torch) for name, tensors in files.tensors().items()}
    names = sorted({*headers, *files.texts})
    form = find_form(root, names)
    config = read_json_object(root / form.config) if form.config else {}
    index_file = next((name for name in form.indexes if name in names), None)
    index = read_json_object(root / index_file) if index_file else None
    shards = sorted(set(index["weight_map"].values())) if index else _first(form.weights, names)
    split = len(shards) > 1 and index is None
    foreign = {**foreign_files(root, files.texts), **dict.fromkeys(files.torch, "a pickle")}
    for name in ("adapter_model.safetensors", "adapter_config.json"):
        foreign |= {name: "an adapter"} if name in names else {}
    return Contents(
        root=root,
        layout=form.layout,
        config=config,
        config_file=form.config,
        tensors={
            f"{name}@{Path(file).stem}" if split else name: Place(file, entry)
            for file in shards
            for name, entry in headers[file].entries.items()
        },
        shards={file: headers[file] for file in shards},
        siblings={file: found for file, found in headers.items() if file not in shards},
        index=index,
        index_file=index_file,
        vocabulary=read_vocabulary(root, names, form.config, config),
        sizes=dict.fromkeys(names, 1),
        foreign={name: what for name, what in foreign.items() if name not in shards},
        code=keys_with_code(root, list(files.texts)),
    )


def _first(patterns: Iterable[str], names: list[str]) -> list[str]:
    return next(found for pattern in patterns if (found := [name for name in names if fnmatchcase(name, pattern)]))
