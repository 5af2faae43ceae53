"""The configuration of a checkpoint as a record of its subject."""

from __future__ import annotations

import json
from typing import TypeVar

from pydantic import ValidationError

from releasegate.checkpoint import Checkpoint
from releasegate.errors import CheckpointError
from releasegate.records import Record

R = TypeVar("R", bound=Record)


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
        where = str(checkpoint.root / (checkpoint.config_file or "config.json"))
        what = f"{'.'.join(map(str, first['loc']))}: {first['msg'][0].lower()}{first['msg'][1:]}"
        raise CheckpointError(where, what, fix) from None
