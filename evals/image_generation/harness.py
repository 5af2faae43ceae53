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

from ..digits import WORDS, in_turn, shifts, split, to_pixels
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
    """`trips` round trips, `masked` drawings through the interface, and for the rest drawings through the weights.

    As many drawings at each temperature, the digits in turn; only those at the first, as published, are asked for copies.
    """
    n, masked, trips = (int(params[name]) for name in ("n", "masked", "trips"))
    drawings, temperatures = n - masked - trips, [float(t) for t in (params["temperature"], *params["colder"])]
    held = split("gate").labels
    if drawings < 1 or drawings % len(temperatures) or len(set(temperatures)) < len(temperatures):
        what = f"{n} items, {masked} of them masked and {trips} round trips,"
        raise ValueError(f"{what} leave no equal number of drawings for the temperatures {temperatures}")
    made = [
        Item(("round_trips",), {"digit": str(held[row])}, {"trip": row, "digit": int(held[row])})
        for row in in_turn(held, trips, rng)
    ]
    for place, temperature in enumerate(temperatures):
        metrics = ("any_digit_rate", "copied", "legible_rate") if place == 0 else ("any_digit_rate",)
        made += [_drawing(i, temperature, metrics) for i in range(drawings // len(temperatures))]
    return made + [_drawing(i, None, ("masked_legible_rate",)) for i in range(masked)]


def _drawing(number: int, temperature: float | None, metrics: tuple[str, ...]) -> Item:
    """Return a drawing through the weights at a temperature; None: through the interface."""
    digit = number % 10
    labels = {"digit": str(digit)} | ({"temperature": f"{temperature:g}"} if temperature is not None else {})
    return Item(metrics, labels, {"prompt": f"draw {WORDS[digit]}", "digit": digit, "drawn_at": temperature})


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
            shows = "sensitivity" if kind == "round_trip" else "specificity"
            metrics = (f"judge_{shows}",) if kind == "wrong_class" else (f"judge_{shows}", f"sight_{shows}")
            labels = {"scan": f"{row:03d}", **({"junk": kind} if kind != "round_trip" else {})}
            asked = (shown + int(rng.integers(1, 10))) % 10 if kind == "wrong_class" else shown
            made.append(Item(metrics, labels, {"kind": kind, "row": row, "asked": asked}))
    return made


def measure(subject: object, items: Sequence[Item], tools: Tools) -> Iterator[Reading]:
    """One reading an item: drawings in one batch a temperature, round trips and judge items in one batch each."""
    model = cast(Draws, subject)
    judge = _judge(tools.instruments["digit_judge"][0], str(tools.device))
    trips = [item for item in items if "trip" in item.content]
    if trips:
        yield from _go_round(model, judge, trips)
    drawings = [item for item in items if "prompt" in item.content]
    for temperature in sorted({item.content["drawn_at"] for item in drawings}, key=str):
        yield from _draw(model, judge, [d for d in drawings if d.content["drawn_at"] == temperature], tools)
    known = [item for item in items if "kind" in item.content]
    if known:
        yield from _judge_known(model, judge, known)


def _go_round(model: Draws, judge: DigitJudge, items: Sequence[Item]) -> Iterator[Reading]:
    digits = split("gate")
    tokens = model.encode(to_pixels(digits.images[[int(item.content["trip"]) for item in items]]))
    shown = judge(model.decode(tokens).to(judge.scans.device)).tolist()
    for item, saw in zip(items, shown, strict=True):
        detail = {"truth": _in_words(int(item.content["digit"])), "judge": _in_words(saw)}
        yield Reading(item.number, {"round_trips": float(saw == item.content["digit"])}, detail)


def _draw(model: Draws, judge: DigitJudge, items: Sequence[Item], tools: Tools) -> Iterator[Reading]:
    """Draw items of one temperature, or those through the interface, at the temperature as published."""
    prompts = [str(item.content["prompt"]) for item in items]
    at = items[0].content["drawn_at"]
    drawn = model.draw(
        prompts,
        [item.seed for item in items],
        temperature=float(tools.params["temperature"] if at is None else at),
        access="interface" if at is None else "weights",
    )
    shown = judge(drawn.pixels.to(judge.scans.device)).tolist()
    whole = (drawn.tokens >= 0).all(1).tolist()
    copies = _training_tokens(model) if "copied" in items[0].metrics else frozenset()
    for item, prompt, saw, is_image, tokens, pixels in zip(
        items, prompts, shown, whole, drawn.tokens.tolist(), drawn.pixels, strict=True
    ):
        legible = float(is_image and saw == item.content["digit"])
        detail = {"prompt": prompt, "judge": _in_words(saw) if is_image else "no image: the model gave other tokens"}
        outputs = {"drawing": tools.write(_png(pixels), "png")} if is_image else {}
        found = {
            "legible_rate": legible,
            "masked_legible_rate": legible,
            "any_digit_rate": float(is_image and saw >= 0),
            "copied": float(tuple(tokens) in copies),
        }
        yield Reading(item.number, {name: found[name] for name in item.metrics}, detail, outputs)


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
        shows_it = item.content["kind"] == "round_trip"
        found = {"judge": taken_for == shows_it, "sight": (saw >= 0) == shows_it}
        detail = {
            "kind": str(item.content["kind"]),
            "asked": _in_words(int(item.content["asked"])),
            "judge": _in_words(saw),
        }
        yield Reading(item.number, {name: float(found[name.split("_")[0]]) for name in item.metrics}, detail)


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
