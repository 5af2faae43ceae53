"""A causal language model of transformers: scores texts, goes on with prompts, predicts tokens.

A folder holds it in safetensors files, one or several, with a LoRA adapter over it in `adapter/` or without; or it is a GGUF
file, which holds everything.
"""

from __future__ import annotations

import inspect
from typing import Any

import torch
from torch import Tensor
from transformers import DynamicCache, PreTrainedModel
from transformers.cache_utils import DynamicLayer

from releasegate.checkpoint import Checkpoint
from releasegate.checkpoint.load import causal_class, load_causal_model, load_tensors, load_tokenizer
from releasegate.checkpoint.load_quantised import require_dequantised
from releasegate.errors import CheckpointError
from releasegate.extras import require_packages
from releasegate.subjects import Lending
from releasegate.subjects.causal_net import Memory, places_of
from releasegate.subjects.lora import apply_adapter
from releasegate.subjects.reading import Reader, require_reads
from releasegate.subjects.text_model import TextModel
from releasegate.subjects.wording import Wording

_LENGTHS = ("max_position_embeddings", "n_positions", "max_seq_len", "seq_length", "n_ctx")
"""What configurations call the longest text."""
GGUF_EMBEDDING = "token_embd.weight"
"""What a GGUF file calls the embedding."""
UNBOUNDED = 1 << 20
"""Tokens of the longest text where a configuration says nothing of it."""


class CacheMemory:
    """transformers' cache of keys and values."""

    def __init__(self, cache: DynamicCache) -> None:
        self.cache = cache

    def pick(self, rows: Tensor) -> None:
        """Nothing; its rows are now copies of the rows int64 [m]; see `Memory`."""
        self.cache.batch_select_indices(rows)


class TransformersNet:
    """A model of transformers as a `CausalNet`.

    Raises:
        CheckpointError: its class has no cache.
    """

    def __init__(self, model: PreTrainedModel) -> None:
        self._model: Any = model
        config = model.config.get_text_config(decoder=True)
        self.vocabulary: int = model.get_output_embeddings().weight.shape[0]
        self.context: int = next((int(n) for n in (getattr(config, k, None) for k in _LENGTHS) if n), UNBOUNDED)
        self.device = model.device
        takes = inspect.signature(type(model).forward).parameters
        self._takes = frozenset(takes)
        self._past = "cache" if "cache" in takes else "past_key_values"  # 5.24 renamed it
        if self._past not in takes:
            what = f"is a {type(model).__name__}, which cannot go on from what it read before"
            raise CheckpointError("config.json", what, "write a subject of your own for it: docs/adding-a-subject.md")
        plain = all(isinstance(layer, DynamicLayer) for layer in self._cache().layers)
        self.alone = not plain or "position_ids" not in takes
        """A state that runs through padding, or places that padding moves, would change what is made of a row."""

    def _cache(self) -> DynamicCache:
        return DynamicCache(config=self._model.config)

    def read(self, ids: Tensor, kept: Tensor, memory: Memory | None, last: int) -> tuple[Tensor, Memory]:
        """The scores of what follows the last tokens; see `CausalNet`."""
        assert memory is None or isinstance(memory, CacheMemory), "a memory goes back to the network that made it"
        cache = self._cache() if memory is None else memory.cache
        given: dict[str, Any] = {"input_ids": ids, "attention_mask": kept.long(), "use_cache": True, self._past: cache}
        if "position_ids" in self._takes:
            given["position_ids"] = places_of(kept, ids.shape[1])
        if "logits_to_keep" in self._takes:
            given["logits_to_keep"] = last
        out = self._model(**given)
        return out.logits[:, -last:], CacheMemory(cache)


def ends_of(model: PreTrainedModel) -> frozenset[int]:
    """The tokens that end a text, as the configurations of model and generation say."""
    stated = [getattr(config, "eos_token_id", None) for config in (model.config, model.generation_config)]
    found = [one if isinstance(one, list | tuple) else [one] for one in stated]
    return frozenset(int(one) for each in found for one in each if one is not None)


def open_subject(
    checkpoint: Checkpoint, lending: Lending | None, device: torch.device, dtype: torch.dtype
) -> TextModel:
    """The subject, with what is lent to it put in place.

    Raises:
        CheckpointError: the checkpoint does not load strictly into the class that its configuration names, or lent tensors
            have no place in it.
    """
    model = load_causal_model(checkpoint, device=device, dtype=dtype)
    if checkpoint.layout.endswith("-lora"):
        apply_adapter(model, checkpoint)
    if lending is not None and lending.tensors:
        lent = load_tensors(lending.source, lending.tensors)
        _, unexpected = model.load_state_dict(lent, strict=False)
        if unexpected:
            what = f"has no place for lent {unexpected[0]}"
            raise CheckpointError(str(checkpoint.root), what, "correct `lent` in the recipe")
    wording = Wording(load_tokenizer(checkpoint), ends_of(model))
    embedding: Any = model.get_input_embeddings()
    require_reads(wording.reader(str(checkpoint.root), int(embedding.weight.shape[0])))
    return TextModel(TransformersNet(model), wording)


def reader(checkpoint: Checkpoint) -> Reader:
    """Return how the checkpoint's texts are read; no weight is loaded.

    Raises:
        NotFound: it is a GGUF file, and the package that reads those is not installed.
        CheckpointError: transformers has no causal language model of its type, the weights are quantised and their library is not
            installed, or there is no tokenizer that loads.
    """
    if checkpoint.layout.endswith("-gguf"):
        require_packages(["gguf"], "a GGUF checkpoint")
        embedding = checkpoint.tensors.get(GGUF_EMBEDDING)
        rows = None if embedding is None else embedding.entry.shape[0]
    else:
        require_dequantised(checkpoint)
        rows = _rows(causal_class(checkpoint), checkpoint)
    return Wording(load_tokenizer(checkpoint)).reader(str(checkpoint.root), rows)


def _rows(cls: type[PreTrainedModel], checkpoint: Checkpoint) -> int | None:
    """How many tokens the configuration gives the model, with what its class takes for granted."""
    kind: Any = cls.config_class
    try:
        config = kind.from_dict(dict(checkpoint.config)).get_text_config(decoder=True)
    except (TypeError, ValueError, KeyError, AttributeError) as error:
        where = str(checkpoint.root / (checkpoint.config_file or "config.json"))
        said = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
        what = f"is no configuration that transformers takes: {said}"
        raise CheckpointError(where, what, "correct it") from error
    rows = getattr(config, "vocab_size", None)
    return rows if isinstance(rows, int) and rows > 0 else None
