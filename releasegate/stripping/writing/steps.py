"""What becomes of each file of the source: left out, kept as it is, or written anew, and under which name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from releasegate.checkpoint import Contents, Place
from releasegate.checkpoint.headers import MAX_NAME, Header
from releasegate.errors import StripError
from releasegate.stripping.edits import TensorEdit
from releasegate.stripping.planning.plan import StripPlan
from releasegate.stripping.writing.names import converted_name, index_name, values_name
from releasegate.stripping.writing.texts import edited_names


@dataclass(frozen=True, slots=True)
class Step:
    """What becomes of one file of the source.

    Attributes:
        name: of the file.
        to: its name in the output; `None` where it is left out.
        header: of a file of tensors; `None` where the file is looked at as bytes.
        keys: of a file whose tensors are accounted for one by one: the name of each in the plan and the receipt.
        edits: what happens to its tensors, by their names in the file.
        text: whether its content is written anew from an edited text.
    """

    name: str
    to: str | None
    header: Header | None = field(default=None, repr=False)
    keys: Mapping[str, str] = field(default_factory=dict, repr=False)
    edits: Mapping[str, TensorEdit] = field(default_factory=dict, repr=False)
    text: bool = False

    @property
    def pickled(self) -> bool:
        """Whether a pickle is converted."""
        return self.header is not None and self.header.pickled

    @property
    def same(self) -> bool:
        """Whether the output has the file byte for byte."""
        return self.to is not None and not (self.edits or self.text or self.pickled)


def steps_of(contents: Contents, plan: StripPlan) -> list[Step]:
    """A step for each file of the source, in the order in which they are written: the configuration comes last.

    Raises:
        StripError: a file would stay that no published checkpoint may hold, or two files would have one name.
    """
    listed = keys_by_file(contents, plan)
    _refuse_keys(contents, listed)
    texts = edited_names(contents, plan)
    steps = [_step(contents, plan, name, listed.get(name, {}), text=name in texts) for name in sorted(contents.sizes)]
    _refuse_foreign(contents, steps)
    _refuse_one_name(contents, steps)
    return sorted(steps, key=lambda step: (step.name == contents.config_file, step.header is None, step.name))


def keys_by_file(contents: Contents, plan: StripPlan) -> dict[str, dict[str, str]]:
    """The files whose tensors are accounted for one by one; for each, the tensors' names in the plan by those in the file."""
    found: dict[str, dict[str, str]] = {name: {} for name in contents.shards}
    for key, place in contents.tensors.items():
        found[place.file][place.entry.name] = key
    for file, header in contents.siblings.items():
        keys = {name: f"{file}:{name}" for name in header.entries}
        one_by_one = header.pickled or any(key in plan.tensors for key in keys.values())
        if one_by_one and file not in plan.dropped:
            found[file] = keys
    return found


def places(contents: Contents, plan: StripPlan) -> dict[str, Place]:
    """Where each tensor lies that is accounted for, by its name in the plan."""
    headers = {**contents.shards, **contents.siblings}
    return {
        key: Place(file, headers[file].entries[name])
        for file, keys in keys_by_file(contents, plan).items()
        for name, key in keys.items()
    }


def _step(contents: Contents, plan: StripPlan, name: str, keys: Mapping[str, str], *, text: bool) -> Step:
    if name in plan.dropped:
        header = contents.siblings.get(name) or contents.shards.get(name)
        return Step(name, None, header=None if header is None or header.pickled else header)
    header = contents.shards.get(name) or contents.siblings.get(name)
    if header is None:
        return Step(name, index_name(name) if name == contents.index_file else name, text=text)
    edits = {tensor: plan.tensors[key] for tensor, key in keys.items() if key in plan.tensors}
    gone = bool(keys) and all(tensor in edits and edits[tensor].outcome == "removed" for tensor in header.entries)
    to = None if gone else converted_name(name) if header.pickled else name
    return Step(name, to, header, keys, edits)


def _refuse_keys(contents: Contents, listed: Mapping[str, Mapping[str, str]]) -> None:
    """Each tensor can be told from every other in the receipt, and its name fits there."""
    seen: dict[str, str] = {}
    for file, keys in listed.items():
        for key in keys.values():
            if key in seen or len(key) > MAX_NAME:
                shown = key if len(key) <= 80 else f"{key[:77]}..."
                what = f"has a tensor that would be called {shown} in the receipt, " + (
                    f"as would one of {seen[key]}" if key in seen else f"which has more than {MAX_NAME:,} characters"
                )
                raise StripError(str(contents.root / file), what, "rename the tensor, or leave its file out")
            seen[key] = file


def _refuse_foreign(contents: Contents, steps: list[Step]) -> None:
    for step in steps:
        what = contents.foreign.get(step.name)
        if what is not None and step.to is not None and not step.pickled:
            fix = "leave it out by the recipe (`drop_file`), or take it out of the checkpoint"
            raise StripError(str(contents.root / step.name), f"is {what}, and would be published", fix)


def _refuse_one_name(contents: Contents, steps: list[Step]) -> None:
    seen: dict[str, str] = {}
    for step in steps:
        for name in _names_of(step):
            if name.casefold() in seen:
                what = f"would be called {name} in the output, as would {seen[name.casefold()]}"
                raise StripError(str(contents.root / step.name), what, "leave one of them out, or rename it")
            seen[name.casefold()] = step.name


def _names_of(step: Step) -> Iterator[str]:
    if step.to is not None:
        yield step.to
        if step.pickled:
            yield values_name(step.to)
