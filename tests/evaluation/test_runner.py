"""One shard: whatever a harness does, every item has exactly one record, and what went wrong is a failure."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
import torch

from releasegate.errors import PartAbsent
from releasegate.evaluation.harness import Harness
from releasegate.evaluation.runner import LONGEST_TEXT, run_shard
from releasegate.evaluation.tools import Tools
from releasegate.evidence import Failed, Item, Measured, Reading
from tests.tiny_gates import card

CARD = card("drawing", "legible")
ITEMS = [Item(("legible",), {"digit": str(i % 2)}, number=10 + i) for i in range(4)]
Measure = Callable[[object, Sequence[Item], Tools], Any]


class Log:
    """Keeps what was logged."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def __call__(self, text: str) -> None:
        self.texts.append(text)


def run(
    measure: Measure, *, gone: Callable[[str], bool] = lambda part: False, log: Log | None = None, **changes: Any
) -> Any:
    """The samples of one shard of four items."""
    tools = Tools({}, torch.device("cpu"), {}, lambda data, extension: "0" * 64 + "." + extension)
    harness = cast(Harness, SimpleNamespace(measure=measure))
    used = CARD.model_copy(update=changes)
    return run_shard(harness, object(), ITEMS, used, tools, gone, log or Log())


def outcomes(samples: Sequence[Measured | Failed]) -> list[float | str]:
    """The values, and the reasons of the failures."""
    assert [s.item for s in samples] == [item.number for item in ITEMS]
    assert [s.labels for s in samples] == [dict(item.labels) for item in ITEMS]
    return [s.values["legible"] if isinstance(s, Measured) else s.error for s in samples]


def all_right(subject: object, items: Sequence[Item], tools: Tools) -> Iterator[Reading]:
    for item in items:
        yield Reading(item.number, {"legible": 1.0})


def test_readings_in_any_order_become_samples_in_the_order_of_the_items() -> None:
    assert outcomes(run(all_right)) == [1.0] * 4
    assert outcomes(run(lambda s, items, t: reversed(list(all_right(s, items, t))))) == [1.0] * 4
    assert outcomes(run(lambda s, items, t: list(all_right(s, items, t)))) == [1.0] * 4


def after(n: int, then: BaseException) -> Measure:
    """A harness that yields `n` readings and then raises."""

    def measure(subject: object, items: Sequence[Item], tools: Tools) -> Iterator[Reading]:
        for item in items[:n]:
            yield Reading(item.number, {"legible": 1.0})
        raise then

    return measure


@pytest.mark.parametrize("n", [0, 1, 3, 4])
@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ValueError("no ink"), "ValueError: no ink"),
        (RecursionError("too deep"), "RecursionError: too deep"),
        (MemoryError(), "MemoryError: "),
        (SystemExit(0), "SystemExit: 0"),
        (SystemExit(1), "SystemExit: 1"),
        (StopAsyncIteration(), "StopAsyncIteration: "),
        (AssertionError(), "AssertionError: "),
        (BrokenPipeError(32, "Broken pipe"), "BrokenPipeError: [Errno 32] Broken pipe"),
        (EOFError("end"), "EOFError: end"),
        (ValueError("\ud800"), "ValueError: ?"),
        (ValueError("x" * 5000), ("ValueError: " + "x" * 5000)[:LONGEST_TEXT]),
    ],
    ids=lambda value: str(value)[:20] if isinstance(value, str) else type(value).__name__,
)
def test_what_raises_fails_the_items_that_were_not_yielded(n: int, error: BaseException, reason: str) -> None:
    log = Log()
    assert outcomes(run(after(n, error), log=log)) == [1.0] * n + [reason] * (4 - n)
    assert "Traceback" in log.texts[0]


@pytest.mark.parametrize("error", [KeyboardInterrupt(), GeneratorExit()])
def test_the_users_interrupt_is_no_failure_of_an_item(error: BaseException) -> None:
    with pytest.raises(type(error)):
        run(after(2, error))


def test_a_harness_that_raises_before_it_yields_fails_every_item() -> None:
    def measure(subject: object, items: Sequence[Item], tools: Tools) -> Iterator[Reading]:
        raise LookupError("no model")

    assert outcomes(run(measure)) == ["LookupError: no model"] * 4


