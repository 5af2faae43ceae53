"""Something odd about a checkpoint, and the files that it is looked for in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from releasegate.inspection.stored import Stored


class Oddity(NamedTuple):
    """One odd thing.

    Attributes:
        place: file and key, or file and tensor.
        what: the number found and what is usual.
        remedy: what to do about it.
    """

    place: str
    what: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Files:
    """What of a checkpoint is looked at.

    Attributes:
        root: the folder.
        layout: its name, such as `llama-hf`.
        config: its configuration.
        config_file: the file that it stands in.
        texts: other JSON files at the top of the folder, parsed, by name.
        tensors: those of the model.
        beside: those of other files, such as a decoder.
        vocabulary: ids by token; may be empty.
    """

    root: Path
    layout: str
    config: Mapping[str, Any] = field(repr=False)
    config_file: str
    texts: Mapping[str, Mapping[str, Any]] = field(repr=False)
    tensors: Sequence[Stored] = field(repr=False)
    beside: Sequence[Stored] = field(default=(), repr=False)
    vocabulary: Mapping[str, int] = field(default_factory=dict, repr=False)

    @property
    def kind(self) -> str:
        """The `model_type`, or the layout where there is none."""
        stated = self.config.get("model_type")
        return stated if isinstance(stated, str) and stated else self.layout.removesuffix("-gguf")


def shown_number(value: float) -> str:
    """A number for a sentence.

    >>> shown_number(10000.0), shown_number(1e-05), shown_number(0.0123456)
    ('10000', '1e-05', '0.01235')
    """
    return f"{value:.4g}" if abs(value) < 1e4 or abs(value) >= 1e7 else f"{value:.0f}"
