"""Lets the model predict code token by token, and write the bodies of functions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

from numpy.random import Generator

from releasegate.evaluation import Tools
from releasegate.evidence import Failed, Item, Reading
from releasegate.subjects.language import PredictsTokens

from ..standard_library import Part, passages
from ..token_windows import last, text_after, windows_read
from .functions import body_of, functions, parses


def items(params: Mapping[str, Any], rng: Generator) -> list[Item]:
    """`functions` functions and passages for the rest of `n`, drawn from the held-out modules."""
    return _drawn("held_out", int(params["n"]), int(params["functions"]), rng)


def rehearsal(params: Mapping[str, Any], rng: Generator) -> list[Item]:
    """The same of the modules for rehearsals, functions in the same proportion."""
    n = int(params["n"])
    return _drawn("rehearsal", n, n * 3 // 8, rng)


def _drawn(part: Part, n: int, written: int, rng: Generator) -> list[Item]:
    texts, begun_ones = passages(part), functions(part)
    if not 0 <= written <= n or n - written > len(texts) or written > len(begun_ones):
        raise ValueError(
            f"{len(texts)} passages and {len(begun_ones)} functions cannot make {n} items, {written} functions"
        )
    read = [texts[place] for place in sorted(rng.choice(len(texts), size=n - written, replace=False))]
    write = [begun_ones[place] for place in sorted(rng.choice(len(begun_ones), size=written, replace=False))]
    made = [
        Item(("next_token",), {"task": "read"}, {"text": passage.text, "from": f"{passage.module}:{passage.digest}"})
        for passage in read
    ]
    for one in write:
        content = {"before": one.before, "header": one.header, "from": f"{one.module}:{one.name}"}
        made.append(Item(("parses",), {"task": "write"}, content))
    return made


def measure(subject: object, items: Sequence[Item], tools: Tools) -> Iterator[Reading | Failed]:
    """One reading an item: passages in one batch, functions in another."""
    model = cast(PredictsTokens, subject)
    yield from _read(model, [item for item in items if "text" in item.content], int(tools.params["window"]))
    yield from _write(model, [item for item in items if "header" in item.content], tools.params)


def _read(model: PredictsTokens, items: Sequence[Item], window: int) -> Iterator[Reading | Failed]:
    for found in windows_read(model, items, "text", window):
        if isinstance(found, Failed):
            yield found
            continue
        item, tokens, predicted = found
        right = sum(guess == token for guess, token in zip(predicted.likeliest.tolist(), tokens[1:], strict=True))
        detail = {"passage": str(item.content["from"]), "right": f"{right} of {len(tokens) - 1} tokens"}
        yield Reading(item.number, {"next_token": right / (len(tokens) - 1)}, detail)


def _write(model: PredictsTokens, items: Sequence[Item], params: Mapping[str, Any]) -> Iterator[Reading]:
    written, before = int(params["written"]), int(params["before"])
    headers = [str(item.content["header"]) for item in items]
    texts = [str(item.content["before"])[-before:] + header for item, header in zip(items, headers, strict=True)]
    prefixes = [last(model, model.encode(text), written) for text in texts]
    continued = model.extend(prefixes, written) if items else []
    for item, header, prefix, tokens in zip(items, headers, prefixes, continued, strict=True):
        length = next((place for place, token in enumerate(tokens) if token in model.ends), len(tokens))
        body = body_of(text_after(model, prefix, tokens[:length]), complete=length < len(tokens))
        right = parses(header, body)
        detail = {"function": str(item.content["from"]), "header": header, "body": body}
        yield Reading(item.number, {"parses": float(right)}, detail)
