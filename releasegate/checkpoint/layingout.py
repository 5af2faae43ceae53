"""Models laid out without their weights by transformers: one process for all of them, one fork for each, each once.

The process (`dryload.py`) imports the libraries when the first model is laid out and ends with this one. What it said of a
class, a configuration and tensors is remembered, so that who asks twice pays once.
"""

from __future__ import annotations

import atexit
import hashlib
import json
import signal
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from pathlib import Path
from threading import Lock
from typing import Any, Literal, NamedTuple

from pydantic import TypeAdapter, ValidationError

from releasegate.checkpoint.dtypes import TORCH_DTYPES
from releasegate.checkpoint.process import Standing
from releasegate.errors import ChildError

PROGRAM = Path(__file__).with_name("dryload.py")
MAX_MEMORY = 2 << 30
"""Bytes that a fork may allocate beyond what transformers itself needs."""
MAX_SECONDS = 120
"""Of processor time of a fork; a mixture with tens of thousands of tensors takes a tenth of that."""
MAX_WAIT = 300.0
"""Seconds from request to answer."""
MAX_OUTPUT = 4 << 20
"""Bytes of an answer."""
MAX_REMEMBERED = 64
"""Answers."""


class Loaded(NamedTuple):
    """The class took the tensors; of each kind that was left over, how many and the first of them; undeclared settings."""

    kind: Literal["loaded"]
    version: str
    model_type: str
    left: dict[str, list[str]]
    undeclared: list[str]


class Absent(NamedTuple):
    """There is no such class."""

    kind: Literal["absent"]
    what: str


class Raised(NamedTuple):
    """transformers raised something."""

    kind: Literal["raised"]
    error: str
    text: str


Answer = Loaded | Absent | Raised
_ANSWER: TypeAdapter[Answer] = TypeAdapter(Loaded | Absent | Raised)
_STANDING: dict[Path, Standing] = {}
_KNOWN: OrderedDict[str, Answer] = OrderedDict()
_LOCK = Lock()


def laid_out(
    name: str,
    config: Mapping[str, Any],
    generation: Mapping[str, Any],
    tensors: Mapping[str, tuple[str, Sequence[int]]],
    where: str,
) -> Answer:
    """What transformers says when the class `name` is laid out by `config` and given `tensors`, without their data.

    Args:
        name: of the class.
        config: of the model.
        generation: the configuration of generation.
        tensors: dtype, as safetensors spells it, and shape of each.
        where: named in errors.

    Raises:
        ChildError: the process ran out of memory or time, or died.
    """
    request = {
        "class": name,
        "config": dict(config),
        "generation": dict(generation),
        "tensors": dict(tensors),
        "dtypes": dict(TORCH_DTYPES),
        "memory": MAX_MEMORY,
        "seconds": MAX_SECONDS,
    }
    text = json.dumps(request).encode()
    key = hashlib.sha256(str(PROGRAM).encode() + b"\n" + text).hexdigest()
    with _LOCK:
        if key not in _KNOWN:
            _KNOWN[key] = _asked(text, where)
            if len(_KNOWN) > MAX_REMEMBERED:
                _KNOWN.popitem(last=False)
        _KNOWN.move_to_end(key)
        return _KNOWN[key]


def _asked(text: bytes, where: str) -> Answer:
    if PROGRAM not in _STANDING:
        _STANDING[PROGRAM] = standing = Standing(PROGRAM)
        atexit.register(standing.end)
    output, code = _STANDING[PROGRAM].ask(text, where, seconds=MAX_WAIT, most=MAX_OUTPUT)
    if code == -signal.SIGXCPU:
        what = f"describes a model that takes more than {MAX_SECONDS} s of processor time to lay out"
        raise ChildError(where, what, "are its counts and sizes right?")
    try:
        answer = _ANSWER.validate_json(output.strip().rpartition(b"\n")[2], strict=True)
    except ValidationError:
        how = f"by signal {-code}" if code < 0 else f"with exit code {code}"
        fix = 'check that `python -I -c "import transformers"` works, and that the machine has memory left'
        what = f"could not be checked: the process that loads it without weights ended {how} without an answer"
        raise ChildError(where, what, fix) from None
    if isinstance(answer, Raised) and (answer.error == "MemoryError" or "allocate memory" in answer.text):
        what = f"describes a model that needs more than {MAX_MEMORY >> 20} MB to lay out without its weights"
        raise ChildError(where, what, "are its counts and sizes right?")
    return answer
