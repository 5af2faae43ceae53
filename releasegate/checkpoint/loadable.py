"""Whether a checkpoint loads into the class that it names, strictly, of which only names and shapes are looked at.

transformers does the loading, in a child process (`dryload.py`) and without weights, so that it takes seconds and some
hundred megabytes whatever the size.
"""

from __future__ import annotations

import json
import signal
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

from pydantic import TypeAdapter, ValidationError

from releasegate.checkpoint.contents import Contents
from releasegate.checkpoint.dtypes import TORCH_DTYPES
from releasegate.checkpoint.files import read_json_object
from releasegate.checkpoint.process import run_program
from releasegate.errors import CheckpointError, ChildError, NotLoadable

PROGRAM = Path(__file__).with_name("dryload.py")
GENERATION = "generation_config.json"
MAX_MEMORY = 2 << 30
"""Bytes that the child may allocate beyond what transformers itself needs."""
MAX_SECONDS = 120
"""Of processor time; a mixture with tens of thousands of tensors takes a tenth of that."""
MAX_WAIT = 300.0
"""Seconds from start to end."""
MAX_OUTPUT = 4 << 20
"""Bytes of an answer."""

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
}
"""What is said of tensors of each kind, and the remedy; in this order. Other kinds are conversions that failed."""


@dataclass(frozen=True, slots=True)
class Loads:
    """It loads.

    Attributes:
        into: the class.
        library: with its version.
        tensors: how many were used, which are all.
    """

    into: str
    library: str
    tensors: int

    def __str__(self) -> str:
        return f"it loads into {self.into} of {self.library}: all {self.tensors} tensors are used, and none is missing"


@dataclass(frozen=True, slots=True)
class NotChecked:
    """Nothing is known of whether it loads, and why."""

    why: str


class _Loaded(NamedTuple):
    kind: Literal["loaded"]
    version: str
    left: dict[str, list[str]]


class _Absent(NamedTuple):
    kind: Literal["absent"]
    what: str


class _Raised(NamedTuple):
    kind: Literal["raised"]
    error: str
    text: str


_ANSWER: TypeAdapter[_Loaded | _Absent | _Raised] = TypeAdapter(_Loaded | _Absent | _Raised)


def check_loads(contents: Contents) -> Loads | NotChecked:
    """That the checkpoint loads into the class that its configuration names, or why that was not checked.

    No weights are read, and no code of the checkpoint is run. Of tensors that the class declares and itself excuses when
    they are missing (such as counters of batch norms) nothing is said.

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
    name = _class_name(contents, where)
    request = {
        "class": name,
        "config": dict(contents.config),
        "generation": read_json_object(contents.root / GENERATION) if GENERATION in contents.sizes else {},
        "tensors": {key: (place.entry.dtype, place.entry.shape) for key, place in contents.tensors.items()},
        "dtypes": dict(TORCH_DTYPES),
        "memory": MAX_MEMORY,
        "seconds": MAX_SECONDS,
    }
    match _answer(request, where):
        case _Absent(what=what):
            return NotChecked(what)
        case _Raised(error="ImportError" | "ModuleNotFoundError", text=text):
            return NotChecked(f"transformers needs a library for it that is not installed: {_line(text)}")
        case _Raised(error=error, text=text):
            raise _raised(error, text, name, where)
        case _Loaded(version=version, left=left):
            _refuse(left, name, where)
            return Loads(name, f"transformers {version}", len(contents.tensors))


def _class_name(contents: Contents, where: str) -> str:
    """The class that the configuration names.

    Raises:
        NotLoadable: it names none, several, or other files of weights.
    """
    if "transformers_weights" in contents.config:
        what = "has transformers_weights, so that transformers loads other files than those that were checked"
        raise NotLoadable(where, what, "remove the key")
    match contents.config.get("architectures"):
        case [str(name)] if name.isidentifier():
            return name
    what = "does not name the one class that the checkpoint loads into (architectures)"
    raise NotLoadable(where, what, 'name it, as in `"architectures": ["LlamaForCausalLM"]`')


def _answer(request: object, where: str) -> _Loaded | _Absent | _Raised:
    with tempfile.TemporaryFile() as given:
        given.write(json.dumps(request).encode())
        given.seek(0)
        output, code = run_program(PROGRAM, given, where, seconds=MAX_WAIT, most=MAX_OUTPUT)
    if code == -signal.SIGXCPU:
        what = f"describes a model that takes more than {MAX_SECONDS} s of processor time to lay out"
        raise ChildError(where, what, "are its counts and sizes right?")
    try:
        return _ANSWER.validate_json(output.strip().rpartition(b"\n")[2], strict=True)
    except ValidationError:
        how = f"by signal {-code}" if code < 0 else f"with exit code {code}"
        fix = 'check that `python -I -c "import transformers"` works, and that the machine has memory left'
        what = f"could not be checked: the process that loads it without weights ended {how} without an answer"
        raise ChildError(where, what, fix) from None


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


def _raised(error: str, text: str, name: str, where: str) -> CheckpointError:
    if error == "MemoryError" or "allocate memory" in text:
        what = f"describes a model that needs more than {MAX_MEMORY >> 20} MB to lay out without its weights"
        return ChildError(where, what, "are its counts and sizes right?")
    what = f"does not load into {name}: {error}: {_line(text)}"
    return NotLoadable(where, what, "correct the configuration until transformers accepts it")


def _line(text: str) -> str:
    return ascii(" ".join(text.split()))[1:-1][:300]
