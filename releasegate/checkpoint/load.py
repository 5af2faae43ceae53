"""Loading what was opened: the only place where a model, a tensor or a tokenizer is read into memory.

Nothing here runs code from a checkpoint, executes a pickle, or asks a network.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import torch
from pydantic import JsonValue
from safetensors import safe_open
from torch import Tensor, nn
from transformers import AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase
from transformers.utils import logging

from releasegate.checkpoint.dtypes import TORCH_DTYPES
from releasegate.checkpoint.files import open_regular
from releasegate.checkpoint.folder import Checkpoint
from releasegate.checkpoint.pickled import read_pickled
from releasegate.errors import CheckpointError, NotFound
from releasegate.patterns import matches

M = TypeVar("M", bound=PreTrainedModel)
N = TypeVar("N", bound=nn.Module)

_TORCH_NAMES = {ours: theirs for theirs, ours in TORCH_DTYPES.items()}
_STRICT = ("missing_keys", "unexpected_keys", "mismatched_keys", "error_msgs")


def load_model(checkpoint: Checkpoint, cls: type[M], *, device: torch.device, dtype: torch.dtype) -> M:
    """The model, in evaluation mode, on `device`; every tensor comes from the checkpoint and every tensor is used.

    Args:
        checkpoint: what to load.
        cls: the class of transformers that the layout belongs to.
        device: where the weights go.
        dtype: of the weights in memory.

    Raises:
        CheckpointError: the class has tensors that the checkpoint lacks, or the other way round, or shapes differ.
    """
    with _without_progress_bar():
        loaded: tuple[M, dict[str, Any]] = cls.from_pretrained(  # type: ignore[assignment]
            str(checkpoint.root),
            trust_remote_code=False,
            use_safetensors=True,
            local_files_only=True,
            output_loading_info=True,
            ignore_mismatched_sizes=True,  # they are told below, with what else does not fit
            dtype=dtype,
        )
    model, info = loaded
    for kind in _STRICT:
        found = sorted(str(one[0] if isinstance(one, tuple) else one) for one in info.get(kind) or ())
        if found:
            words = kind.replace("_", " ").replace("error msgs", "errors")
            what = f"does not load into {cls.__name__} strictly: {len(found)} {words}, the first {found[0]}"
            raise CheckpointError(str(checkpoint.root), what, "export the checkpoint from the class that it belongs to")
    model.to(device)  # type: ignore[arg-type]
    model.train(mode=False)
    return model


def load_module(
    checkpoint: Checkpoint,
    module: N,
    *,
    device: torch.device,
    dtype: torch.dtype,
    tensors: Mapping[str, Tensor] | None = None,
) -> N:
    """The module, in evaluation mode, on `device`, with the checkpoint's tensors; each is used, and each is needed.

    Args:
        checkpoint: what to load.
        module: any module, of tensors without data too (made on the device `meta`); they are replaced.
        device: where the weights go.
        dtype: of the floating-point weights in memory.
        tensors: those of the checkpoint under the module's own names, where they are stored under others; absent: as stored.

    Raises:
        CheckpointError: the module has tensors that the checkpoint lacks, or the other way round, or shapes differ, or
            one is of whole or of complex numbers where the other is not.
    """
    stored = load_tensors(checkpoint, ["*"]) if tensors is None else dict(tensors)
    declared = module.state_dict()
    for kind, names in (("missing", declared.keys() - stored.keys()), ("unexpected", stored.keys() - declared.keys())):
        if names:
            what = f"does not load strictly: {len(names)} {kind} tensors, the first {min(names)}"
            raise CheckpointError(str(checkpoint.root), what, "export weights and configuration together")
    for name, tensor in stored.items():
        if tensor.shape != declared[name].shape:
            what = (
                f"has {name} of shape {list(tensor.shape)}, and its configuration asks for {list(declared[name].shape)}"
            )
            raise CheckpointError(str(checkpoint.root), what, "export weights and configuration together")
        if tensor.is_floating_point() != declared[name].is_floating_point():
            what = f"has {name} of {tensor.dtype}, and its configuration asks for {declared[name].dtype}"
            raise CheckpointError(str(checkpoint.root), what, "export weights and configuration together")
    module.load_state_dict(stored, assign=True)
    module.to(device, dtype)
    module.train(mode=False)
    return module


@contextmanager
def _without_progress_bar() -> Iterator[None]:
    """transformers draws a bar of its own for every model, over whatever stands on the terminal."""
    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()


def load_tensors(checkpoint: Checkpoint, patterns: Iterable[str]) -> dict[str, Tensor]:
    """The model's tensors whose names match one of `patterns`, on the CPU, in their stored dtype.

    Raises:
        NotFound: a pattern matches no tensor.
    """
    wanted: dict[str, str] = {}
    for pattern in patterns:
        found = {name: place.file for name, place in checkpoint.tensors.items() if matches(pattern, name)}
        if not found:
            raise NotFound(
                str(checkpoint.root), f"has no tensor {pattern!r}", "check the pattern against the checkpoint"
            )
        wanted |= found
    tensors: dict[str, Tensor] = {}
    for file in sorted(set(wanted.values())):
        tensors |= _read(checkpoint, file, [name for name, place in wanted.items() if place == file])
    return tensors


def load_file_tensors(checkpoint: Checkpoint, file: str) -> dict[str, Tensor]:
    """All tensors of the sibling file `file` (such as a decoder), on the CPU, in their stored dtype.

    Raises:
        NotFound: the checkpoint has no such sibling.
    """
    if file not in checkpoint.siblings:
        known = ", ".join(sorted(checkpoint.siblings)) or "none"
        raise NotFound(str(checkpoint.root / file), "is not a file of tensors beside the model", f"there are: {known}")
    return _read(checkpoint, file, list(checkpoint.siblings[file].entries))


def _read(checkpoint: Checkpoint, file: str, names: Sequence[str]) -> dict[str, Tensor]:
    with safe_open(checkpoint.root / file, framework="pt", device="cpu") as stored:
        return {name: stored.get_tensor(name) for name in names}


def load_torch_file(path: Path) -> tuple[dict[str, Tensor], Mapping[str, JsonValue]]:
    """The tensors of a file that `torch.save` wrote, on the CPU, and its plain values, both by dotted names.

    The file's pickle is not executed here: see `pickled.py`. The tensors are copies.

    Raises:
        CheckpointError: it is not a plain archive as torch writes it, or holds more than tensors and plain values.
    """
    pickled = read_pickled(path)
    tensors: dict[str, Tensor] = {}
    with open_regular(path) as file:
        for name, stored in pickled.tensors.items():
            begin, end = stored.storage
            file.seek(begin)
            held = bytearray(file.read(end - begin))
            dtype = getattr(torch, _TORCH_NAMES[stored.dtype])
            flat = torch.frombuffer(held, dtype=dtype) if held else torch.empty(0, dtype=dtype)
            start = (stored.offset - begin) // dtype.itemsize
            tensors[name] = flat.as_strided(stored.shape, stored.strides, start).clone()
    return tensors, pickled.values


def load_tokenizer(checkpoint: Checkpoint) -> PreTrainedTokenizerBase:
    """The tokenizer that lies in the checkpoint's folder."""
    tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(
        str(checkpoint.root), trust_remote_code=False, local_files_only=True
    )
    return tokenizer
