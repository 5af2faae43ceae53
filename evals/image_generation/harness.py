"""Draws digits, and asks a judge what the drawings show.

Gate items are drawings; calibration items measure the judge on what the model's own codec makes of known material.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol, cast
from weakref import WeakKeyDictionary

import torch
from numpy.random import Generator
from torch import Tensor

from releasegate.evaluation import Tools
from releasegate.evidence import Item, Reading
from releasegate.extras import require_packages
from releasegate.subjects import GeneratesImages, TokenisesImages

from ..digits import WORDS, shifts, split, to_pixels
from .judge import DigitJudge

KINDS = ("round_trip", "random", "shuffled", "wrong_class")
"""What the judge is measured on: real digits after the codec, and three sorts of what it must not take for the digit."""


class Draws(GeneratesImages, TokenisesImages, Protocol):
    """What this eval needs of a subject."""


def require(params: Mapping[str, Any]) -> None:
    """Check that the packages of the digits and of pictures are installed, and that the judge can be read.

    Raises:
        NotFound: a package or the judge's file is missing.
        HeaderError, ValueError: the file is no judge.
    """
    require_packages(("PIL", "sklearn"), "eval image_generation")
    DigitJudge.read(Path(__file__).with_name("judge.safetensors"), "cpu")


def items(params: Mapping[str, Any], rng: Generator) -> list[Item]:
    """`n` drawings through the weights and `masked` through the interface, the digits in turn."""
    n, masked = int(params["n"]), int(params["masked"])
    if n <= masked:
        raise ValueError(f"{n} items leave no drawing through the weights beside {masked} masked ones")
    through_weights = [_drawing(i, "weights", ("copied", "legible_rate")) for i in range(n - masked)]
    return through_weights + [_drawing(i, "interface", ("masked_legible_rate",)) for i in range(masked)]


def _drawing(number: int, access: str, metrics: tuple[str, ...]) -> Item:
    digit = number % 10
    return Item(metrics, {"digit": str(digit)}, {"prompt": f"draw {WORDS[digit]}", "digit": digit, "access": access})


def calibration(params: Mapping[str, Any], rng: Generator) -> list[Item]:
    """Each kind of known material in equal number, made from the rehearsal digits."""
    total = int(params["n"])
    digits = split("rehearsal")
    if total % len(KINDS) or total > len(KINDS) * len(digits):
        raise ValueError(f"calibration items must be a multiple of {len(KINDS)}, at most {len(KINDS) * len(digits)}")
    made = []
    for row in range(total // len(KINDS)):
        shown = int(digits.labels[row])
        for kind in KINDS:
            metric = "judge_sensitivity" if kind == "round_trip" else "judge_specificity"
            labels = {"scan": f"{row:03d}", **({"junk": kind} if kind != "round_trip" else {})}
            asked = (shown + int(rng.integers(1, 10))) % 10 if kind == "wrong_class" else shown
            made.append(Item((metric,), labels, {"kind": kind, "row": row, "asked": asked}))
    return made


def measure(subject: object, items: Sequence[Item], tools: Tools) -> Iterator[Reading]:
    """One reading an item: drawings in one batch an access, judge items in one batch."""
    model = cast(Draws, subject)
    judge = _judge(tools.instruments["digit_judge"][0], str(tools.device))
    for access in ("weights", "interface"):
        drawings = [item for item in items if item.content.get("access") == access]
        if drawings:
            yield from _draw(model, judge, drawings, access, tools)
    known = [item for item in items if "kind" in item.content]
    if known:
        yield from _judge_known(model, judge, known)


def _draw(model: Draws, judge: DigitJudge, items: Sequence[Item], access: str, tools: Tools) -> Iterator[Reading]:
    prompts = [str(item.content["prompt"]) for item in items]
    drawn = model.draw(
        prompts,
        [item.seed for item in items],
        temperature=float(tools.params["temperature"]),
        access="weights" if access == "weights" else "interface",
    )
    shown = judge(drawn.pixels.to(judge.scans.device)).tolist()
    whole = (drawn.tokens >= 0).all(1).tolist()
    copies = _training_tokens(model) if access == "weights" else frozenset()
    for item, prompt, saw, is_image, tokens, pixels in zip(
        items, prompts, shown, whole, drawn.tokens.tolist(), drawn.pixels, strict=True
    ):
        legible = is_image and saw == item.content["digit"]
        detail = {"prompt": prompt, "judge": _in_words(saw) if is_image else "no image: the model gave other tokens"}
        outputs = {"drawing": tools.write(_png(pixels), "png")} if is_image else {}
        values = {"legible_rate": float(legible), "copied": float(tuple(tokens) in copies)}
        if access == "interface":
            values = {"masked_legible_rate": float(legible)}
        yield Reading(item.number, values, detail, outputs)


def _judge_known(model: Draws, judge: DigitJudge, items: Sequence[Item]) -> Iterator[Reading]:
    digits = split("rehearsal")
    rows = [int(item.content["row"]) for item in items]
    tokens = model.encode(to_pixels(digits.images[rows])).cpu().clone()  # [n, t]; inference tensors cannot be edited
    for place, item in enumerate(items):
        source = torch.Generator().manual_seed(item.seed)
        if item.content["kind"] == "random":
            tokens[place] = torch.randint(model.codebook, tokens[place].shape, generator=source)
        elif item.content["kind"] == "shuffled":
            tokens[place] = tokens[place][torch.randperm(tokens.shape[1], generator=source)]
    shown = judge(model.decode(tokens).to(judge.scans.device)).tolist()
    for item, saw in zip(items, shown, strict=True):
        taken_for = saw == item.content["asked"]
        right = taken_for if item.content["kind"] == "round_trip" else not taken_for
        detail = {
            "kind": str(item.content["kind"]),
            "asked": _in_words(int(item.content["asked"])),
            "judge": _in_words(saw),
        }
        yield Reading(item.number, {item.metrics[0]: float(right)}, detail)


@lru_cache(maxsize=2)
def _judge(file: Path, device: str) -> DigitJudge:
    return DigitJudge.read(file, device)


_SEEN: WeakKeyDictionary[object, frozenset[tuple[int, ...]]] = WeakKeyDictionary()


def _training_tokens(model: Draws) -> frozenset[tuple[int, ...]]:
    """The token strings of every training image and of its one-pixel shifts, in the codebook of this model."""
    if model not in _SEEN:
        _SEEN[model] = _tokens_of_training(model)
    return _SEEN[model]


def _tokens_of_training(model: Draws) -> frozenset[tuple[int, ...]]:
    pixels = shifts(to_pixels(split("train").images)).flatten(0, 1)  # [n * 9, 3, 16, 16]
    tokens = torch.cat([model.encode(part).cpu() for part in pixels.split(512)])
    return frozenset(tuple(row) for row in tokens.tolist())


def _in_words(digit: int) -> str:
    return WORDS[digit] if digit >= 0 else "not a digit"


def _png(pixels: Tensor) -> bytes:
    """PNG bytes of float32 [3, height, width] in [-1, 1]."""
    levels = ((pixels.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8).permute(1, 2, 0).cpu()  # [h, w, 3]
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(levels.numpy()).save(file, format="PNG")
    return file.getvalue()
