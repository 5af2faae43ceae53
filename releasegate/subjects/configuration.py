"""The configuration of a checkpoint as a record of its subject."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TypeVar

from pydantic import ValidationError
from pydantic_core import PydanticCustomError

from releasegate.checkpoint import Checkpoint
from releasegate.errors import CheckpointError
from releasegate.records import Record

R = TypeVar("R", bound=Record)
T = TypeVar("T")


def read_configuration(checkpoint: Checkpoint, kind: type[R], fix: str) -> R:
    """The checkpoint's configuration as a `kind`.

    Args:
        fix: what to do about one that is none.

    Raises:
        CheckpointError: it is none; the first thing that is wrong is named.
    """
    try:
        return kind.model_validate_json(json.dumps(dict(checkpoint.config)))
    except ValidationError as error:
        first = error.errors()[0]
        where = _place(checkpoint)
        place = f"{'.'.join(map(str, first['loc']))}: " if first["loc"] else ""
        what = f"{place}{first['msg'][0].lower()}{first['msg'][1:]}"
        raise CheckpointError(where, what, fix) from None


def contradiction(what: str) -> PydanticCustomError:
    """What a validator of a configuration raises where two of its values do not go together."""
    return PydanticCustomError("contradiction", "{what}", {"what": what})


def made_of(checkpoint: Checkpoint, make: Callable[[], T], fix: str) -> T:
    """What `make` makes of the checkpoint's configuration.

    Args:
        fix: what to do about a configuration of which nothing can be made.

    Raises:
        CheckpointError: it cannot be made, although each value by itself is in its range.
    """
    try:
        return make()
    except (TypeError, ValueError, AssertionError, ArithmeticError, RuntimeError, MemoryError) as error:
        what = f"no network can be made of it: {str(error).splitlines()[0] if str(error) else type(error).__name__}"
        raise CheckpointError(_place(checkpoint), what, fix) from error


def _place(checkpoint: Checkpoint) -> str:
    return str(checkpoint.root / (checkpoint.config_file or "config.json"))
