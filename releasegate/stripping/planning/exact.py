"""Whether what stays is exactly what it should be: what a list of the recipe names, or what the class of the model declares."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from typing import Any, NamedTuple, Protocol

from releasegate.checkpoint import Entry
from releasegate.checkpoint.loadable import Loads
from releasegate.receipt import ExactShapes, KeySet, Ranges
from releasegate.recipe import Recipe
from releasegate.stripping.edits import TensorEdit
from releasegate.stripping.planning.classed import in_class
from releasegate.stripping.planning.fitting import Fitting
from releasegate.stripping.planning.keys import set_key
from releasegate.stripping.planning.listed import require_listed
from releasegate.stripping.planning.vocabulary import edited_files
from releasegate.stripping.rows import after_edit


class Accounting(NamedTuple):
    """How what stays was held against what it should be; or why it was not.

    Attributes:
        exact: by what; `None` where it was not.
        wide: why it was not; `None` where it was.
        undeclared: dotted paths of settings of the model that its class does not declare; `None` where no class was laid out.
    """

    exact: ExactShapes | None = None
    wide: str | None = None
    undeclared: tuple[str, ...] | None = None


class Resolved(Protocol):
    """A recipe in the names of a checkpoint."""

    @property
    def fitting(self) -> Fitting: ...
    @property
    def recipe(self) -> Recipe: ...
    @property
    def tensors(self) -> Mapping[str, TensorEdit]: ...


class Planned(Protocol):
    """What is known of a plan here."""

    @property
    def tensors(self) -> Mapping[str, TensorEdit]: ...
    @property
    def dropped(self) -> tuple[str, ...]: ...
    @property
    def keys(self) -> tuple[KeySet, ...]: ...
    @property
    def vocabulary(self) -> Ranges: ...


def account(resolved: Sequence[Resolved], plan: Planned) -> Accounting:
    """How what stays is accounted for: by the lists of the recipes, or by the class.

    A recipe with a list is held against what it leaves by itself; of that, others together with it leave no more. The
    class is held against what all of them leave.

    Raises:
        RecipeMismatch: something stays that should not, is missing, or has another shape; or a recipe wants the class,
            which cannot be had.
        ChildError: the process that lays out the class ran out of memory or time, or died.
    """
    counts: list[int] = []
    for one in resolved:
        if isinstance(one.recipe.keep.exactly, tuple):
            staying = staying_parts(one.fitting, one.tensors)
            require_listed(one.fitting, one.recipe.keep.exactly, staying)
            _refuse_files(one.fitting, plan.dropped)
            counts.append(sum(len(parts) for parts in staying.values()))
    wanting = next((one for one in resolved if one.recipe.keep.exactly == "class"), None)
    fitting = (wanting or resolved[-1]).fitting
    if not fitting.contents.layout.endswith("-hf"):
        if wanting is not None:
            what = f"wants the tensors of a class (`keep.exactly: class`), which the layout {fitting.contents.layout} has not"
            raise fitting.mismatch(what, "list the tensors under `keep.exactly`")
        if counts:
            return Accounting(exact=ExactShapes(by="shapes", tensors=min(counts)))
        return Accounting(wide="the recipe has no `keep.exactly`, and no library of the layout is at hand")
    if counts and wanting is None:
        return Accounting(exact=ExactShapes(by="shapes", tensors=min(counts)))
    return _by_class(fitting, plan, wanted=wanting is not None)


def _by_class(fitting: Fitting, plan: Planned, *, wanted: bool) -> Accounting:
    contents = fitting.contents
    config = config_left(fitting, plan)
    if not wanted and config.get("architectures") is None:
        return Accounting(wide="the recipe has no `keep.exactly`, and the configuration names no class (architectures)")
    model = {
        name: entry
        for name, place in contents.tensors.items()
        if (entry := after_edit(place.entry, plan.tensors.get(name))) is not None
    }
    found = in_class(fitting, config, model)
    if isinstance(found, Loads):
        _refuse_files(fitting, plan.dropped)
        _refuse_beside(fitting, plan)
        return Accounting(
            exact=ExactShapes(by="class", class_=found.into, library=found.library, tensors=found.tensors),
            undeclared=found.undeclared,
        )
    if wanted:
        what = f"wants the tensors of the class that the configuration names (`keep.exactly: class`): {found.why}"
        raise fitting.mismatch(
            what, "use a version of transformers that has it, or list the tensors under `keep.exactly`"
        )
    return Accounting(wide=f"the recipe has no `keep.exactly`, and {found.why}")


def config_left(fitting: Fitting, plan: Planned) -> dict[str, Any]:
    """The configuration after the strip."""
    contents = fitting.contents
    config = deepcopy(dict(edited_files(contents, plan).get(contents.config_file or "", contents.config)))
    for key in plan.keys:
        if key.file == contents.config_file:
            set_key(config, key, contents.root / key.file)
    return config


def staying_parts(fitting: Fitting, edits: Mapping[str, TensorEdit]) -> dict[str, tuple[Entry, ...]]:
    """What stays of each tensor that must be accounted for, by name; of one in several shards, each part."""
    found: dict[str, tuple[Entry, ...]] = {}
    for name, parts in fitting.parts.items():
        after = [after_edit(part.entry, edits.get(part.key)) for part in parts]
        if left := tuple(entry for entry in after if entry is not None):
            found[name] = left
    return found


def _refuse_files(fitting: Fitting, dropped: Sequence[str]) -> None:
    """No file of tensors stays as a whole, which nobody looked into."""
    for name in sorted(fitting.contents.siblings):
        if name not in dropped and name not in fitting.opened:
            what = f"keeps {name}, whose tensors it does not account for one by one"
            raise fitting.mismatch(
                what, f"leave it out with `drop_file: {name}`, or list its tensors under `keep.exactly`"
            )


def _refuse_beside(fitting: Fitting, plan: Planned) -> None:
    """No tensor stays beside the model: the class says nothing of it."""
    for name, parts in fitting.parts.items():
        if parts[0].file in fitting.opened and any(after_edit(p.entry, plan.tensors.get(p.key)) for p in parts):
            what = f"keeps {name}, which lies beside the model, where the class declares nothing"
            raise fitting.mismatch(what, "leave the file out with `drop_file`")
