"""Whether a checkpoint loads into the class that it names, strictly, of which only names and shapes are looked at.

transformers does the loading, in a child process (`dryload.py`) and without weights, so that it takes seconds and some
hundred megabytes whatever the size.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from releasegate.checkpoint.contents import Contents
from releasegate.checkpoint.eightbit import QUANTISED, without_scales
from releasegate.checkpoint.files import read_json_object
from releasegate.checkpoint.layingout import Absent, Loaded, Raised, laid_out
from releasegate.errors import NotLoadable

GENERATION = "generation_config.json"

_DROP = "drop what the class does not declare, or correct the configuration that counts it"
_KINDS: Mapping[str, tuple[str, str]] = {
    "missing_keys": (
        "missing",
        "zero-fill what the class declares in place of dropping it, or correct the configuration that counts it",
    ),
    "unexpected_keys": ("unexpected", _DROP),
    "mismatched_keys": (
        "of another shape than it declares",
        "let the recipe set the configuration to the shapes that are left",
    ),
    "ignored": ("ignored silently", _DROP),
    "twice": ("there under two names that come to one of the class", "drop all but one of them"),
    "of_another_kind": (
        "of another kind than it declares (whole numbers, or others, or 64 bits for 32)",
        "convert them to the dtype that the class has",
    ),
}
"""What is said of tensors of each kind, and the remedy; in this order. Other kinds are conversions that failed."""


@dataclass(frozen=True, slots=True)
class Loads:
    """It loads.

    Attributes:
        into: the class.
        library: with its version.
        tensors: how many were used, which are all.
        undeclared: dotted paths of settings that the class does not declare.
    """

    into: str
    library: str
    tensors: int
    undeclared: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"it loads into {self.into} of {self.library}: all {self.tensors} tensors are used, and none is missing"


@dataclass(frozen=True, slots=True)
class NotChecked:
    """Nothing is known of whether it loads, and why."""

    why: str


def check_loads(contents: Contents) -> Loads | NotChecked:
    """That the checkpoint loads into the class that its configuration names, or why that was not checked.

    No weights are read, and no code of the checkpoint is run. Weights of 8 bits need no library of their own: their scales
    are held against what the configuration says, and the rest against the class. Of tensors that the class declares and itself
    excuses when they are missing (such as counters of batch norms) nothing is said.

    Args:
        contents: of a folder that was read strictly.

    Raises:
        NotLoadable: tensors are missing, left over, ignored or of other shapes, or transformers refuses.
        JsonMalformed: the configuration of generation is.
        ChildError: the process ran out of memory or time, or died.
    """
    if not contents.layout.endswith("-hf"):
        return NotChecked(f"no library of the layout {contents.layout} is installed")
    where = str(contents.root / (contents.config_file or ""))
    name = class_named(contents.config, where)
    generation = read_json_object(contents.root / GENERATION) if GENERATION in contents.sizes else {}
    tensors = {key: (place.entry.dtype, place.entry.shape) for key, place in contents.tensors.items()}
    told = without_scales(contents.config, tensors, where) if contents.config.get(QUANTISED) is not None else ""
    if isinstance(told, str):  # the library that reads them is asked, where it is installed
        return strictly(name, contents.config, generation, tensors, where)
    plain, weights = told
    found = strictly(name, plain, generation, weights, where)
    return replace(found, tensors=len(tensors)) if isinstance(found, Loads) else found


def strictly(
    name: str,
    config: Mapping[str, Any],
    generation: Mapping[str, Any],
    tensors: Mapping[str, tuple[str, Sequence[int]]],
    where: str,
) -> Loads | NotChecked:
    """That `tensors` are those of the class `name`, laid out by `config`; see `check_loads`.

    Args:
        name: of a class of transformers.
        config: of the model, which names its type.
        generation: the configuration of generation; may be empty.
        tensors: dtype, as safetensors spells it, and shape of each.
        where: the file that the configuration stands in.
    """
    match laid_out(name, config, generation, tensors, where):
        case Absent(what=what):
            return NotChecked(what)
        case Raised(error="ImportError" | "ModuleNotFoundError", text=text):
            return NotChecked(f"transformers needs a library for it that is not installed: {_line(text)}")
        case Raised(error=error, text=text):
            what = f"does not load into {name}: {error}: {_line(text)}"
            raise NotLoadable(where, what, "correct the configuration until transformers accepts it")
        case Loaded(version=version, model_type=own, left=left, undeclared=undeclared):
            if own != config.get("model_type"):
                what = f"names the class {name}, which is one of {own}, and not of its model_type, {config.get('model_type')}"
                raise NotLoadable(where, what, "name the class that the checkpoint was saved from (architectures)")
            _refuse(left, name, where)
            return Loads(name, f"transformers {version}", len(tensors), tuple(undeclared))


def class_named(config: Mapping[str, Any], where: str) -> str:
    """The class that the configuration names.

    Raises:
        NotLoadable: it names none, several, or other files of weights.
    """
    if "transformers_weights" in config:
        what = "has transformers_weights, so that transformers loads other files than those that were checked"
        raise NotLoadable(where, what, "remove the key")
    match config.get("architectures"):
        case [str(name)] if name.isidentifier():
            return name
    what = "does not name the one class that the checkpoint loads into (architectures)"
    raise NotLoadable(where, what, 'name it, as in `"architectures": ["LlamaForCausalLM"]`')


def _refuse(left: Mapping[str, list[str]], name: str, where: str) -> None:
    """Nothing; all that was left over when the class `name` was loaded is none.

    Raises:
        NotLoadable: it is not; the first is named.
    """
    for kind in (*_KINDS, *(kind for kind in left if kind not in _KINDS)):
        if kind in left:
            count, first, *_ = left[kind]
            said, fix = _KINDS.get(kind, ("not converted", "correct the configuration"))
            tensors = "1 tensor is" if count == "1" else f"{count} tensors are"
            what = f"does not load into {name} strictly: {tensors} {said}, the first {_line(first)}"
            raise NotLoadable(where, what, fix)


def _line(text: str) -> str:
    return ascii(" ".join(text.split()))[1:-1][:300]
