"""One shard of sensitive material, and one of which nothing may be kept: parts that are gone, reasons, and odd texts."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import torch

from releasegate.discretion import OWN_WORDS, hashed
from releasegate.errors import PartAbsent
from releasegate.evaluation.harness import Harness, load_harness
from releasegate.evaluation.runner import run_shard
from releasegate.evaluation.tools import OutputDigests, Tools
from releasegate.evidence import Failed, Item, Measured, Reading
from tests.tiny_gates import card

SENSITIVE, PLAIN = card("drawing", "legible", sensitive="personal"), card("drawing", "legible")
PROMPT = "the number of the quetzal is 7781"
ITEM = Item(("legible",), {"digit": "0"}, {"chat": [{"role": "user", "text": PROMPT}]}, number=4)
Measure = Callable[[object, Sequence[Item], Tools], Any]


def one(measure: Measure | Harness, *, keep: bool, gone: bool = False) -> Measured | Failed:
    """The sample of one item: of a sensitive eval, or of one of which nothing is kept."""
    digests = None if keep else OutputDigests()
    write = (lambda data, extension: f"{'0' * 64}.{extension}") if digests is None else digests.write
    tools = Tools({}, torch.device("cpu"), {}, write)
    harness = cast(Harness, SimpleNamespace(measure=measure) if callable(measure) else measure)
    used = SENSITIVE if keep else PLAIN
    (sample,) = run_shard(harness, object(), [ITEM], used, tools, lambda part: gone, lambda text: None, digests)
    return sample


def reading(**changes: Any) -> Measure:
    def measure(subject: object, items: Sequence[Item], tools: Tools) -> Iterator[Reading | Failed]:
        given = Reading(items[0].number, {"legible": 1.0}, {"prompt": PROMPT})
        yield replace(given, **{name: value(tools) if callable(value) else value for name, value in changes.items()})

    return measure


def failing(error: str | BaseException) -> Measure:
    def measure(subject: object, items: Sequence[Item], tools: Tools) -> Iterator[Failed]:
        if isinstance(error, BaseException):
            raise error
        yield Failed(item=items[0].number, metrics=("legible",), error=error)

    return measure


@pytest.mark.parametrize("keep", [True, False])
@pytest.mark.parametrize(
    ("part", "said"),
    [
        ("head.weight", "head.weight is not in the checkpoint, and was not lent"),
        (PROMPT, "PartAbsent at runner.py; what it says is not kept"),
    ],
)
def test_a_part_that_is_absent_is_named_if_it_is_a_name(part: str, said: str, keep: bool) -> None:  # noqa: FBT001
    sample = one(failing(PartAbsent(part, f"lacks {PROMPT}", "lend it")), keep=keep)
    assert isinstance(sample, Failed)
    assert re.sub(r"(\.py):\d+", r"\1", sample.error) == said


def test_what_a_part_that_is_gone_comes_to_is_hashed_too() -> None:
    absent = card("drawing", "legible").metrics["legible"].model_copy(update={"absent": 0.0})
    digests = OutputDigests()
    tools = Tools({}, torch.device("cpu"), {}, digests.write)
    harness = cast(Harness, SimpleNamespace(measure=failing(PartAbsent("head.weight", "is gone", "lend it"))))
    used = PLAIN.model_copy(update={"metrics": {"legible": absent}})
    (sample,) = run_shard(harness, object(), [ITEM], used, tools, lambda part: True, lambda text: None, digests)
    assert isinstance(sample, Measured)
    assert sample.values == {"legible": 0.0}
    assert sample.detail == {"absent": hashed("head.weight")}


@pytest.mark.parametrize("keep", [True, False])
def test_what_a_subject_says_of_itself_is_a_reason(keep: bool) -> None:  # noqa: FBT001
    why = "no answer after 3 attempts: status 503"
    assert one(failing(why), keep=keep) == Failed(item=4, labels={"digit": "0"}, metrics=("legible",), error=why)


OWN = """\
from releasegate.evidence import Failed

EMPTY = "the answer is empty"
COPIED = "{prompt}"


def items(params, rng):
    return []


def why(text):
    return "it broke off, and " + text if text else "it broke off"


def measure(subject, items, tools):
    yield Failed(item=items[0].number, metrics=("legible",), error={error})
"""


@pytest.mark.parametrize(
    ("error", "said"),
    [
        ("EMPTY", "the answer is empty"),
        ("why('')", "it broke off"),
        ("why('x')", OWN_WORDS),
        ("COPIED", OWN_WORDS),
        ("EMPTY + '.'", OWN_WORDS),
        ("str(items[0].content)", OWN_WORDS),
    ],
)
def test_a_reason_stays_that_stands_in_the_code_and_quotes_no_item(tmp_path: Path, error: str, said: str) -> None:
    folder = tmp_path / "evals" / "drawing"
    folder.mkdir(parents=True)
    (folder / "harness.py").write_text(OWN.format(prompt=PROMPT, error=error))
    sample = one(load_harness(folder), keep=True)
    assert isinstance(sample, Failed)
    assert sample.error == said


@pytest.mark.parametrize("text", ["", "x" * 100_000, "\ud83d", "\x00\x1b[31m\u202e", PROMPT + "\r\n", hashed("x")])
def test_any_text_becomes_a_digest_of_all_its_bytes(text: str) -> None:
    sample = one(reading(detail={"prompt": text}), keep=False)
    assert isinstance(sample, Measured)
    data = text.encode("utf-8", "surrogatepass")
    assert sample.detail == {"prompt": f"sha256:{hashlib.sha256(data).hexdigest()} ({len(data)} bytes)"}


def test_outputs_become_digests_beside_texts_of_the_same_name() -> None:
    written = reading(
        detail={"said": PROMPT}, outputs=lambda t: {"said": t.write(b"abc", "txt"), "shown": t.write(b"", "png")}
    )
    sample = one(written, keep=False)
    assert isinstance(sample, Measured)
    assert sample.outputs == {}
    assert sample.detail == {"said": hashed(PROMPT), "said-output": hashed(b"abc"), "shown": hashed(b"")}


def test_an_output_that_was_never_written_is_a_failure() -> None:
    sample = one(reading(outputs={"said": "0" * 64 + ".txt"}), keep=False)
    assert isinstance(sample, Failed)
    assert sample.error == "the harness yielded an output that tools.write did not return"