@pytest.mark.parametrize("nothing", [None, 3, object()])
def test_a_harness_that_returns_nothing_to_iterate_fails_every_item(nothing: object) -> None:
    assert all(isinstance(s, Failed) for s in run(lambda s, i, t: nothing))


@pytest.mark.parametrize("nothing", [[], (), iter(())])
def test_items_that_were_not_yielded_failed(nothing: object) -> None:
    assert outcomes(run(lambda s, i, t: nothing)) == ["the harness yielded nothing for it"] * 4


def with_first(reading: object) -> Measure:
    """A harness that yields something else for the first item."""
    return lambda subject, items, tools: [reading, *all_right(subject, items[1:], tools)]


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"legible": math.nan}, "the harness yielded nan for legible"),
        ({"legible": math.inf}, "the harness yielded inf for legible"),
        ({"legible": -math.inf}, "the harness yielded -inf for legible"),
        ({"legible": np.float32("nan")}, "the harness yielded nan for legible"),
        ({"legible": 0.5}, "the harness yielded 0.5 for legible, which must be 0 or 1"),
        ({"legible": -1.0}, "the harness yielded -1 for legible, which must be 0 or 1"),
        ({"legible": 1.0000001}, "the harness yielded 1 for legible, which must be 0 or 1"),
        ({"legible": "1"}, "the harness yielded '1' for legible, which is no number"),
        ({"legible": None}, "the harness yielded None for legible, which is no number"),
        ({"legible": [1.0]}, "the harness yielded [1.0] for legible, which is no number"),
        ({"legible": 1j}, "the harness yielded 1j for legible, which is no number"),
        ({}, "the harness yielded [], and the item carries ['legible']"),
        ({"copied": 1.0}, "the harness yielded ['copied'], and the item carries ['legible']"),
        (
            {"legible": 1.0, "copied": 1.0},
            "the harness yielded ['copied', 'legible'], and the item carries ['legible']",
        ),
    ],
    ids=str,
)
def test_a_value_that_is_none_fails_its_item_alone(values: dict[str, Any], reason: str) -> None:
    assert outcomes(run(with_first(Reading(10, values)))) == [reason, 1.0, 1.0, 1.0]


@pytest.mark.parametrize("value", [1, 1.0, True, np.float32(1), np.int64(1), np.bool_(1), torch.tensor(1.0)])
def test_numbers_of_any_library_are_numbers(value: Any) -> None:
    assert outcomes(run(with_first(Reading(10, {"legible": value})))) == [1.0] * 4


def test_a_value_outside_the_range_of_the_card_fails_its_item() -> None:
    wide = (
        card("drawing", "legible").metrics["legible"].model_copy(update={"type": "bounded_mean", "range": (2.0, 5.0)})
    )
    for value, reason in ((1.9, "1.9"), (5.1, "5.1")):
        samples = run(with_first(Reading(10, {"legible": value})), metrics={"legible": wide})
        assert samples[0].error == f"the harness yielded {reason} for legible, which must be from 2 to 5"
    assert run(with_first(Reading(10, {"legible": 2.5})), metrics={"legible": wide})[0].values == {"legible": 2.5}


def test_an_item_that_was_not_asked_for_ends_the_shard() -> None:
    reason = "the harness yielded item 99, which it was not asked for or had yielded before"
    assert outcomes(run(with_first(Reading(99, {"legible": 1.0})))) == [reason] * 4


def test_two_readings_of_one_item_count_for_nothing() -> None:
    """Nobody can tell which one is right: neither the kind one nor the first."""
    reason = "the harness yielded item 10, which it was not asked for or had yielded before"
    twice = [Reading(10, {"legible": 0.0}), Reading(10, {"legible": 1.0})]
    assert outcomes(run(lambda s, i, t: twice)) == [reason] * 4
    late = [
        *all_right(None, ITEMS[:3], cast(Tools, None)),
        Reading(11, {"legible": 0.0}),
        Reading(13, {"legible": 1.0}),
    ]
    second = reason.replace("10", "11")
    assert outcomes(run(lambda s, i, t: late)) == [1.0, second, 1.0, second]


