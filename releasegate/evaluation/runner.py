"""One shard: from items to samples. Whatever goes wrong with an item is evidence that counts against the release."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from traceback import format_exc

from releasegate.errors import PartAbsent
from releasegate.evalcard import EvalCard
from releasegate.evaluation.harness import Harness
from releasegate.evaluation.tools import Tools
from releasegate.evidence import OUTPUT_NAME, Failed, Item, Measured, Reading

LONGEST_TEXT = 2000
"""Characters of a detail or an error that are kept."""


def run_shard(
    harness: Harness,
    subject: object,
    items: Sequence[Item],
    card: EvalCard,
    tools: Tools,
    gone: Callable[[str], bool],
    log: Callable[[str], None],
) -> list[Measured | Failed]:
    """One sample an item, in the order of the items.

    One of the three places that catch everything: what a harness raises fails the items that it has not yielded.

    Args:
        gone: whether a part of the model is proven to be out of this checkpoint, by its name.
        log: takes the traceback of what was raised.
    """
    waiting = {item.number: item for item in items}
    samples: dict[int, Measured | Failed] = {}
    reason = "the harness yielded nothing for it"
    try:
        for reading in harness.measure(subject, items, tools):
            item = waiting.pop(reading.item, None)
            if item is None:
                reason = f"the harness yielded item {reading.item}, which it was not asked for or had yielded before"
                samples.pop(reading.item, None)  # nobody can tell which of the two readings is right
                break
            samples[item.number] = checked(reading, item, card)
    except PartAbsent as error:
        part = error.problems[0]
        reason = f"{part.where} {part.what}"
        for item in waiting.values() if gone(part.where) else ():
            if len(items) == 1:
                samples[item.number] = _absent(item, card, part.where)
            else:  # which items need the part, only measuring each alone can tell
                samples[item.number] = run_shard(harness, subject, [item], card, tools, gone, log)[0]
    except (Exception, SystemExit) as error:  # noqa: BLE001
        log(format_exc())
        reason = f"{type(error).__name__}: {error}"
    return [samples.get(item.number) or failed(item, reason) for item in items]


def failed(item: Item, error: str) -> Failed:
    """The failure of an item."""
    return Failed(item=item.number, labels=dict(item.labels), metrics=item.metrics, error=_kept(error))


def checked(reading: Reading | Failed, item: Item, card: EvalCard) -> Measured | Failed:
    """The sample of a reading: a value that is missing, not a number, or outside the card's range is a failure."""
    if isinstance(reading, Failed):
        return failed(item, reading.error)
    if set(reading.values) != set(item.metrics):
        return failed(
            item, f"the harness yielded {sorted(reading.values)}, and the item carries {sorted(item.metrics)}"
        )
    for name in item.metrics:
        problem = _value_problem(reading.values[name], name, card)
        if problem:
            return failed(item, problem)
    strange = [name for name in reading.outputs.values() if not OUTPUT_NAME.fullmatch(name)]
    if strange:
        return failed(item, f"the harness yielded output {strange[0]!r}, which tools.write did not return")
    return Measured(
        item=item.number,
        labels=dict(item.labels),
        values={name: float(reading.values[name]) for name in item.metrics},
        detail={name: _kept(str(text)) for name, text in reading.detail.items()},
        outputs=dict(reading.outputs),
    )


def _value_problem(value: object, name: str, card: EvalCard) -> str | None:
    metric = card.metrics[name]
    if isinstance(value, str) or not hasattr(value, "__float__"):
        return f"the harness yielded {value!r} for {name}, which is no number"
    number = float(value)
    if not math.isfinite(number):
        return f"the harness yielded {number} for {name}"
    allowed = metric.refusal(number)
    return f"the harness yielded {number:g} for {name}, which must be {allowed}" if allowed else None


def _kept(text: str) -> str:
    """The beginning of `text`, as UTF-8 can hold it: half of a surrogate pair becomes a question mark."""
    return text[:LONGEST_TEXT].encode("utf-8", "replace").decode()


def _absent(item: Item, card: EvalCard, part: str) -> Measured | Failed:
    values: dict[str, float] = {}
    for name in item.metrics:
        value = card.metrics[name].absent
        if value is None:
            return failed(item, f"{part} is gone, and the card says nothing of {name} without it")
        values[name] = value
    return Measured(item=item.number, labels=dict(item.labels), values=values, detail={"absent": part})
