"""A tensor in a file of whatever form, and the tensors of one file."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Stored:
    """A tensor.

    Attributes:
        name: in its file.
        file: the file's path in the folder.
        dtype: in safetensors' spelling; of a GGUF file, ggml's type.
        shape: elements along each dimension.
        size: bytes.
        begin: byte of the file at which its elements begin, all in one piece and in order; `None` where they do not.
    """

    name: str
    file: str
    dtype: str
    shape: tuple[int, ...]
    size: int
    begin: int | None

    @property
    def elements(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)


@dataclass(frozen=True, slots=True)
class Held:
    """What one file of tensors holds.

    Attributes:
        tensors: all of them.
        metadata: texts beside them, by key: a safetensors file's `__metadata__`, a GGUF file's keys.
        values: what a pickle holds beside them, by name.
        ties: groups of names that share bytes.
    """

    tensors: Sequence[Stored] = ()
    metadata: Mapping[str, Any] = field(default_factory=dict)
    values: Mapping[str, Any] = field(default_factory=dict)
    ties: Sequence[Sequence[str]] = ()