@pytest.mark.parametrize(
    "reading", ["a text", None, 10, {"item": 10}, (10, {"legible": 1.0}), Reading(cast(Any, []), {})]
)
def test_what_is_no_reading_fails_what_was_not_yielded(reading: object) -> None:
    samples = run(with_first(reading))
    assert all(isinstance(s, Failed) for s in samples)


def test_a_harness_may_say_itself_that_an_item_failed() -> None:
    said = Failed(item=10, labels={"digit": "9"}, metrics=("copied",), error="the codec refused")
    samples = run(with_first(said))
    assert outcomes(samples) == ["the codec refused", 1.0, 1.0, 1.0]
    assert samples[0].metrics == ("legible",)


def test_an_output_that_tools_write_did_not_return_fails_its_item() -> None:
    reading = Reading(10, {"legible": 1.0}, outputs={"drawing": "../../../etc/passwd"})
    assert outcomes(run(with_first(reading)))[0] == (
        "the harness yielded output '../../../etc/passwd', which tools.write did not return"
    )
    kept = Reading(10, {"legible": 1.0}, outputs={"drawing": "0" * 64 + ".png"})
    assert run(with_first(kept))[0].outputs == {"drawing": "0" * 64 + ".png"}


def test_details_are_text_and_of_bounded_length() -> None:
    reading = Reading(10, {"legible": 1.0}, detail=cast(Any, {"answer": "y" * 5000, "half": "\ud83d", "n": 3}))
    (first, *_) = run(with_first(reading))
    assert first.detail == {"answer": "y" * LONGEST_TEXT, "half": "?", "n": "3"}


def test_a_detail_with_a_strange_name_is_a_failure_and_no_crash() -> None:
    samples = run(with_first(Reading(10, {"legible": 1.0}, detail={"Bad Name!": "x"})))
    assert isinstance(samples[0], Failed)


def absent(subject: object, items: Sequence[Item], tools: Tools) -> Iterator[Reading]:
    """Cannot measure a batch that holds an odd digit: they need a part that is not there."""
    if any(item.labels["digit"] == "1" for item in items):
        raise PartAbsent("vqgan.safetensors", "is not in the checkpoint", "lend it")
    yield from all_right(subject, items, tools)


def with_absent(value: float | None) -> dict[str, Any]:
    return {"metrics": {"legible": CARD.metrics["legible"].model_copy(update={"absent": value})}}


def test_a_part_that_is_proven_gone_scores_what_the_card_says() -> None:
    asked: list[str] = []

    def gone(part: str) -> bool:
        asked.append(part)
        return True

    assert outcomes(run(absent, gone=gone, **with_absent(0.0))) == [1.0, 0.0, 1.0, 0.0], "only what needs the part"
    assert set(asked) == {"vqgan.safetensors"}


def test_a_part_that_is_not_proven_gone_is_a_failure() -> None:
    assert outcomes(run(absent, **with_absent(0.0))) == ["vqgan.safetensors is not in the checkpoint"] * 4


def test_a_card_that_says_nothing_of_absence_makes_it_a_failure() -> None:
    said = "vqgan.safetensors is gone, and the card says nothing of legible without it"
    assert outcomes(run(absent, gone=lambda part: True, **with_absent(None))) == [1.0, said, 1.0, said]


def test_absence_of_one_part_is_no_excuse_for_another() -> None:
    samples = run(absent, gone=lambda part: part == "model.safetensors", **with_absent(0.0))
    assert all(isinstance(s, Failed) for s in samples)


def test_an_error_of_the_same_text_is_not_taken_for_absence() -> None:
    samples = run(after(0, RuntimeError("vqgan.safetensors")), gone=lambda part: True, **with_absent(0.0))
    assert all(isinstance(s, Failed) for s in samples)


def test_what_was_stored_can_always_be_written(tmp_path: Path) -> None:
    for measure in (after(0, ValueError("\udfff")), with_first(Reading(10, {"legible": 1.0}, detail={"a": "\ud800"}))):
        for sample in run(measure):
            (tmp_path / "x").write_text(sample.model_dump_json(), encoding="utf-8")
