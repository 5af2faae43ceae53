"""Tensors that are there twice, by their names and shapes: tied, doubled, or a second copy under another name."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from releasegate.inspection.indexing import Model
from releasegate.inspection.reading import SHOWN
from releasegate.inspection.record import Finding
from releasegate.inspection.stored import Held, Stored

LEAST_STEPS = 2
"""Steps that two names must have in common, at their ends, to be suspected of being one tensor."""
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
    """Tensors whose name is the end of another's, of the same shape: `encoder.x` beside `model.vq.encoder.x`, `ema.x`."""
    by_name: dict[str, list[Stored]] = defaultdict(list)
    for found in held.values():
        for tensor in found.tensors:
            by_name[tensor.name].append(tensor)
    pairs: dict[tuple[str, str, str], list[str]] = defaultdict(list)
    for found in held.values():
        for tensor in found.tensors:
            twin = _shorter_twin(tensor, by_name)
            if twin is not None:
                prefix = tensor.name[: -len(twin.name)]
                pairs[tensor.file, prefix, twin.file].append(f"{tensor.name} = {twin.name}")
    for (file, prefix, other), names in pairs.items():
        if len(names) == 1 and not _WRAPPERS.issuperset(prefix[:-1].split(".")):
            continue  # many a part has a `norm.weight`
        beside = "other tensors" if other == file else f"tensors of {other}"
        what = f"has tensors that may be copies of {beside}: the same shapes, the same names after {prefix}"
        fix = "compare them (--duplicates), and name both in a recipe"
        yield Finding(
            kind="copy", level="concern", where=file, what=what, fix=fix, count=len(names), names=tuple(names[:SHOWN])
        )


def _shorter_twin(tensor: Stored, by_name: Mapping[str, Sequence[Stored]]) -> Stored | None:
    """The tensor of the same shape whose name is the longest proper end of this one's."""
    steps = tensor.name.split(".")
    for at in range(1, len(steps) - LEAST_STEPS + 1):
        for twin in by_name.get(".".join(steps[at:]), ()):
            if twin.shape == tensor.shape:
                return twin
    return None
