"""Tensors that are there twice, by their names and shapes: tied, doubled, or a second copy under another name."""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from releasegate.inspection.indexing import Model
from releasegate.inspection.reading import SHOWN
from releasegate.inspection.record import Finding
from releasegate.inspection.stored import Held, Stored

LEAST_STEPS = 2
"""Steps that two names must have in common, at their ends, to be suspected of being one tensor."""
SAME = 0.9
"""Share of the elements in matrices of a shape that both have, from which on two files may be two forms of one model."""
_SHARD = re.compile(r"[._-](?:[0-9]+(?:-of-[0-9]+)?|fp16|bf16|fp32)(?=\.)|\.(?:safetensors|bin|pth|pt|gguf|ckpt)$")
_WRAPPERS = frozenset(
    (
        *(
            "model",
            "module",
            "base_model",
            "_orig_mod",
            "state_dict",
            "transformer",
            "net",
            "network",
            "ema",
            "model_ema",
        ),
        *("ema_model", "teacher", "student", "averaged", "shadow", "swa_model", "generator", "language_model"),
    )
)
"""What libraries put before the names of a model that they hold."""


def tie_findings(held: Mapping[str, Held], model: Model, config_file: str | None, config: Any) -> Iterator[Finding]:
    """Tensors that are one, by shared storage, by a name in the metadata, or by the configuration."""
    fix = "an edit of one is an edit of both: save them apart before a strip"
    for file, found in held.items():
        if found.ties:
            names = tuple(" = ".join(names[:SHOWN]) for names in found.ties[:SHOWN])
            count = sum(len(names) for names in found.ties)
            what = "has tensors that share bytes"
            yield Finding(kind="tied", level="note", where=file, what=what, fix=fix, count=count, names=names)
        present = {tensor.name for tensor in found.tensors}
        aliases = [
            f"{key} = {value}"
            for key, value in found.metadata.items()
            if isinstance(value, str) and value in present and key not in present
        ]
        if aliases:
            what = "has names in its metadata for tensors that stand there under another"
            yield Finding(
                kind="tied",
                level="note",
                where=file,
                what=what,
                fix=fix,
                count=len(aliases),
                names=tuple(aliases[:SHOWN]),
            )
    yield from _embeddings(held, model, config_file, config, fix)


def _embeddings(
    held: Mapping[str, Held], model: Model, config_file: str | None, config: Any, fix: str
) -> Iterator[Finding]:
    if config_file is None or not isinstance(config, Mapping):
        return
    parts = [("", config), *((f"{key}.", part) for key, part in config.items() if isinstance(part, Mapping))]
    for prefix, part in parts:
        if part.get("tie_word_embeddings") is True:
            what = "says that input and output embedding are one tensor"
            yield Finding(
                kind="tied", level="note", where=f"{config_file}: {prefix}tie_word_embeddings", what=what, fix=fix
            )
    sizes = {part.get("vocab_size") for _, part in parts if type(part.get("vocab_size")) is int}
    tensors = [tensor for file in model.files for tensor in held[file].tensors]
    matrices = [tensor for tensor in tensors if len(tensor.shape) == 2 and tensor.shape[0] in sizes]
    if model.known and len(matrices) == 1:
        what = "is the only matrix with a row for each token: input and output embedding in one"
        yield Finding(kind="tied", level="note", where=matrices[0].file, what=what, fix=fix, names=(matrices[0].name,))


def doubled_findings(held: Mapping[str, Held], model: Model, *, parallel: bool) -> Iterator[Finding]:
    """Names that stand in two files. Between shards of one model that is a problem, unless they are tensor-parallel."""
    places: dict[str, list[str]] = defaultdict(list)
    for file, found in held.items():
        for tensor in found.tensors:
            places[tensor.name].append(file)
    pairs: dict[tuple[str, str], list[str]] = defaultdict(list)
    for name, files in places.items():
        first, *others = sorted(files, key=lambda file: (file not in model.files, file))
        for other in others:
            if not (parallel and first in model.files and other in model.files):
                pairs[first, other].append(name)
    for (first, other), names in pairs.items():
        both = model.known and first in model.files and other in model.files
        what = f"has tensors of the same names as {first}"
        fix = "which of the two is loaded depends on the loader: keep one"
        yield Finding(
            kind="doubled", level="problem" if both else "concern", where=other, what=what, fix=fix, count=len(names),
            names=tuple(names[:SHOWN]),
        )  # fmt: skip


