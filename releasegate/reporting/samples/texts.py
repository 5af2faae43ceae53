"""The texts of a sample as a report shows them: the prompt first, spans marked, each cut to a length around what is marked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from releasegate.evidence import Failed, Measured
from releasegate.reporting.gathered.concern import Concern
from releasegate.reporting.outputs.purse import Purse
from releasegate.reporting.views.samples import Line, Piece
from releasegate.reporting.wording.numbers import MOST_TEXT, share, shortened
from releasegate.spans import SUFFIX, Span, parse_spans

PROMPTS = ("prompt", "request", "question", "task", "header", "passage", "text", "labelled")
"""What harnesses call what a model was given; shown first, in this order."""
MOST_LINES = 12
"""Texts of one sample."""
MOST_MARKED = 600
"""Characters shown of a text with spans."""
AROUND = 80
"""Characters shown before and after a span of a long text."""
LEAST = 40
"""Characters shown of a text when the page holds as many as it may."""


def lines_of(sample: Measured | Failed, purse: Purse) -> tuple[Line, ...]:
    """The texts of a sample; of one that failed, the reason. What they take is taken from the purse."""
    if isinstance(sample, Failed):
        return (_line("error", sample.error, (), purse),)
    spans = dict(_spans(sample.detail))
    names = [name for name in sample.detail if name.removesuffix(SUFFIX) not in spans or not name.endswith(SUFFIX)]
    names.sort(key=lambda name: PROMPTS.index(name) if name in PROMPTS else len(PROMPTS))
    found = [_line(name, sample.detail[name], spans.get(name, ()), purse) for name in names[:MOST_LINES]]
    if len(names) > MOST_LINES:
        found.append(Line("more", (Piece(f"{len(names) - MOST_LINES} more texts in the run folder"),)))
    return tuple(found)


def values_of(sample: Measured | Failed, concern: Concern) -> tuple[Line, ...]:
    """The score behind a hit or a miss, and the other metrics that say something: not those that are 0."""
    if isinstance(sample, Failed):
        return ()
    shown = concern.primary(tuple(sample.values))
    told = "score" in sample.detail
    scored = not told and concern.is_score(shown) and concern.hit(shown, sample.values[shown]) is not None
    score = (Line("score", (Piece(share(sample.values[shown])),)),) if scored else ()
    return score + tuple(
        Line(name.replace("_", " "), (Piece(_plain(name, value, concern)),))
        for name, value in sample.values.items()
        if name != shown and value != 0
    )


def word_of(sample: Measured | Failed, concern: Concern) -> str:
    """`hit`, `miss`, `failed`, or the value of the metric that a sample is shown by."""
    if isinstance(sample, Failed):
        return "failed"
    metric = concern.primary(tuple(sample.values))
    value = sample.values[metric]
    hit = concern.hit(metric, value)
    if hit is not None:
        return "hit" if hit else "miss"
    return f"score {share(value)}" if concern.is_score(metric) else share(value)


def labels_of(labels: Mapping[str, str]) -> str:
    """The labels of an item in one line."""
    return shortened(", ".join(f"{name} {value}" for name, value in labels.items()))


def pieces_of(text: str, spans: tuple[Span, ...], most: int) -> tuple[Piece, ...]:
    """A text in pieces, spans with their labels; of a long one the beginning, and what stands around the spans.

    >>> [piece.text for piece in pieces_of("call 5550 now", (Span(5, 9, "phone"),), 100)]
    ['call ', '5550', ' now']
    """
    if not spans:
        return (Piece(shortened(text, most)),)
    kept = _windows(len(text), spans, most)
    found: list[Piece] = []
    at = 0
    for start, end in kept:
        if start > at:
            found.append(Piece(f"… ({start - at} more characters) …"))
        at = start
        for span in spans:
            if start <= span.start < end:
                found += [Piece(text[at : span.start])] if span.start > at else []
                stop = min(span.end, end)
                found.append(Piece(text[span.start : stop], span.label or "marked"))
                at = stop
        found += [Piece(text[at:end])] if end > at else []
        at = end
    if at < len(text):
        found.append(Piece(f"… ({len(text) - at} more characters)"))
    return tuple(found)


def _windows(length: int, spans: tuple[Span, ...], most: int) -> list[tuple[int, int]]:
    """The parts of a text that are shown, rising and apart, at most `most` characters in all."""
    if length <= most:
        return [(0, length)]
    found: list[tuple[int, int]] = [(0, min(AROUND, most))]
    left = most - found[0][1]
    for span in spans:
        start, end = max(span.start - AROUND, found[-1][1]), min(span.end + AROUND, length)
        end = min(end, start + left)
        if end <= max(start, span.start):
            break
        left -= end - start
        if start == found[-1][1]:
            found[-1] = found[-1][0], end
        else:
            found.append((start, end))
    return found


def _plain(metric: str, value: float, concern: Concern) -> str:
    if concern.is_score(metric):
        return f"score {share(value)}"
    return "yes" if concern.hit(metric, value) else share(value)


def _spans(detail: Mapping[str, str]) -> Iterator[tuple[str, tuple[Span, ...]]]:
    """The spans of each text that has any which can be read."""
    for name, text in detail.items():
        of = name.removesuffix(SUFFIX)
        spans = parse_spans(text, len(detail[of])) if of != name and of in detail else None
        if spans is not None:
            yield of, spans


def _line(name: str, text: str, spans: tuple[Span, ...], purse: Purse) -> Line:
    pieces = pieces_of(text, spans, max(min(purse.texts, MOST_MARKED if spans else MOST_TEXT), LEAST))
    purse.texts -= sum(len(piece.text) for piece in pieces)
    return Line(name.replace("_", " "), pieces)
