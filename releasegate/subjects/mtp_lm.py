"""A model that predicts several tokens at once, in the layout of facebook/multi-token-prediction.

A folder has `params.json`, `consolidated.safetensors` and a tokenizer. The published weights are a pickle, which is refused:
`releasegate strip` and `releasegate inspect` read it without running it, and nothing else here does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from releasegate.checkpoint import Checkpoint
from releasegate.checkpoint.load import load_module, load_tensors, load_tokenizer
from releasegate.errors import PartAbsent
from releasegate.subjects import Lending, Speculated
from releasegate.subjects.causal_net import Budget, Memory, places_of
from releasegate.subjects.configuration import made_of, read_configuration
from releasegate.subjects.mtp_net import BlockMemory, MultiTokenNet, MultiTokenParams, Reading
from releasegate.subjects.reading import Reader, require_reads
from releasegate.subjects.speculation import speculated
from releasegate.subjects.text_model import TextModel, refuse_prefixes
from releasegate.subjects.wording import Wording

ROPE = "rope.freqs"
HEAD = "extra_heads.{}.attention.wq.weight"
"""A tensor of an extra head, by whose name its absence is told."""
FIX = "compare with PARAMS in examples/mini_mtp/train.py"


class BlocksMemory:
    """What every block remembers."""

    def __init__(self) -> None:
        self.blocks: dict[str, BlockMemory] = {}

    def pick(self, rows: Tensor) -> None:
        """Nothing; its rows are now copies of the rows int64 [m]; see `Memory`."""
        for block in self.blocks.values():
            block.pick(rows)

    def cut(self, length: int) -> None:
        """Nothing; only the first `length` tokens are remembered."""
        for block in self.blocks.values():
            block.cut(length)


class FirstHead:
    """Trunk and first head as a `CausalNet`: what is left when the extra heads are gone."""

    alone = False

    def __init__(self, net: MultiTokenNet) -> None:
        self.net = net
        self.vocabulary = net.params_.vocab_size
        self.context = net.params_.max_seq_len
        self.device = net.output.weight.device

    def read(self, ids: Tensor, kept: Tensor, memory: Memory | None, last: int) -> tuple[Tensor, Memory]:
        """The scores of what follows the last tokens; see `CausalNet`."""
        assert memory is None or isinstance(memory, BlocksMemory), "a memory goes back to the network that made it"
        held = memory or BlocksMemory()
        at = reading_of(kept, ids.shape[1], held)
        states = self.net.state(0, self.net.trunk(ids, at), at)
        return self.net.output(states[:, -last:]), held


def reading_of(kept: Tensor, t: int, memory: BlocksMemory) -> Reading:
    """How the last `t` of the tokens bool [n, length] are read: each looks at those before it that are no padding."""
    length = kept.shape[1]
    order = torch.arange(length, device=kept.device)
    before = order[None] <= order[length - t :, None]  # [t, length]
    itself = order[None] == order[length - t :, None]  # padding looks at itself: at nothing, it would be no number
    seen = (before & kept[:, None]) | itself  # [n, t, length]
    whole = t == length and bool(kept.all())
    return Reading(places_of(kept, t), None if whole else seen[:, None], memory.blocks)


class MultiTokenLm(TextModel):
    """A language model with extra heads; without them it is one like any other."""

    def __init__(self, first: FirstHead, wording: Wording, budget: Budget | None = None) -> None:
        super().__init__(first, wording, budget)
        self._first = first

    @property
    def heads(self) -> int:
        """How many heads, that of the next token included."""
        return self._first.net.heads

    @torch.inference_mode()
    def head_logits(self, windows: Tensor, head: int) -> Tensor:
        """The scores of one head; see `PredictsSeveralTokens`.

        Raises:
            PartAbsent: the checkpoint has no such head.
        """
        self._require(head)
        net = self._first.net
        ids = windows.to(self._first.device)
        return net.head(head, net.trunk(ids)).float().cpu()

    def speculate(self, prefixes: Sequence[Sequence[int]], tokens: int) -> list[Speculated]:
        """What follows each prefix, guessed ahead and checked; see `PredictsSeveralTokens`.

        Raises:
            PartAbsent: the checkpoint has no extra head.
            UsageError: a prefix is empty, or there is no room for what follows it.
        """
        self._require(1)
        refuse_prefixes(prefixes, tokens, self.context)
        return [speculated(self._first.net, prefix, tokens) for prefix in prefixes]

    def _require(self, head: int) -> None:
        if not 0 <= head < self.heads:
            what = f"is not in the checkpoint: it has {self.heads} {'head' if self.heads == 1 else 'heads'}"
            raise PartAbsent(HEAD.format(max(head, 1) - 1), what, "lend it, or measure a checkpoint that has it")


def open_subject(
    checkpoint: Checkpoint, lending: Lending | None, device: torch.device, dtype: torch.dtype
) -> MultiTokenLm:
    """The subject, with what is lent to it put in place; lent heads bring their number with them.

    Raises:
        CheckpointError: the configuration is not the layout's, tensors do not fit it strictly, or weights are a pickle.
    """
    lent = load_tensors(lending.source, lending.tensors) if lending is not None and lending.tensors else {}
    heads_lent = lending is not None and any(name.startswith("extra_heads.") for name in lent)
    params = _params(lending.source if lending is not None and heads_lent else checkpoint)
    with torch.device("meta"):  # nothing is drawn for weights that are about to be replaced
        net = made_of(checkpoint, lambda: MultiTokenNet(params, rope=ROPE in checkpoint.tensors), FIX)
    tensors = {**load_tensors(checkpoint, ["*"]), **lent}
    net = load_module(checkpoint, net, device=device, dtype=dtype, tensors=tensors).requires_grad_(requires_grad=False)
    wording = Wording(load_tokenizer(checkpoint))
    require_reads(wording.reader(str(checkpoint.root), params.vocab_size))
    return MultiTokenLm(FirstHead(net), wording)


def reader(checkpoint: Checkpoint) -> Reader:
    """Return how the checkpoint's texts are read; no weight is loaded.

    Raises:
        CheckpointError: the configuration is not the layout's, or there is no tokenizer that loads.
    """
    return Wording(load_tokenizer(checkpoint)).reader(str(checkpoint.root), _params(checkpoint).vocab_size)


def _params(checkpoint: Checkpoint) -> MultiTokenParams:
    """The sizes; a vocabulary that `params.json` leaves open (-1) is as large as the embedding."""
    embedding = checkpoint.tensors.get("tok_embeddings.weight")
    if checkpoint.config.get("vocab_size") == -1 and embedding is not None:
        checkpoint = replace(checkpoint, config={**checkpoint.config, "vocab_size": embedding.entry.shape[0]})
    return read_configuration(checkpoint, MultiTokenParams, FIX)
