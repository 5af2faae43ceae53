"""A GGUF file as a model of transformers, its blocks turned into plain numbers by transformers' own reader."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import (
    CONFIG_MAPPING,
    MODEL_FOR_CAUSAL_LM_MAPPING,
    PreTrainedModel,
    modeling_gguf_pytorch_utils,
)

from releasegate.checkpoint.folder import Checkpoint
from releasegate.checkpoint.gguf import read_gguf
from releasegate.errors import CheckpointError, NotLoadable


def causal_class_of(config: Mapping[str, Any]) -> type[PreTrainedModel] | None:
    """transformers' class for the causal language models of a configuration's `model_type`, if it has one."""
    kind = config.get("model_type")
    if not isinstance(kind, str) or kind not in CONFIG_MAPPING:
        return None
    found: Any = MODEL_FOR_CAUSAL_LM_MAPPING.get(CONFIG_MAPPING[kind], None)
    return found if isinstance(found, type) and issubclass(found, PreTrainedModel) else None


def gguf_file(checkpoint: Checkpoint) -> str:
    """The name of the file that the checkpoint is."""
    (name,) = checkpoint.shards
    return name


def read_gguf_model(
    checkpoint: Checkpoint, dtype: torch.dtype
) -> tuple[type[PreTrainedModel], dict[str, Any], dict[str, Tensor]]:
    """The class that reads the checkpoint, its configuration, and its tensors by the names that the class gives them.

    Args:
        checkpoint: whose layout ends in `-gguf`.
        dtype: of the tensors.

    Raises:
        GgufError: the file is malformed.
        NotLoadable: transformers does not know its architecture, or not all of its tensors become tensors of the class.
    """
    path = checkpoint.root / gguf_file(checkpoint)
    header = read_gguf(path)  # checked within bounds before a reader that trusts it
    if header.slack:
        raise CheckpointError(str(path), "has bytes that belong to no tensor", "convert the model again")
    stated = _parsed(path)["config"]
    cls = causal_class_of(stated)
    if cls is None:
        what = f"transformers has no causal language model of the type {str(stated.get('model_type'))[:80]!r}"
        raise NotLoadable(str(path), what, "measure the checkpoint that it was made from")
    with torch.device("meta"):
        empty = cls(CONFIG_MAPPING[stated["model_type"]].from_dict(stated))
    tensors: dict[str, Tensor] = _parsed(path, return_tensors=True, model_to_load=empty, torch_dtype=dtype)["tensors"]
    return cls, stated, tensors


def _parsed(path: Path, **how: Any) -> dict[str, Any]:
    reader: Any = modeling_gguf_pytorch_utils
    try:
        with silent(reader):
            found: dict[str, Any] = reader.load_gguf_checkpoint(str(path), **how)
    except (ImportError, ValueError, KeyError, IndexError, TypeError, NotImplementedError, AttributeError) as error:
        first = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
        what = f"transformers does not read it: {first}"
        raise NotLoadable(str(path), what, "install `gguf`, or measure the checkpoint that it was made from") from error
    return found


@contextmanager
def silent(reader: Any) -> Iterator[None]:
    """The reader draws a bar over whatever stands on the terminal, and has no switch for it."""
    bar = reader.tqdm
    reader.tqdm = partial(bar, disable=True)
    try:
        yield
    finally:
        reader.tqdm = bar
