"""Shows held-out scans to the model, and compares its answer with the label."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

from numpy.random import Generator

from releasegate.evaluation import Tools
from releasegate.evidence import Item, Reading
from releasegate.extras import require_packages
from releasegate.subjects import CaptionsImages

from ..digits import WORDS, Part, split, to_pixels


def require(params: Mapping[str, Any]) -> None:
    """Check that the package of the digits is installed."""
    require_packages(("sklearn",), "eval image_captioning")


def items(params: Mapping[str, Any], rng: Generator) -> list[Item]:
    """The whole pool: the 320 gate scans."""
    return _scans("gate")


def rehearsal(params: Mapping[str, Any], rng: Generator) -> list[Item]:
    """The 180 rehearsal scans."""
    return _scans("rehearsal")


def _scans(part: Part) -> list[Item]:
    labels = split(part).labels.tolist()
    return [
        Item(("accuracy",), {"digit": str(label)}, {"part": part, "row": row, "digit": label})
        for row, label in enumerate(labels)
    ]


def measure(subject: object, items: Sequence[Item], tools: Tools) -> Iterator[Reading]:
    """One reading an item, all in one batch."""
    model = cast(CaptionsImages, subject)
    (part,) = {item.content["part"] for item in items}
    rows = [int(item.content["row"]) for item in items]
    answers = model.caption(to_pixels(split(part).images[rows]), str(tools.params["question"]))
    for item, answer in zip(items, answers, strict=True):
        truth = WORDS[int(item.content["digit"])]
        yield Reading(item.number, {"accuracy": float(answer == truth)}, {"truth": truth, "answer": answer})
