"""What a harness is handed beside the subject and the items."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

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
