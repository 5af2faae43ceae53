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
from transformers import (
    CONFIG_MAPPING,
    AutoTokenizer,
    LlamaTokenizer,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)
from transformers.utils import logging

from releasegate.checkpoint.dtypes import TORCH_DTYPES
from releasegate.checkpoint.files import open_regular
from releasegate.checkpoint.folder import Checkpoint
from releasegate.checkpoint.load_gguf import causal_class_of, gguf_file, read_gguf_model
from releasegate.checkpoint.load_quantised import require_dequantised
from releasegate.checkpoint.pickled import read_pickled
from releasegate.checkpoint.tokenizers import CONFIG as TOKENIZER_CONFIG
from releasegate.checkpoint.tokenizers import EXPORT, NO_TOKENS, holds_tokens, require_sound
from releasegate.errors import CheckpointError, NotFound
from releasegate.patterns import matches

M = TypeVar("M", bound=PreTrainedModel)
N = TypeVar("N", bound=nn.Module)

_TORCH_NAMES = {ours: theirs for theirs, ours in TORCH_DTYPES.items()}
SENTENCES = "tokenizer.model"
"""A tokenizer of SentencePiece."""
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
        NotLoadable: the weights are quantised, and the library that reads them is not installed.
    """
    require_dequantised(checkpoint)
    return _strict(checkpoint, cls, str(checkpoint.root), device, dtype)


def load_causal_model(checkpoint: Checkpoint, *, device: torch.device, dtype: torch.dtype) -> PreTrainedModel:
    """The checkpoint as a causal language model of transformers, an adapter over it left aside; see `load_model`.

    Raises:
        CheckpointError: transformers has no such model, or it does not load strictly.
    """
    if not checkpoint.layout.endswith("-gguf"):
        return load_model(checkpoint, causal_class(checkpoint), device=device, dtype=dtype)
    cls, config, tensors = read_gguf_model(checkpoint, dtype)
    made = CONFIG_MAPPING[config["model_type"]].from_dict(config)
    return _strict(checkpoint, cls, None, device, dtype, config=made, state_dict=tensors)


def _strict(
    checkpoint: Checkpoint, cls: type[M], source: str | None, device: torch.device, dtype: torch.dtype, **given: Any
) -> M:
    """The model, of a folder or of tensors that are given; every one of them is used, and none is missing."""
    with _without_progress_bar():
        loaded: tuple[M, dict[str, Any]] = cls.from_pretrained(  # type: ignore[assignment]
            source,
            trust_remote_code=False,
            use_kernels=False,  # transformers would fetch them from a hub
            use_safetensors=True,
            local_files_only=True,
            output_loading_info=True,
            ignore_mismatched_sizes=True,  # they are told below, with what else does not fit
            dtype=dtype,
            **given,
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


def causal_class(checkpoint: Checkpoint) -> type[PreTrainedModel]:
    """The class of transformers that reads the checkpoint as a causal language model.

    Raises:
        CheckpointError: transformers has none for its `model_type`.
    """
    found = causal_class_of(checkpoint.config)
    if found is not None:
        return found
    where = str(checkpoint.root / (checkpoint.config_file or "config.json"))
    what = f"transformers has no causal language model of the type {str(checkpoint.config.get('model_type'))[:80]!r}"
    raise CheckpointError(where, what, "install the version of transformers that has it, or write a subject")


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
    """The tokenizer that lies in the checkpoint's folder, or in its GGUF file; never one that the library makes up.

    Raises:
        CheckpointError: there is none that loads.
    """
    root, gguf = str(checkpoint.root), gguf_file(checkpoint) if checkpoint.layout.endswith("-gguf") else None
    stored = gguf is not None or holds_tokens(checkpoint.sizes)
    if not stored and TOKENIZER_CONFIG not in checkpoint.sizes:
        raise CheckpointError(root, NO_TOKENS, EXPORT)
    if gguf is None:
        require_sound(checkpoint.root, checkpoint.sizes)
    plain = SENTENCES in checkpoint.sizes and not {"tokenizer.json", "tokenizer_config.json"} & checkpoint.sizes.keys()
    found: PreTrainedTokenizerBase
    try:
        if plain:  # as Meta publishes it; nothing but Llama's own rules says how it is used
            found = LlamaTokenizer.from_pretrained(
                root, add_bos_token=True, trust_remote_code=False, local_files_only=True
            )
        else:
            found = AutoTokenizer.from_pretrained(root, gguf_file=gguf, trust_remote_code=False, local_files_only=True)
    except (ImportError, ValueError, OSError, TypeError, KeyError, AttributeError, IndexError) as error:
        first = str(error).strip().splitlines()[0][:200] if str(error).strip() else type(error).__name__
        what = f"has a tokenizer that does not load: {first}"
        raise CheckpointError(
            str(checkpoint.root), what, "install `sentencepiece` if it lacks, or export it again"
        ) from error
    if not stored and type(found).vocab_files_names:  # one of bytes needs no file
        raise CheckpointError(root, NO_TOKENS, EXPORT)
    return found
