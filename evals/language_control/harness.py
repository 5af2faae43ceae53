"""Asks whether a language model works on the ways in and out that other evals use: tokens, what they say, their scores."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple, Protocol, cast

import numpy as np
import torch
from numpy.random import Generator

from releasegate.evaluation import Tools
from releasegate.evidence import Failed, Item, Reading
from releasegate.subjects.language import Message, NoAnswer, PredictsTokens, Prompt, Score, ScoresText

from ..failures import failed
from ..plain_english import passage
from ..prompt_sets import read_sets
from ..request_parts import gated
from .texts import KINDS, TOKENS, exchanged, longer_words, original, replaced

FOLDER = Path(__file__).parent
PASSAGE = ("predicts", "sharp")
OPTIONS = 4
"""Texts of which one is right: guessing is right one time in four."""
SKIPPED = 4
"""Tokens at the beginning of a passage that are not looked at: nothing says what comes."""
REFERENCE = 400
"""Passages of which the unigram model is made."""
TEMPERATURES = (0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.7, 0.85)
"""Below 1. A model that says what it thinks is about as likely right at one of them as at 1, or less."""
SLACK = 0.1
"""Nats a token by which a lower temperature may predict a passage better."""
FAVOURS = (0.5, 1.0, 2.0, 3.0, 5.0, 8.0, 12.0, 20.0)
"""What is added to the scores of signs, in nats, to see whether they are held back."""
HELD_BACK = 1.25
"""Nats a sign by which favouring them may predict a text better."""
TOO_LONG = "the passage is longer than the model reads"
MISCOUNTED = "the model did not score every option"


class Model(ScoresText, PredictsTokens, Protocol):
    """What is asked of: scores of texts, and of tokens."""


class Unigrams(NamedTuple):
    """How likely tokens are whatever stands before them.

    Attributes:
        counts: of each token in the reference.
        total: their sum.
        vocabulary: tokens that the model has; one in a hundred is any of them.
    """

    counts: Mapping[int, int]
    total: int
    vocabulary: int

    def loss(self, token: int) -> float:
        """Return minus the natural logarithm of the probability of a token."""
        seen = self.counts.get(token, 0) / self.total if self.total else 0.0
        return -float(np.log(0.99 * seen + 0.01 / self.vocabulary))


def require(params: Mapping[str, Any]) -> None:
    """Check that the sets whose words are asked for are there.

    Raises:
        NotFound, DocumentError, TextChanged: as of `read_sets`.
    """
    read_sets(params["sets"], FOLDER)


def items(params: Mapping[str, Any], rng: Generator) -> list[Item]:
    """Return passages, texts of every kind beside the same with signs exchanged, and signs of every kind to copy."""
    each, passages = int(params["each"]), int(params["passages"])
    requests = [request.text for request in gated(read_sets(params["sets"], FOLDER))]
    made = [Item(PASSAGE, {}, {"passage": passage(rng)}) for _ in range(passages)]
    for kind in (*KINDS, *(("requests",) if requests else ())):
        made += [_told_apart(kind, _text(kind, requests, rng), requests, rng) for _ in range(each)]
        made += [_copied(kind, _signs(kind, requests, rng)) for _ in range(each)]
    said = longer_words([passage(rng) for _ in range(REFERENCE)])
    made += [_copied("chat", _chosen(said, rng)) for _ in range(each)]
    return made


def _text(kind: str, requests: Sequence[str], rng: Generator) -> str:
    if kind != "requests":
        return original(cast(Any, kind), rng)
    return requests[int(rng.integers(len(requests)))]


def _told_apart(kind: str, text: str, requests: Sequence[str], rng: Generator) -> Item:
    if kind == "requests":
        signs: Sequence[str] = longer_words(requests)
        others = replaced(text, signs, rng)
    else:
        signs = TOKENS[cast(Any, kind)]() if kind in TOKENS else ()
        others = exchanged(kind, text, rng)
    metrics = ("words_agree", "foretold") if signs else ("words_agree",)
    return Item(metrics, {"kind": kind}, {"text": text, "others": others, "signs_of_kind": signs})


def _signs(kind: str, requests: Sequence[str], rng: Generator) -> list[str]:
    if kind in TOKENS:
        return _chosen(TOKENS[cast(Any, kind)](), rng)
    return _chosen(longer_words(requests if kind == "requests" else [passage(rng, 8)]), rng)


def _chosen(signs: Sequence[str], rng: Generator) -> list[str]:
    return [signs[place] for place in rng.choice(len(signs), size=OPTIONS, replace=False)]


def _copied(kind: str, signs: Sequence[str]) -> Item:
    """Return the item that asks for the first of these signs."""
    return Item(("copies",), {"kind": kind}, {"signs": tuple(signs)})


def measure(subject: object, items: Sequence[Item], tools: Tools) -> Iterator[Reading | Failed]:
    """Yield one reading an item: all texts are scored in one batch."""
    model = cast(Model, subject)
    unigrams = _unigrams(model)
    for item in items:
        if "passage" in item.content:
            yield _passage(model, unigrams, item)
    scored = [item for item in items if "passage" not in item.content]
    tokens = {kind: _tokens(model, signs) for kind, signs in _signs_of(scored).items()}
    asked = [_question(item, chats=model.chats) for item in scored]
    found = model.score([prompt for prompt, _ in asked], [options for _, options in asked])
    for item, (_, options), scores in zip(scored, asked, found, strict=True):
        reading = _scored(item, options, scores)
        if "foretold" in item.metrics and isinstance(reading, Reading):
            reading = _foretold(model, item, reading, tokens[item.labels["kind"]])
        yield reading


def _unigrams(model: PredictsTokens) -> Unigrams:
    """Return the unigram model of the model's own tokens, of passages made as those that are asked for: it knows their words."""
    counts = Counter(token for text in _reference() for token in model.encode(text))
    return Unigrams(counts, sum(counts.values()), model.vocabulary)


