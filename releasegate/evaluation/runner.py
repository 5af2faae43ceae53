"""One shard: from items to samples. Whatever goes wrong with an item is evidence that counts against the release."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext

from releasegate import discretion
from releasegate.errors import PartAbsent, Terminated
from releasegate.evalcard import EvalCard
from releasegate.evaluation.discreet import Reasons
from releasegate.evaluation.harness import Harness
from releasegate.evaluation.silence import silenced
from releasegate.evaluation.tools import OutputDigests, Tools
from releasegate.evidence import OUTPUT_NAME, Failed, Item, Measured, Reading
from releasegate.secrets import credentials, hide

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
    digests: OutputDigests | None = None,
    *,
    discreet: bool = False,
) -> list[Measured | Failed]:
    """One sample an item, in the order of the items.

    One of the three places that catch everything: what a harness raises fails the items that it has not yielded. Of
    sensitive material, and where no text may be kept, nothing is said that might quote it.

    Args:
        gone: whether a part of the model is proven to be out of this checkpoint, by its name.
        log: takes the traceback of what was raised.
        digests: where no text and no output may be kept: what took the outputs. Texts become digests, too.
        discreet: whether nothing may be said of texts though the card does not ask for it.
    """
    discreet = discreet or card.sensitive is not None or digests is not None
    reasons = Reasons(harness, discreet, digests is not None)
    waiting = {item.number: item for item in items}
    samples: dict[int, Measured | Failed] = {}
    reason = discretion.YIELDED_NOTHING
    try:
        with silenced() if reasons.discreet else nullcontext():
            for reading in harness.measure(subject, items, tools):
                item = waiting.pop(reading.item, None)
                if item is None:
                    words = f"the harness yielded item {reading.item}, which it was not asked for or had yielded before"
                    reason = reasons.say(words, discretion.YIELDED_STRANGER)
                    samples.pop(reading.item, None)  # nobody can tell which of the two readings is right
                    break
                samples[item.number] = checked(reading, item, card, reasons, digests)
    except PartAbsent as error:
        reason, part = reasons.absent(error), error.problems[0].where
        for item in waiting.values() if gone(part) else ():
            if len(items) == 1:
                samples[item.number] = _absent(item, card, part, digests)
            else:  # which items need the part, only measuring each alone can tell
                samples[item.number] = run_shard(
                    harness, subject, [item], card, tools, gone, log, digests, discreet=discreet
                )[0]
    except (KeyboardInterrupt, GeneratorExit, Terminated):
        raise
    except BaseException as error:  # noqa: BLE001
        log(reasons.traced(error))
        reason = reasons.raised(error)
    return [samples.get(item.number) or failed(item, reason) for item in items]


def failed(item: Item, error: str) -> Failed:
    """The failure of an item; no credential stands in its reason."""
    reason = hide(error, credentials(os.environ))
    return Failed(item=item.number, labels=dict(item.labels), metrics=item.metrics, error=_kept(reason))


def checked(
    reading: Reading | Failed,
    item: Item,
    card: EvalCard,
    reasons: Reasons | None = None,
    digests: OutputDigests | None = None,
) -> Measured | Failed:
    """The sample of a reading: a value that is missing, not a number, or outside the card's range is a failure.

    Args:
        reasons: words what is wrong; by default as openly as the card allows.
        digests: what took the outputs, where no text and no output may be kept.
    """
    reasons = reasons or Reasons(discreet=card.sensitive is not None or digests is not None, hashed=digests is not None)
    if isinstance(reading, Failed):
        return failed(item, reasons.given(reading.error, item))
    if set(reading.values) != set(item.metrics):
        words = f"the harness yielded {sorted(reading.values)}, and the item carries {sorted(item.metrics)}"
        return failed(item, reasons.say(words, discretion.YIELDED_METRICS))
    for name in item.metrics:
        problem = _value_problem(reading.values[name], name, card, reasons)
        if problem:
            return failed(item, problem)
    strange = [name for name in reading.outputs.values() if not _is_output(name, digests)]
    if strange:
        words = f"the harness yielded output {strange[0]!r}, which tools.write did not return"
        return failed(item, reasons.say(words, discretion.YIELDED_OUTPUT))
    outputs = dict(reading.outputs)
    return Measured(
        item=item.number,
        labels=dict(item.labels),
        values={name: float(reading.values[name]) for name in item.metrics},
        detail=_detail(reading.detail) if digests is None else _digests(reading.detail, outputs, digests),
        outputs=outputs if digests is None else {},
    )


def _is_output(name: str, digests: OutputDigests | None) -> bool:
    return OUTPUT_NAME.fullmatch(name) is not None and (digests is None or digests.stored(name) is not None)


def _detail(detail: Mapping[str, str]) -> dict[str, str]:
    return {name: _kept(str(text)) for name, text in detail.items()}


def _digests(detail: Mapping[str, str], outputs: Mapping[str, str], digests: OutputDigests) -> dict[str, str]:
    """What stays of texts and outputs where none may be kept."""
    found = {name: discretion.hashed(str(text)) for name, text in detail.items()}
    for name, output in outputs.items():
        found[name if name not in found else f"{name}-output"] = digests.stored(output) or ""
    return found


def _value_problem(value: object, name: str, card: EvalCard, reasons: Reasons) -> str | None:
    metric = card.metrics[name]
    if isinstance(value, str) or not hasattr(value, "__float__"):
        words = f"the harness yielded {value!r} for {name}, which is no number"
        return reasons.say(words, discretion.YIELDED_NO_NUMBER)
    number = float(value)
    if not math.isfinite(number):
        return f"the harness yielded {number} for {name}"
    allowed = metric.refusal(number)
    return f"the harness yielded {number:g} for {name}, which must be {allowed}" if allowed else None


def _kept(text: str) -> str:
    """The beginning of `text`, as UTF-8 can hold it: half of a surrogate pair becomes a question mark."""
    return text[:LONGEST_TEXT].encode("utf-8", "replace").decode()


def _absent(item: Item, card: EvalCard, part: str, digests: OutputDigests | None) -> Measured | Failed:
    values: dict[str, float] = {}
    for name in item.metrics:
        value = card.metrics[name].absent
        if value is None:
            return failed(item, f"{part} is gone, and the card says nothing of {name} without it")
        values[name] = value
    detail = {"absent": part if digests is None else discretion.hashed(part)}
    return Measured(item=item.number, labels=dict(item.labels), values=values, detail=detail)