def copy_findings(held: Mapping[str, Held]) -> Iterator[Finding]:
    """Tensors of one shape whose names differ by a prefix or a wrapper alone.

    `encoder.x` beside `model.vq.encoder.x`, `model.ema.x` or `model_ema.x` beside `model.x`.
    """
    by_name: dict[str, list[Stored]] = defaultdict(list)
    for found in held.values():
        for tensor in found.tensors:
            by_name[tensor.name].append(tensor)
    pairs: dict[tuple[str, str, str], list[str]] = defaultdict(list)
    for found in held.values():
        for tensor in found.tensors:
            twin, prefix = _twin(tensor, by_name)
            if twin is not None:
                pairs[tensor.file, prefix, twin.file].append(f"{tensor.name} = {twin.name}")
    for (file, prefix, other), names in pairs.items():
        if len(names) == 1 and not _WRAPPERS.issuperset(prefix.split(".")):
            continue  # many a part has a `norm.weight`
        beside = "other tensors" if other == file else f"tensors of {other}"
        what = f"has tensors that may be copies of {beside}: the same shapes, and the same names but for {prefix}"
        fix = "compare them (--duplicates), and name both in a recipe"
        yield Finding(
            kind="copy", level="concern", where=file, what=what, fix=fix, count=len(names), names=tuple(names[:SHOWN])
        )


def form_findings(held: Mapping[str, Held], model: Model) -> Iterator[Finding]:
    """Files beside the model that may be the whole of it again under other names: matrices of the same shapes."""
    if not model.known:
        return
    mine = _shapes(tensor for file in model.files for tensor in held[file].tensors)
    size = sum(math.prod(shape) * count for shape, count in mine.items())
    named = {tensor.name for file in model.files for tensor in held[file].tensors}
    beside: dict[str, list[Stored]] = defaultdict(list)
    for file, found in held.items():
        if file not in model.files:
            beside[_SHARD.sub("", file)] += [tensor for tensor in found.tensors if tensor.name not in named]
    for tensors in beside.values():
        shapes = _shapes(tensors)
        whole = sum(math.prod(shape) * count for shape, count in shapes.items())
        common = sum(math.prod(shape) * count for shape, count in (shapes & mine).items())
        if whole >= size * SAME and common >= whole * SAME and size:
            files = sorted({tensor.file for tensor in tensors})
            what = "may hold the model once more under other names: its matrices have the shapes of the model's"
            fix = "take it out: a strip of one form leaves the other"
            yield Finding(
                kind="copy",
                level="concern",
                where=files[0],
                what=what,
                fix=fix,
                count=len(files),
                names=tuple(files[:SHOWN]),
            )


def _shapes(tensors: Iterable[Stored]) -> Counter[tuple[int, ...]]:
    """How often each shape comes; that of a matrix and of its transpose is one."""
    return Counter(tuple(sorted(tensor.shape)) for tensor in tensors if len(tensor.shape) > 1 and tensor.elements)


def _twin(tensor: Stored, by_name: Mapping[str, Sequence[Stored]]) -> tuple[Stored | None, str]:
    """The tensor of the same shape under a shorter name, and what this one's has more."""
    for name, prefix in _shorter(tensor.name.split(".")):
        for twin in by_name.get(name, ()):
            if twin.shape == tensor.shape:
                return twin, prefix
    return None, ""


def _shorter(steps: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Names without some first steps, the longest first; then without a wrapper, or its `_ema`, further in."""
    for at in range(1, len(steps) - LEAST_STEPS + 1):
        yield ".".join(steps[at:]), ".".join(steps[:at])
    for at, step in enumerate(steps[:-1]):
        if at and step in _WRAPPERS:
            yield ".".join([*steps[:at], *steps[at + 1 :]]), step
        elif step.endswith("_ema"):
            yield ".".join([*steps[:at], step.removesuffix("_ema"), *steps[at + 1 :]]), step