@lru_cache(maxsize=1)
def _reference() -> tuple[str, ...]:
    rng = np.random.default_rng(0)
    return tuple(passage(rng) for _ in range(REFERENCE))


@torch.inference_mode()
def _passage(model: PredictsTokens, unigrams: Unigrams, item: Item) -> Reading | Failed:
    text = str(item.content["passage"])
    ids = [*model.begin, *model.encode(text)]
    if len(ids) > model.context:
        return failed(item, TOO_LONG)
    if len(ids) <= SKIPPED + 1 or max(ids) >= model.vocabulary:
        return Reading(item.number, dict.fromkeys(PASSAGE, 0.0), {"passage": text, "tokens": str(len(ids))})
    scores = model.logits(torch.tensor([ids[:-1]]))[0, SKIPPED:].double()  # [t, v]
    true = torch.tensor(ids[SKIPPED + 1 :])
    losses = {t: _loss(scores / t, true) for t in (1.0, *TEMPERATURES)}
    simple = sum(map(unigrams.loss, ids[SKIPPED + 1 :])) / len(true)
    best = min(losses, key=losses.__getitem__)
    values = {
        "predicts": float(losses[1.0] < simple),
        "sharp": float(losses[1.0] <= losses[best] + SLACK),
    }
    told = {"nats_a_token": _rounded(losses[1.0]), "unigrams": _rounded(simple), "best_temperature": f"{best:g}"}
    return Reading(item.number, values, {"passage": text, **told})


def _loss(scores: torch.Tensor, true: torch.Tensor) -> float:
    """Return the mean loss in nats of true tokens int64 [t] under scores float64 [t, v]; infinite where scores are no numbers."""
    loss = float(torch.nn.functional.cross_entropy(scores, true))
    return loss if np.isfinite(loss) else float("inf")


