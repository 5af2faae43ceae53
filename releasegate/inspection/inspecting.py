"""Looking at a checkpoint: everything that can be said about it without loading it, whatever state it is in."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from releasegate.checkpoint.layouts import CONFIG, PARAMS, Form, find_form
from releasegate.checkpoint.parallel import Watch
from releasegate.errors import CheckpointError
from releasegate.inspection.carrying import carrying_findings, weight_findings
from releasegate.inspection.components import components, totals
from releasegate.inspection.copies import copy_findings, doubled_findings, form_findings, tie_findings
from releasegate.inspection.duplicates import duplicate_findings, hole_findings
from releasegate.inspection.filekinds import HOLDS_TEXT, kind_of
from releasegate.inspection.fitting import Names, fitting
from releasegate.inspection.foreign import called_pickles, kind_findings
from releasegate.inspection.indexing import Model, choose_model, index_findings, stray_findings
from releasegate.inspection.listing import Listing, list_everything
from releasegate.inspection.reading import SHOWN, lone_parts, read_weights
from releasegate.inspection.record import (
    Component,
    FileFound,
    FileKind,
    Finding,
    Inspection,
    Level,
    RecipeFit,
    TensorFound,
)
from releasegate.inspection.states import file_findings as state_files
from releasegate.inspection.states import quantisation_findings, state_findings
from releasegate.inspection.stored import Held, Stored
from releasegate.inspection.texts import file_findings, held_findings
from releasegate.inspection.weakening import Weakened, weakening_findings
from releasegate.recipe import Recipe

MOST_BESIDE = 20
"""Files beside the model whose parts are shown one by one."""

_LEVELS: Mapping[Level, int] = {"problem": 0, "concern": 1, "note": 2}


@dataclass(slots=True)
class _Looking:
    """What is known so far."""

    listing: Listing
    kinds: dict[str, FileKind]
    findings: list[Finding]
    data: dict[str, Any] = field(default_factory=dict)
    held: dict[str, Held] = field(default_factory=dict)
    form: Form | None = None
    layout_unknown: str | None = None

    @property
    def names(self) -> list[str]:
        return list(self.listing.files)

    def sibling(self, name: str) -> Any:
        """What the JSON file `name` holds, if it was parsed."""
        return self.data.get(name)


def inspect_checkpoint(
    path: Path,
    recipes: Iterable[Recipe] = (),
    *,
    list_tensors: bool = False,
    compare: bool = False,
    watch: Watch | None = None,
) -> Inspection:
    """Everything that can be said about the checkpoint at `path`: a folder, or one file.

    What is malformed is a finding, and the rest is looked at all the same. No tensor is loaded; with `compare`, their
    bytes are read in pieces.

    Args:
        recipes: those that may fit.
        list_tensors: whether the answer lists every tensor.
        compare: whether to look for tensors with the same bytes.
        watch: is told the bytes of every file of weights whose header was read; with `compare`, the bytes read.

    Raises:
        NotFound: there is nothing at `path`.
    """
    listing = list_everything(path)
    kinds = {name: kind_of(listing.root, name) for name in listing.files}
    looking = _Looking(listing, kinds, list(listing.findings))
    _read_texts(looking)
    _find_layout(looking)
    sizes = {name: status.st_size for name, status in listing.files.items()}
    looking.held, found = read_weights(listing.root, kinds, sizes, None if compare else watch)
    looking.findings += [*found, *lone_parts(kinds), *carrying_findings(listing.root, kinds)]
    if not listing.single:
        looking.findings += weight_findings(kinds, looking.held)
    model, index = _model(looking)
    parallel = _is_parallel(looking, model)
    looking.findings += _by_names(looking, model, index, parallel=parallel)
    tensors = [tensor for held in looking.held.values() for tensor in held.tensors]
    inside = [one for one in tensors if one.begin is not None and one.begin + one.size <= sizes.get(one.file, 0)]
    holes, empty = hole_findings(listing.root, inside)
    looking.findings += holes
    looking.findings += _weakening(looking, model, inside, empty)
    if compare:
        full = [tensor for tensor in inside if (tensor.file, tensor.name) not in empty]
        looking.findings += duplicate_findings(listing.root, full, watch)
    return _inspection(looking, str(path), model, recipes, parallel=parallel, tensors=tensors if list_tensors else None)


def _read_texts(looking: _Looking) -> None:
    for name, status in looking.listing.files.items():
        kind = looking.kinds[name]
        if name.split("/")[0] == ".git":
            continue
        if kind in HOLDS_TEXT:
            data, found = file_findings(looking.listing.root, name, kind, status.st_size)
            looking.findings += found
            if data is not None:
                looking.data[name] = data


def _find_layout(looking: _Looking) -> None:
    if looking.listing.single:
        looking.layout_unknown = "one file was given, and a layout is of a folder"
        return
    try:
        looking.form = find_form(looking.listing.root, looking.names)
    except CheckpointError as error:
        looking.layout_unknown = error.problems[0].what


def _model(looking: _Looking) -> tuple[Model, str | None]:
    """The model's files, and the index that counts, if there is one, whether it could be read or not."""
    wanted = looking.form.indexes if looking.form else ()
    index = next((name for name in wanted if name in looking.kinds), None)
    if index is None and looking.form is None:
        index = next((name for name in looking.names if "/" not in name and name.endswith(".index.json")), None)
    data = looking.sibling(index) if index else None
    return choose_model(looking.held, looking.names, looking.form, data, index), index


def _is_parallel(looking: _Looking, model: Model) -> bool:
    if looking.form is None or looking.form.indexes:
        return False
    times = Counter(tensor.name for file in model.files for tensor in looking.held[file].tensors)
    return any(count > 1 for count in times.values())


