"""What a checkpoint of some layout holds, and how it comes to lie on disk: dense with random values, or as holes."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import prod
from pathlib import Path
from typing import Any, Literal, NamedTuple

Size = Literal["tiny", "real"]
Shape = tuple[int, ...]
Shapes = dict[str, Shape]
"""Names of tensors and their shapes, of which the dtype is not yet said."""

WIDTHS: Mapping[str, int] = {
    **dict.fromkeys(("BOOL", "U8", "I8", "F8_E4M3"), 1),
    **dict.fromkeys(("F16", "BF16"), 2),
    **dict.fromkeys(("I32", "F32"), 4),
    **dict.fromkeys(("I64", "F64"), 8),
}
"""Bytes of an element, by the name that safetensors gives the dtype."""


class Spec(NamedTuple):
    """A tensor.

    Attributes:
        dtype: as safetensors spells it.
        shape: of it.
        like: the tensor of the model of which this one holds the values, in its own dtype; "" for values of its own.
    """

    dtype: str
    shape: Shape
    like: str = ""

    @property
    def nbytes(self) -> int:
        """Bytes of its data."""
        return WIDTHS[self.dtype] * prod(self.shape)


Tensors = dict[str, Spec]


@dataclass(frozen=True)
class Tied:
    """A second name for the tensor at the path `to` of the same torch file; both share one storage."""

    to: str


Tree = Any
"""What a torch file holds: dicts and lists, in which each `Spec` or `Tied` stands for a tensor, all else for itself."""


CARD: Mapping[str, str] = {
    ".gitattributes": "*.safetensors filter=lfs diff=lfs merge=lfs -text\n",
    "LICENSE": "A licence\n",
    "README.md": "# A card\n",
}
"""What lies beside the weights in every published repository."""


@dataclass(frozen=True)
class Contents:
    """The files of a checkpoint.

    Attributes:
        safetensors: tensors of each safetensors file.
        torch: the object in each file that `torch.save` wrote.
        texts: every other file: a string, bytes, or what is written as JSON.
    """

    safetensors: Mapping[str, Tensors] = field(default_factory=dict)
    torch: Mapping[str, Tree] = field(default_factory=dict)
    texts: Mapping[str, Any] = field(default_factory=dict)

    def tensors(self) -> dict[str, Tensors]:
        """Every stored tensor of every file, by file; in a torch file it goes by its path, joined by full stops.

        Second names of tied tensors are left out.
        """
        return {
            **{file: dict(tensors) for file, tensors in self.safetensors.items()},
            **{file: leaves(tree) for file, tree in self.torch.items()},
        }

    @property
    def nbytes(self) -> int:
        """Bytes of the data of all tensors, headers left out."""
        return sum(spec.nbytes for tensors in self.tensors().values() for spec in tensors.values())

    def joined(self, other: Contents) -> Contents:
        """The files of both."""
        return Contents(
            {**self.safetensors, **other.safetensors}, {**self.torch, **other.torch}, {**self.texts, **other.texts}
        )


@dataclass(frozen=True)
class Layout:
    """One layout.

    Attributes:
        contents: its files at the size of a published checkpoint, or at a size for tests.
        model_class: the class of transformers that loads it; `None` where no library that is installed does.
    """

    contents: Callable[[Size], Contents]
    model_class: str | None = None

    def write(self, root: Path, size: Size = "tiny", *, sparse: bool = False, seed: int = 0) -> Path:
        """The folder `root`, made and filled.

        Args:
            root: must not exist.
            size: a real checkpoint is written sparse only.
            sparse: the data of tensors is left out as a hole, and reads as zeros.
            seed: of the random values otherwise.

        Raises:
            ValueError: a real checkpoint is to be written with values.
        """
        if size == "real" and not sparse:
            raise ValueError("a real checkpoint is gigabytes: write it sparse")
        return write_contents(root, self.contents(size), None if sparse else seed)


def write_contents(root: Path, contents: Contents, seed: int | None) -> Path:
    """The folder `root`, made and filled with `contents`, which may be a layout's with something changed.

    Args:
        root: must not exist.
        contents: the files.
        seed: of the random values; `None` leaves holes in their place. In a safetensors file a tensor's values depend on
            nothing else but its name and shape, in a torch file on the file's name too.
    """
    root.mkdir(parents=True)
    for name, tensors in contents.safetensors.items():
        from tests.layouts.safetensors_files import write_safetensors

        write_safetensors(_place(root, name), tensors, seed)
    for name, tree in contents.torch.items():
        from tests.layouts.torch_files import write_torch  # imports torch, which most layouts do without

        write_torch(_place(root, name), tree, seed)
    for name, text in contents.texts.items():
        _place(root, name).write_bytes(_encoded(text))
    return root


def _place(root: Path, name: str) -> Path:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def _encoded(text: Any) -> bytes:
    if isinstance(text, bytes):
        return text
    return (text if isinstance(text, str) else json.dumps(text, indent=2) + "\n").encode()


def leaves(tree: Tree, prefix: str = "") -> Tensors:
    """Every `Spec` in `tree`, by its path."""
    if isinstance(tree, Spec):
        return {prefix: tree}
    pairs = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    found: Tensors = {}
    for key, value in pairs:
        found |= leaves(value, f"{prefix}.{key}" if prefix else str(key))
    return found


def typed(shapes: Mapping[str, Shape], dtype: str) -> Tensors:
    """`shapes`, all of one dtype; but the counters of batch norms are 64-bit integers, whatever the model is."""
    return {
        name: Spec("I64" if name.endswith("num_batches_tracked") else dtype, shape) for name, shape in shapes.items()
    }


def under(prefix: str, shapes: Shapes) -> Shapes:
    """`shapes` with `prefix` and a full stop before each name."""
    return {f"{prefix}.{name}": shape for name, shape in shapes.items()}


def sharded(tensors: Tensors, limit: int, stem: str = "model") -> Contents:
    """`tensors` as transformers would lay them out: filled up in order to `limit` bytes a shard, with an index.

    A single shard has no index.
    """
    shards: list[Tensors] = [{}]
    size = 0
    for name, spec in tensors.items():
        if shards[-1] and size + spec.nbytes > limit:
            shards.append({})
            size = 0
        shards[-1][name] = spec
        size += spec.nbytes
    if len(shards) == 1:
        return Contents({f"{stem}.safetensors": tensors})
    names = [f"{stem}-{number:05d}-of-{len(shards):05d}.safetensors" for number in range(1, len(shards) + 1)]
    index = {
        "metadata": {"total_size": sum(spec.nbytes for spec in tensors.values())},
        "weight_map": {tensor: name for name, shard in zip(names, shards, strict=True) for tensor in shard},
    }
    return Contents(dict(zip(names, shards, strict=True)), texts={f"{stem}.safetensors.index.json": index})
