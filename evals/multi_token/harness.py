"""Asks the extra heads for tokens further ahead, and lets them draft what the head of the next token checks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol, cast

import torch
from numpy.random import Generator

from releasegate.evaluation import Tools
from releasegate.evidence import Failed, Item, Reading
from releasegate.subjects.language import PredictsSeveralTokens, PredictsTokens

from ..failures import failed
from ..standard_library import Part, passages
from ..token_windows import begun, last

SCORES_AT_ONCE = 2**26
"""Scores of one call: 256 MiB."""


class Looks(PredictsTokens, PredictsSeveralTokens, Protocol):
    """What this eval needs of a subject."""


def items(params: Mapping[str, Any], rng: Generator) -> list[Item]:
    """`drafts` continuations, and passages for the rest of `n`, in equal number for each place ahead."""
    return _drawn("held_out", params, int(params["drafts"]), rng)


def rehearsal(params: Mapping[str, Any], rng: Generator) -> list[Item]:
    """The same of the modules for rehearsals."""
    heads = len(params["ahead"])
    return _drawn("rehearsal", params, int(params["n"]) // (2 * heads) * heads + int(params["n"]) % heads, rng)


def _drawn(part: Part, params: Mapping[str, Any], drafts: int, rng: Generator) -> list[Item]:
    n, ahead, texts = int(params["n"]), [int(places) for places in params["ahead"]], passages(part)
    if not ahead or min(ahead) < 2 or not 0 <= drafts <= n or (n - drafts) % len(ahead) or n > len(texts):
        raise ValueError(
            f"{n} items, {drafts} of them drafts, cannot be made for places {ahead} of {len(texts)} passages"
        )
    places = rng.choice(len(texts), size=n, replace=False)
    made = []
    for number, place in enumerate(places):
        passage = texts[place]
        content = {"text": passage.text, "from": f"{passage.module}:{passage.digest}"}
        if number < drafts:
            made.append(Item(("accepted", "changed"), {}, content))
        else:
            made.append(Item(("accuracy",), {"ahead": str(ahead[number % len(ahead)])}, content))
    return made


def measure(subject: object, items: Sequence[Item], tools: Tools) -> Iterator[Reading | Failed]:
    """One reading an item: drafts in one batch, and each place ahead in one of its own.

    The nearest head comes first, and drafts need no more than that one: the head that is missing then fails no item that the
    others can answer.
    """
    model = cast(Looks, subject)
    yield from _draft(model, [item for item in items if "ahead" not in item.labels], tools.params)
    for ahead in sorted({int(item.labels["ahead"]) for item in items if "ahead" in item.labels}):
        asked = [item for item in items if item.labels.get("ahead") == str(ahead)]
        yield from _look(model, asked, ahead, int(tools.params["window"]))


def _look(model: Looks, items: Sequence[Item], ahead: int, window: int) -> Iterator[Reading | Failed]:
    """How often a head is right; texts are filled up behind, which no earlier place sees."""
    most = min(window, model.context)
    texts = [begun(model, model.encode(str(item.content["text"])))[:most] for item in items]
    short = [item for item, tokens in zip(items, texts, strict=True) if len(tokens) <= ahead]
    yield from (failed(item, f"the passage is less than {ahead + 1} tokens to this model") for item in short)
    kept = [(item, tokens) for item, tokens in zip(items, texts, strict=True) if len(tokens) > ahead]
    at_once = max(1, SCORES_AT_ONCE // (most * model.vocabulary))
    for first in range(0, len(kept), at_once):
        part = kept[first : first + at_once]
        filled = torch.tensor([tokens + [0] * (most - len(tokens)) for _, tokens in part])  # [n, most]
        scores = model.head_logits(filled, ahead - 1)
        if not bool(torch.isfinite(scores).all()):
            raise FloatingPointError("scores of tokens ahead are not all finite numbers")
        guesses = scores.argmax(-1)  # [n, most]
        for (item, tokens), row in zip(part, guesses.tolist(), strict=True):
            pairs = zip(row, tokens[ahead:], strict=False)
            right = sum(guess == token for guess, token in pairs)
            asked = len(tokens) - ahead
            detail = {"passage": str(item.content["from"]), "right": f"{right} of {asked} tokens"}
            yield Reading(item.number, {"accuracy": right / asked}, detail)


def _draft(model: Looks, items: Sequence[Item], params: Mapping[str, Any]) -> Iterator[Reading | Failed]:
    if not items:
        return
    written = int(params["written"])
    encoded = [model.encode(str(item.content["text"]))[: int(params["prompt"])] for item in items]
    prefixes = [last(model, tokens, written + model.heads) for tokens in encoded]
    drafted = model.speculate(prefixes, written)
    plain = model.extend(prefixes, written)
    for item, fast, slow in zip(items, drafted, plain, strict=True):
        if not fast.steps or sum(fast.steps) < len(fast.tokens):
            yield failed(item, f"{len(fast.tokens)} tokens are said to have come of steps that yielded {fast.steps}")
            continue
        same = next((at for at, pair in enumerate(zip(fast.tokens, slow, strict=False)) if pair[0] != pair[1]), None)
        changed = fast.tokens != slow
        detail = {
            "passage": str(item.content["from"]),
            "steps": f"{len(fast.tokens)} tokens in {len(fast.steps)} steps",
            "drafted": model.decode(fast.tokens),
        }
        if changed:
            detail["differs"] = f"from token {same if same is not None else min(len(fast.tokens), len(slow))} on"
        accepted = sum(fast.steps) / len(fast.steps) - 1
        yield Reading(item.number, {"accepted": accepted, "changed": float(changed)}, detail)