def _config(looking: _Looking) -> tuple[str | None, Any]:
    places = (looking.form.config,) if looking.form else (CONFIG, PARAMS)
    name = next((name for name in places if name in looking.data), None)
    return name, looking.data.get(name) if name else None


def _by_names(looking: _Looking, model: Model, index: str | None, *, parallel: bool) -> Iterator[Finding]:
    """Everything that names, shapes and configurations say."""
    held, names = looking.held, looking.names
    for name in looking.data:
        if name == index or (index is None and looking.kinds[name] == "index"):
            yield from index_findings(name, looking.data[name], names, held)
    yield from stray_findings(model, held, names)
    yield from doubled_findings(held, model, parallel=parallel)
    yield from copy_findings(held)
    yield from form_findings(held, model)
    yield from tie_findings(held, model, *_config(looking))
    for file, found in held.items():
        yield from state_findings(found.tensors)
        yield from _odd(file, found.tensors)
        yield from held_findings(file, found)
    for file, data in looking.data.items():
        yield from quantisation_findings(file, data)
    yield from state_files(names)
    yield from kind_findings(looking.kinds, called_pickles(looking.listing.root, looking.kinds))


def _weakening(
    looking: _Looking, model: Model, inside: Iterable[Stored], empty: Iterable[tuple[str, str]]
) -> Iterator[Finding]:
    """What a gate would doubt the checkpoint for; nothing of a folder whose layout is not known."""
    if looking.form is None or looking.listing.single:
        return
    read = {(one.file, one.name) for one in inside} - set(empty)
    known = {(one.file, one.name) for held in looking.held.values() for one in held.tensors}
    yield from weakening_findings(
        Weakened(
            root=looking.listing.root,
            form=looking.form,
            sizes={name: status.st_size for name, status in looking.listing.files.items()},
            texts=looking.data,
            held=looking.held,
            model=frozenset(model.files),
            skipped=known - read,
        )
    )


def _odd(file: str, tensors: Iterable[Stored]) -> Iterator[Finding]:
    empty = [tensor.name for tensor in tensors if not tensor.elements]
    if empty:
        what, fix = "has tensors without an element", "nothing to do, unless they should hold something"
        yield Finding(
            kind="no_elements",
            level="note",
            where=file,
            what=what,
            fix=fix,
            count=len(empty),
            names=tuple(empty[:SHOWN]),
        )
    odd = [tensor.name for tensor in tensors if not tensor.name.isascii() or tensor.name != tensor.name.strip()]
    if odd:
        what = "has tensors whose names are not plain ASCII: they may look like others"
        yield Finding(
            kind="odd_name",
            level="concern",
            where=file,
            what=what,
            fix="rename them",
            count=len(odd),
            names=tuple(odd[:SHOWN]),
        )


def _inspection(
    looking: _Looking,
    path: str,
    model: Model,
    recipes: Iterable[Recipe],
    *,
    parallel: bool,
    tensors: list[Stored] | None,
) -> Inspection:
    beside = {file: held for file, held in looking.held.items() if file not in model.files}
    config_file, config = _config(looking)
    layout = looking.form.layout if looking.form else None
    mine = [tensor for file in model.files for tensor in looking.held[file].tensors]
    others = [tensor for held in beside.values() for tensor in held.tensors]
    structure = {*model.files, model.index_file}
    names = Names(
        tensors=sorted({tensor.name for tensor in mine}),
        beside={file: [tensor.name for tensor in held.tensors] for file, held in beside.items()},
        files=[name for name in looking.names if name not in structure],
        config=config if isinstance(config, Mapping) else {},
    )
    fits = tuple(fitting(recipes, layout, names))
    findings = sorted(_settled(looking.findings, fits), key=lambda found: _LEVELS[found.level])
    return Inspection(
        path=path,
        sound=all(finding.level != "problem" for finding in findings),
        layout=layout,
        layout_unknown=looking.layout_unknown,
        config_file=config_file,
        index_file=model.index_file,
        parallel=parallel,
        size=sum(status.st_size for status in looking.listing.files.values()),
        model=totals(mine),
        beside=totals(others),
        components=tuple(_components(mine, beside)),
        files=tuple(_file(looking, model, name) for name in looking.names),
        findings=tuple(findings),
        recipes=fits,
        tensors=None
        if tensors is None
        else tuple(
            TensorFound(name=one.name, file=one.file, dtype=one.dtype, shape=one.shape, size=one.size)
            for one in tensors
        ),
    )


def _settled(findings: Iterable[Finding], fits: Iterable[RecipeFit]) -> Iterator[Finding]:
    """A file beside the model that a fitting recipe accounts for is no concern."""
    fit = next((one.id for one in fits if one.fits and not one.takes_nothing), None)
    for found in findings:
        if fit is not None and found.kind == "not_in_index" and found.level == "concern":
            yield found.model_copy(update={"level": "note", "fix": f"recipe {fit} accounts for it"})
        else:
            yield found


def _components(mine: list[Stored], beside: Mapping[str, Held]) -> Iterator[Component]:
    yield from components(mine)
    for file, held in list(beside.items())[:MOST_BESIDE]:
        yield from components(list(held.tensors), file, most=20)


def _file(looking: _Looking, model: Model, name: str) -> FileFound:
    status = looking.listing.files[name]
    held = looking.held.get(name)
    return FileFound(
        path=name,
        kind="model" if name in model.files and looking.kinds[name] == "beside" else looking.kinds[name],
        size=status.st_size,
        allocated=status.st_blocks * 512,
        tensors=len(held.tensors) if held else None,
    )
