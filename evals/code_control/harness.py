"""Asks whether a model of code works on the ways in and out that memory is asked for by: tokens and their scores."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from math import inf, isfinite, log
from typing import Any, cast
from weakref import WeakKeyDictionary

import numpy as np
import torch
from numpy.random import Generator
from torch import Tensor
from torch.nn import functional

from releasegate.evaluation import Tools
from releasegate.evidence import Failed, Item, Reading
from releasegate.subjects.language import PredictsTokens

from ..failures import failed
from ..standard_library import passages
from ..token_windows import begun, windows_read
from .tokens import KINDS, Kind, exchanged, exchanges, kinds_of, richest

COMMON = 20
"""Times that a token stands in the reference, from where on it is common."""
FAVOURS = (0.5, 1.0, 2.0, 3.0, 5.0, 8.0, 12.0, 20.0)
"""What is added to the scores of a kind of token, in nats, to see whether it is held back."""
HELD_BACK = 1.25
"""Nats a token of the kind by which favouring them may predict code better."""
READ = 2
"""Exchanges of what is read alone, with what comes left as it is."""
TOO_FEW = "too few passages hold tokens of the kind to this model"


def items(params: Mapping[str, Any], rng: Generator) -> list[Item]:
    """Return `passages` passages, and for the rest of `n` as many texts of each kind, in turn."""
    n, read, kinds = int(params["n"]), int(params["passages"]), list(params["windows"])
    texts = passages("held_out")
    if not 0 <= read <= n or (n - read) % len(kinds) or read > len(texts) or not set(kinds) <= set(KINDS):
        raise ValueError(f"{n} items cannot be {read} of {len(texts)} passages and as many texts of each of {kinds}")
    chosen = [texts[place] for place in rng.choice(len(texts), size=read, replace=False)]
    made = [Item(("predicts",), {}, {"text": p.text, "from": f"{p.module}:{p.digest}"}) for p in chosen]
    each = (n - read) // len(kinds)
    return made + [Item(("words_agree", "foretold"), {"kind": kind}, {}) for _ in range(each) for kind in kinds]


def measure(subject: object, items: Sequence[Item], tools: Tools) -> Iterator[Reading | Failed]:
    """Yield one reading an item: passages in one batch, texts of a kind one after another."""
    model = cast(PredictsTokens, subject)
    known = _known(model, int(tools.params["window"]))
    yield from _predict(model, known, [item for item in items if "text" in item.content], int(tools.params["longest"]))
    for item in items:
        if "kind" in item.labels:
            yield _told_apart(model, known, item, int(tools.params["windows"][item.labels["kind"]]))


class _Known:
    """What a model's tokens are: how often each stands in code, the kinds, and windows that are rich in each.

    Attributes:
        counts: of each token in the reference, which shares no module with what is asked for.
        kinds: by name.
        windows: by name of kind, each of one length.
    """

    def __init__(self, model: PredictsTokens, length: int) -> None:
        self.counts = Counter(token for p in passages("rehearsal") for token in model.encode(p.text))
        self.kinds = kinds_of(model, frozenset(t for t, seen in self.counts.items() if seen >= COMMON))
        encoded = [model.encode(p.text) for p in passages("held_out")]
        room = min(length, model.context - len(model.begin))
        self.windows = {
            name: [w for text in encoded if (w := richest(text, kind.tokens, room)) is not None]
            for name, kind in self.kinds.items()
        }

    def loss(self, token: int, vocabulary: int) -> float:
        """Return minus the natural logarithm of a token's frequency; one in a hundred is any of the vocabulary."""
        total = self.counts.total()
        return -log(0.99 * (self.counts[token] / total if total else 0.0) + 0.01 / vocabulary)


_KNOWN: WeakKeyDictionary[object, _Known] = WeakKeyDictionary()


def _known(model: PredictsTokens, length: int) -> _Known:
    if model not in _KNOWN:
        _KNOWN[model] = _Known(model, length)
    return _KNOWN[model]


