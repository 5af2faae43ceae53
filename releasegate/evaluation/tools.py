"""What a harness is handed beside the subject and the items."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from releasegate.discretion import described

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Tools:
    """What a harness may use.

    Attributes:
        params: the card's parameters.
        device: where instruments run.
        instruments: the files of each instrument of the card, their digests checked.
        write: stores an output (its bytes, its extension without the dot) and returns the name to put into a reading.
    """

    params: Mapping[str, Any]
    device: torch.device
    instruments: Mapping[str, tuple[Path, ...]]
    write: Callable[[bytes, str], str]


@dataclass
class OutputDigests:
    """Takes outputs where none may be kept, and remembers the length of each by its name."""

    _sizes: dict[str, int] = field(default_factory=dict)

    def write(self, data: bytes, extension: str) -> str:
        """The name that `data` would have in `outputs/`."""
        name = f"{hashlib.sha256(data).hexdigest()}.{extension}"
        self._sizes[name] = len(data)
        return name

    def stored(self, name: str) -> str | None:
        """What stands for an output: its digest and length; None if it was never written."""
        size = self._sizes.get(name)
        return None if size is None else described(f"sha256:{name.partition('.')[0]}", size)