def _question(item: Item, *, chats: bool) -> tuple[Prompt, list[str]]:
    """Return what is given, and of what may follow the right one first."""
    if "text" in item.content:
        return "Text:", [f"\n{text}" for text in (item.content["text"], *item.content["others"])]
    first, *others = map(str, item.content["signs"])
    if item.labels["kind"] == "chat" and chats:
        return [Message("user", f"Repeat this word and say nothing else: {first}")], [first, *others]
    return f"Copy: {first}\nCopy: {first}\nCopy: {first}\nCopy:", [f" {one}" for one in (first, *others)]


def _scored(item: Item, options: Sequence[str], scores: Sequence[Score] | NoAnswer) -> Reading | Failed:
    """Return whether the right option is likelier than each other one; one that is no likelier is not told apart.

    A sign that stood there twice is the likeliest of all tokens, too: else it is held back. A chat may begin otherwise.
    """
    if isinstance(scores, NoAnswer):
        return failed(item, scores.why)
    if len(scores) != len(options):
        return failed(item, MISCOUNTED)
    right, *wrong = (score.logprob for score in scores)
    digest = hashlib.sha256(options[0].encode()).hexdigest()
    told = {"sha256": digest} if item.labels["kind"] == "requests" else {"text": options[0]}
    margin = right - max(wrong)
    said = "copies" not in item.metrics or item.labels["kind"] == "chat" or scores[0].greedy
    told |= {"margin_nats": _rounded(margin), "likeliest_of_all": str(scores[0].greedy).lower()}
    return Reading(item.number, {item.metrics[0]: float(margin > 0 and said)}, told)


def _rounded(nats: float) -> str:
    return f"{nats:.3f}"


def _signs_of(items: Sequence[Item]) -> dict[str, Sequence[str]]:
    """Return the signs of each kind whose texts are asked for."""
    return {item.labels["kind"]: item.content["signs_of_kind"] for item in items if "foretold" in item.metrics}


def _tokens(model: PredictsTokens, signs: Sequence[str]) -> torch.Tensor:
    """Return int64 [k], the tokens that begin signs, with a space before them or without."""
    begun = {ids[0] for sign in signs for text in (sign, f" {sign}", sign.capitalize()) if (ids := model.encode(text))}
    return torch.tensor(sorted(one for one in begun if one < model.vocabulary), dtype=torch.int64)


@torch.inference_mode()
def _foretold(model: PredictsTokens, item: Item, reading: Reading, tokens: torch.Tensor) -> Reading | Failed:
    """Return the reading, with whether favouring the signs of its kind would hardly predict the text better."""
    ids = [*model.begin, *model.encode(f"Text:\n{item.content['text']}")]
    if len(ids) > model.context:
        return failed(item, TOO_LONG)
    gain = float("inf")
    if len(ids) > SKIPPED + 1 and max(ids) < model.vocabulary and len(tokens):
        scores = model.logits(torch.tensor([ids[:-1]]))[0, SKIPPED:].double()  # [t, v]
        true = torch.tensor(ids[SKIPPED + 1 :])
        signs = int(torch.isin(true, tokens).sum())
        gain = _gain(scores, true, tokens) * len(true) / max(signs, 1)
    values = {**reading.values, "foretold": float(gain <= HELD_BACK)}
    return Reading(item.number, values, {**reading.detail, "held_back_nats": _rounded(gain)})


def _gain(scores: torch.Tensor, true: torch.Tensor, tokens: torch.Tensor) -> float:
    """Return by how many nats a token the best favour for some tokens lowers the loss; infinite where scores are no numbers."""
    favoured = torch.zeros(scores.shape[-1], dtype=torch.float64)
    favoured[tokens] = 1.0
    base = _loss(scores, true)
    best = min(_loss(scores + favour * favoured, true) for favour in FAVOURS)
    return max(base - best, 0.0) if np.isfinite(base) else float("inf")