def _predict(model: PredictsTokens, known: _Known, items: Sequence[Item], longest: int) -> Iterator[Reading | Failed]:
    for found in windows_read(model, items, "text", longest):
        if isinstance(found, Failed):
            yield found
            continue
        item, tokens, predicted = found
        asked = tokens[1:]
        own = -float(predicted.logprobs.double().mean())
        simple = sum(known.loss(token, model.vocabulary) for token in asked) / len(asked)
        detail = {"passage": str(item.content["from"]), "nats_a_token": f"{own:.3f}", "frequencies": f"{simple:.3f}"}
        yield Reading(item.number, {"predicts": float(own < simple)}, detail)


def _told_apart(model: PredictsTokens, known: _Known, item: Item, count: int) -> Reading | Failed:
    """Return whether windows are likelier, taken together, than the same with tokens exchanged, and than if others were read."""
    kind, pool = known.kinds[item.labels["kind"]], known.windows[item.labels["kind"]]
    if len(pool) < count:
        return failed(item, TOO_FEW)
    rng = np.random.default_rng(item.seed)
    texts = [pool[place] for place in rng.choice(len(pool), size=count, replace=False)]
    true = torch.tensor([begun(model, text)[1:] for text in texts])  # [n, t]
    scores = _scores(model, texts)  # [n, t, v]
    own, ways = _loss(scores, true), exchanges(kind, rng)
    few = texts[: (count + 2) // 3]
    apart = min(_likelihoods(model, few, ways)) - _loss(scores[: len(few)], true[: len(few)])
    drawn = [ways[place] for place in rng.choice(len(ways), size=min(READ, len(ways)), replace=False)]
    read = min(_loss(_scores(model, [exchanged(text, way) for text in texts]), true) for way in drawn) - own
    held = _held_back(scores, true, kind, own)
    values = {"words_agree": float(apart > 0 and read > 0), "foretold": float(held <= HELD_BACK)}
    nats = {"exchanged_nats_more": apart, "read_otherwise_nats_more": read, "held_back_nats": held}
    return Reading(item.number, values, {name: f"{value:.3f}" for name, value in nats.items()})


def _scores(model: PredictsTokens, texts: Sequence[Sequence[int]]) -> Tensor:
    """Return float64 [n, t, v], the scores of each token of texts of one length."""
    return model.logits(torch.tensor([begun(model, text)[:-1] for text in texts])).double()


def _likelihoods(
    model: PredictsTokens, texts: Sequence[Sequence[int]], ways: Sequence[Mapping[int, int]]
) -> list[float]:
    """Return for each way the summed loss in nats of the texts with tokens exchanged, where they are read and where they come."""
    found = model.predict([begun(model, exchanged(text, way)) for way in ways for text in texts])
    losses = [-float(one.logprobs.double().sum()) for one in found]
    return [sum(losses[first : first + len(texts)]) for first in range(0, len(losses), len(texts))]


def _loss(scores: Tensor, true: Tensor) -> float:
    """Return the summed loss in nats of true tokens int64 [n, t] under scores [n, t, v]; infinite where they are no numbers."""
    loss = float(functional.cross_entropy(scores.flatten(0, 1), true.flatten(), reduction="sum"))
    return loss if isfinite(loss) else inf


def _held_back(scores: Tensor, true: Tensor, kind: Kind, own: float) -> float:
    """Return by how many nats, a token of the kind, the best favour for it lowers the loss; infinite where there is no loss."""
    tokens = torch.tensor(sorted(kind.tokens))
    signs = int(torch.isin(true, tokens).sum())
    if not isfinite(own) or not signs:
        return inf
    favoured = torch.zeros(scores.shape[-1], dtype=scores.dtype)
    favoured[tokens] = 1.0
    return max(0.0, own - min(_loss(scores + favour * favoured, true) for favour in FAVOURS)) / signs
