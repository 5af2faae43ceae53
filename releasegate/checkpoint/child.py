"""A pickle read in a process of its own, with limits on memory and time, which answers with plain rows."""

from __future__ import annotations

import json
import signal
import tempfile
from collections.abc import Collection
from pathlib import Path
from typing import Annotated, Literal, NamedTuple

from pydantic import Field, JsonValue, TypeAdapter, ValidationError

from releasegate.checkpoint.dtypes import TORCH_DTYPES
from releasegate.checkpoint.process import run_program
from releasegate.errors import CheckpointError, ChildError, PickledError

PROGRAM = Path(__file__).with_name("unpickler.py")
MAX_MEMORY = 240 << 20
"""Bytes that the child may allocate beyond what torch itself needs (about 220 MB)."""
MAX_OUTPUT = 32 << 20
"""Bytes of an answer."""
MAX_WAIT = 120.0
"""Seconds from start to end, most of them for a cold import of torch."""
OPCODES_A_SECOND = 200_000
"""Opcodes that an honest pickle is given a second of processor time for; torch needs a third of that."""
_FIX = "is it a checkpoint? if so, load it where it can be trusted, and save its tensors in several files"

Count = Annotated[int, Field(ge=0, lt=2**63)]


class TensorRow(NamedTuple):
    """A tensor: `path` are the keys that lead to it, `offset` is in elements from the start of its storage `key`."""

    kind: Literal["tensor"]
    path: list[str]
    dtype: str
    shape: list[Count]
    strides: list[Count]
    offset: Count
    key: str
    storage_bytes: Count


class ValueRow(NamedTuple):
    """What is no tensor, in JSON."""

    kind: Literal["value"]
    path: list[str]
    value: JsonValue


class RefusedRow(NamedTuple):
    """Something that is neither, in words; nothing comes after it."""

    kind: Literal["refused"]
    path: list[str]
    what: str


class _Raised(NamedTuple):
    kind: Literal["raised"]
    error: str
    text: str


class _End(NamedTuple):
    kind: Literal["done", "too much"]


Row = TensorRow | ValueRow | RefusedRow
_ROW: TypeAdapter[Row | _Raised | _End] = TypeAdapter(TensorRow | ValueRow | RefusedRow | _Raised | _End)


def unpickled_rows(pickle: bytes, keys: Collection[str], opcodes: int, where: str) -> list[Row]:
    """What `torch.load(weights_only=True)` makes of a pickle, in the order of its dictionaries.

    Args:
        pickle: with `opcodes` opcodes, looked through before.
        keys: names of the storages that there are.
        where: named in errors.

    Raises:
        PickledError: torch refuses the pickle.
        ChildError: the process ran out of memory or time, or died.
    """
    seconds = 2 + opcodes // OPCODES_A_SECOND
    request = {"pickle": len(pickle), "keys": sorted(keys), "memory": MAX_MEMORY, "seconds": seconds}
    request |= {"output": MAX_OUTPUT, "visits": opcodes, "dtypes": dict(TORCH_DTYPES)}
    with tempfile.TemporaryFile() as given:
        given.write(json.dumps(request).encode() + b"\n" + pickle)
        given.seek(0)
        output, code = run_program(PROGRAM, given, where, seconds=MAX_WAIT, most=2 * MAX_OUTPUT)
    if code == -signal.SIGXCPU:
        raise ChildError(where, f"has a pickle that takes more than {seconds} s of processor time to read", _FIX)
    return _rows(output, code, where)


def _rows(output: bytes, code: int, where: str) -> list[Row]:
    """The rows of an answer, if it is whole."""
    rows: list[Row] = []
    for line in output.splitlines():
        try:
            row = _ROW.validate_json(line, strict=True) if line else None
        except ValidationError:
            break
        match row:
            case _End("done"):
                return rows
            case _End():
                raise ChildError(where, "has a pickle that unfolds to far more than stands in it", _FIX)
            case _Raised():
                raise _raised(row.error, row.text, where)
            case TensorRow() | ValueRow() | RefusedRow():
                rows.append(row)
    how = f"by signal {-code}" if code < 0 else f"with exit code {code}"
    fix = 'check that `python -I -c "import torch"` works, and that the machine has memory left'
    raise ChildError(where, f"could not be read: the process that reads pickles ended {how} without an answer", fix)


def _raised(kind: str, text: str, where: str) -> CheckpointError:
    if kind == "MemoryError" or "allocate memory" in text:
        return ChildError(where, f"has a pickle that needs more than {MAX_MEMORY >> 20} MB to read", _FIX)
    if "failed locating file" in text:
        return PickledError(where, "has a tensor whose storage is not in the archive", "fetch or export the file again")
    shown = ascii(" ".join(text.split()))[1:-1][:200]
    fix = "load the file where it can be trusted, and save tensors and plain values alone with `torch.save`"
    return PickledError(where, f"is refused by torch.load(weights_only=True): {kind}: {shown}", fix)
