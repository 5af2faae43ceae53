"""Lines of a shard that are read together say what they say one by one, and whatever is refused alone is refused together."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from releasegate.discretion import hashed
from releasegate.errors import EvidenceUntrusted
from releasegate.evidence import Cell, Collector, Columns, Failed, Measured, Rows
from releasegate.records import digest_of_bytes
from releasegate.repository import RunFolder, evidence_store
from releasegate.sensitivity import text_in
from releasegate.shardlines import MOST_SHAPES, ShardLines
from tests.tiny_gates import WEAK, capability, plan_of, policy

CELLS = (
    Cell(labels={"digit": "0"}, metrics=("legible",), n=30),
    Cell(labels={"digit": "0", "ink": "red"}, metrics=("legible", "copied"), n=30),
)
NUMBERS = st.sampled_from([0.0, -0.0, 1.0, 0.25, 1e-7, 1e16, 1e99, 5e-324])
TEXTS = st.text(max_size=12) | st.sampled_from(
    ['"', "},{", '}\n{"outcome":', '\\":', "\u2028", "é", "\x00", '{"item":1}']
)


@st.composite
def samples(draw: st.DrawFn) -> list[Measured | Failed]:
    items = draw(st.lists(st.integers(0, 59), min_size=1, max_size=20, unique=True))
    found: list[Measured | Failed] = []
    for item in items:
        cell = CELLS[item // 30]
        labels = dict(draw(st.permutations(sorted(cell.labels.items()))))
        metrics = tuple(draw(st.permutations(cell.metrics)))
        if draw(st.integers(0, 9)) == 0:
            found.append(Failed(item=item, labels=labels, metrics=metrics, error=draw(TEXTS)))
            continue
        values = {metric: draw(st.floats(allow_nan=False, allow_infinity=False) | NUMBERS) for metric in metrics}
        detail = draw(st.dictionaries(st.sampled_from(["said", "shown"]), TEXTS, max_size=2))
        outputs = draw(st.sampled_from([{}, {"drawing": "0f" * 32 + ".png"}]))
        found.append(Measured(item=item, labels=labels, values=values, detail=detail, outputs=outputs))
    return found


def lines_of(listed: list[Measured] | list[Measured | Failed]) -> list[bytes]:
    return [sample.model_dump_json().encode() + b"\n" for sample in listed]


def same(one: Columns, other: Columns) -> bool:
    return (
        np.array_equal(one.cell, other.cell)
        and np.array_equal(one.state, other.state)
        and one.values.keys() == other.values.keys()
        and all(one.values[m].tobytes() == other.values[m].tobytes() for m in one.values)
        and one.errors == other.errors
    )


def alone(listed: list[Measured] | list[Measured | Failed]) -> Columns:
    collector = Collector(CELLS, "here")
    for sample in listed:
        collector.add(sample, "here")
    return collector.columns()


def anything(_metric: str, _value: float) -> bool:
    return True


@given(samples())
@settings(max_examples=100, deadline=None)
def test_lines_that_are_read_together_say_what_they_say_one_by_one(listed: list[Measured | Failed]) -> None:
    rows = ShardLines().read(b"".join(lines_of(listed)))
    event("together" if rows else "one by one")
    if rows is not None:
        together = Collector(CELLS, "here")
        assert together.add_all(rows, range(60), anything)
        assert same(together.columns(), alone(listed))


def test_what_releasegate_writes_is_read_together() -> None:
    """Texts with any sign, outputs, failures, several metrics and orders of labels; only strange numbers stand apart."""
    listed: list[Measured | Failed] = [
        Measured(
            item=i,
            labels={"digit": "0"}
            if i < 30
            else {"ink": "red", "digit": "0"}
            if i % 2
            else {"digit": "0", "ink": "red"},
            values={"legible": float(f"{i / 7}e-{i}")} if i < 30 else {"legible": i / 3, "copied": -1.0},
            detail={"said": text} if i % 3 else {},
            outputs={"drawing": "0f" * 32 + ".png"} if i % 5 else {},
        )
        for i, text in zip(range(1, 58), [*'"\\/\b\f\n\r\t\x00\x1f\x7f é\u2028€😀', "},{", '\\"'] * 3, strict=False)
    ]
    listed += [Failed(item=i, labels={"digit": "0"}, metrics=("legible",), error=f"e{i}") for i in (0,)]
    rows = ShardLines().read(b"".join(lines_of(listed)))
    together = Collector(CELLS, "here")
    assert rows is not None
    assert together.add_all(rows, range(60), anything)
    assert same(together.columns(), alone(listed))


def hashed_away(sample: Measured | Failed) -> Measured | Failed:
    """What stays of a sample where no text may be kept."""
    if isinstance(sample, Failed):
        return sample.model_copy(update={"error": "the harness yielded nothing for it"})
    return sample.model_copy(update={"detail": {k: hashed(v) for k, v in sample.detail.items()}, "outputs": {}})


@given(samples(), st.integers(0, 19))
@settings(max_examples=60, deadline=None)
def test_lines_without_texts_are_read_together_and_one_text_among_them_is_not(
    listed: list[Measured | Failed], place: int
) -> None:
    bare = [hashed_away(sample) for sample in listed]
    rows = ShardLines(hashed=True).read(b"".join(lines_of(bare)))
    assert rows is None or sorted(rows.items) == sorted(sample.item for sample in listed)
    assert (rows is None) == (ShardLines().read(b"".join(lines_of(bare))) is None)
    place %= len(listed)
    bare[place] = listed[place]
    if text_in(listed[place]) is not None:
        assert ShardLines(hashed=True).read(b"".join(lines_of(bare))) is None


GOOD = lines_of([Measured(item=i, labels={"digit": "0"}, values={"legible": 1.0}, detail={"a": "b"}) for i in range(4)])
Change = Callable[[list[bytes]], list[bytes]]
LOST = Failed(item=0, labels={"digit": "0"}, metrics=("legible",), error="x").model_dump_json().encode() + b"\n"


def lost(before: bytes, after: bytes) -> bytes:
    """The line of a failure, with a change."""
    assert before in LOST
    return LOST.replace(before, after, 1)


DIFFERENT: dict[str, Change] = {
    "a key twice": lambda t: [t[0].replace(b'"item":0', b'"item":1,"item":0'), *t[1:]],
    "a key twice in detail": lambda t: [t[0].replace(b'"a":"b"', b'"a":"c","a":"b"'), *t[1:]],
    "a key twice in values": lambda t: [t[0].replace(b'"legible":1.0', b'"legible":0.0,"legible":1.0'), *t[1:]],
    "white space": lambda t: [t[0].replace(b'"item":0', b'"item": 0'), *t[1:]],
    "another order": lambda t: [
        t[0].replace(b'"outcome":"measured","item":0', b'"item":0,"outcome":"measured"'),
        *t[1:],
    ],
    "two records in a line": lambda t: [t[0][:-1] + b"," + t[1], *t[2:]],
    "a record in two lines": lambda t: [t[0].replace(b'"item":0,', b'"item":0\n'), *t[1:]],
    "both": lambda t: [t[0].replace(b'"item":0,', b'"item":0\n')[:-1] + b"," + t[1], *t[2:]],
    "no last newline": lambda t: [*t[:3], t[3][:-1]],
    "an empty line": lambda t: [*t, b"\n"],
    "no such key": lambda t: [t[0].replace(b'"detail"', b'"details"'), *t[1:]],
    "text for a number": lambda t: [t[0].replace(b"1.0", b'"1.0"'), *t[1:]],
    "no number": lambda t: [t[0].replace(b"1.0", b"NaN"), *t[1:]],
    "null": lambda t: [t[0].replace(b"1.0", b"null"), *t[1:]],
    "a number below zero": lambda t: [t[0].replace(b'"item":0', b'"item":-1'), *t[1:]],
    "not utf-8": lambda t: [t[0].replace(b'"b"', b'"\xff"'), *t[1:]],
    "a failure with a space": lambda t: [lost(b'"item":0', b'"item": 0')[:-2] + b" }\n", *t[1:], lost(b"{", b" {")],
    "a failure with an unknown key": lambda t: [lost(b'"error"', b'"errors"'), *t[1:]],
    "a failure that is measured": lambda t: [lost(b'"item"', b'"outcome":"measured","item"'), *t[1:]],
    "a failure beyond every plan": lambda t: [lost(b'"item":0', b'"item":1' + b"0" * 30), *t[1:]],
    "truth for a number": lambda t: [t[0].replace(b"1.0", b"true"), *t[1:]],
    "a whole number": lambda t: [t[0].replace(b"1.0", b"-0"), *t[1:]],
    "a number beyond floats": lambda t: [t[0].replace(b"1.0", b"1.0e999"), *t[1:]],
    "a number with a zero before it": lambda t: [t[0].replace(b"1.0", b"01.0"), *t[1:]],
    "half of a surrogate pair": lambda t: [t[0].replace(b'"b"', b'"\\ud800"'), *t[1:]],
    "no such escape": lambda t: [t[0].replace(b'"b"', b'"\\x62"'), *t[1:]],
    "a raw control character": lambda t: [t[0].replace(b'"b"', b'"\x1f"'), *t[1:]],
    "a quote that is escaped at the end": lambda t: [t[0].replace(b'"b"', b'"b\\"'), *t[1:]],
    "a label twice": lambda t: [t[0].replace(b'"digit":"0"', b'"digit":"1","digit":"0"'), *t[1:]],
    "a label that is none": lambda t: [t[0].replace(b'"digit":"0"', b'"digit":0'), *t[1:]],
    "labels that end later": lambda t: [t[0].replace(b'"digit":"0"', b'"digit":"0'), *t[1:]],
    "digits of another script": lambda t: [t[0].replace(b'"item":0', '"item":٣'.encode()), *t[1:]],
    "a carriage return": lambda t: [t[0].replace(b"\n", b"\r\n"), *t[1:]],
    "something before a record": lambda t: [t[0], b"x" + t[1], *t[2:]],
    "something behind a record": lambda t: [t[0], t[1][:-1] + b"x\n", *t[2:]],
    "an output that leads elsewhere": lambda t: [
        t[0].replace(b'"outputs":{}', b'"outputs":{"drawing":"../plan.json"}'),
        *t[1:],
    ],
    "nothing": lambda _: [],
}


@pytest.mark.parametrize("change", DIFFERENT.values(), ids=DIFFERENT)
def test_anything_else_is_left_to_be_read_line_by_line(change: Change) -> None:
    lines = ShardLines()
    assert lines.read(b"".join(GOOD)) is not None
    assert b"".join(change(list(GOOD))) != b"".join(GOOD)
    assert lines.read(b"".join(change(list(GOOD)))) is None
    assert ShardLines().read(b"".join(change(list(GOOD)))) is None


def test_a_line_of_one_shape_too_many_is_left_to_be_read_alone() -> None:
    lines = ShardLines()
    for i in range(MOST_SHAPES):
        assert lines.read(GOOD[0].replace(b'"a"', f'"a{i}"'.encode())) is not None
    assert lines.read(GOOD[0]) is None
    assert lines.read(GOOD[0].replace(b'"a"', b'"a7"')) is not None


def one(item: int, **keys: object) -> Measured:
    plain: dict[str, object] = {"labels": {"digit": "0"}, "values": {"legible": 1.0}}
    return Measured.model_validate({"item": item, **plain, **keys})


REFUSED: dict[str, list[Measured]] = {
    "an item twice": [one(3), one(4), one(3)],
    "an item that has a record": [one(0), one(5)],
    "an item beyond the plan": [one(1), one(60)],
    "a number beyond every plan": [one(1), one(2**70)],
    "labels that are not planned": [one(1), one(2, labels={"digit": "1"})],
    "a metric that is not planned": [one(1), one(2, values={"legible": 1.0, "drawn": 1.0})],
    "a metric that is lacking": [one(2, labels={"digit": "0", "ink": "red"})],
    "more than planned": [one(i) for i in range(1, 32)],
    "a value that cannot be": [one(1), one(2, values={"legible": 0.5})],
    "an item of another shard": [one(1), one(55)],
}


def taken(collector: Collector, rows: Rows | None) -> bool:
    return rows is not None and collector.add_all(
        rows, range(50), lambda _metric, values: bool(np.isin(values, (0, 1)).all())
    )


@pytest.mark.parametrize("listed", REFUSED.values(), ids=REFUSED)
def test_what_would_be_refused_alone_leaves_no_trace_together(listed: list[Measured | Failed]) -> None:
    collector = Collector(CELLS, "here")
    collector.add(one(0), "here")
    before = collector.columns().state.copy()
    assert not taken(collector, ShardLines().read(b"".join(lines_of(listed))))
    assert (collector.columns().state == before).all()
    assert collector.columns().errors == ()
    for i in range(1, 30):
        collector.add(one(i), "here")  # as many are left as before
    with pytest.raises(EvidenceUntrusted, match="more items than planned"):
        collector.add(one(30), "here")


# The whole way: what a run says of its evidence does not depend on how its lines are read.

PLAN = plan_of(policy(capability("drawing", misuse=[WEAK])), n=20, shard=20)
PLANNED = [
    Failed(item=i, labels={"digit": str(i // 10)}, metrics=("legible",), error=f"broken {i % 3}")
    if i % 6 == 5
    else Measured(
        item=i,
        labels={"digit": str(i // 10)},
        values={"legible": float(i % 2)},
        detail={"said": f"é\n{i}"} if i % 4 else {},
        outputs={"drawing": "0f" * 32 + ".png"} if i % 7 == 0 else {},
    )
    for i in range(20)
]
TOKENS = st.sampled_from(
    [
        *(
            b'"',
            b"\\",
            b",",
            b":",
            b"{",
            b"}",
            b"{}",
            b"[",
            b"\n",
            b"\r\n",
            b" ",
            b"\t",
            b"\x00",
            b"0",
            b"1",
            b"-",
            b".",
        ),
        *(
            b"1e0",
            b"0.5",
            b"e999",
            b"NaN",
            b"null",
            b"true",
            b"9" * 25,
            b"\xff",
            b"\xc3",
            b"\xe2\x80\xa8",
            b"\xed\xa0\x80",
        ),
        *(
            b"\\u0041",
            b"\\ud800",
            b'\\"',
            b'"item":3,',
            b'"digit":"0"',
            b'"digit":"1",',
            b'"legible":1.0,',
            b'"said":"x",',
        ),
        *(b'{"outcome":"failed",', b'"outcome":"measured",', b'"copied":1.0', b"2.0", b'"labels":{},'),
    ]
)
NUMBER, TEXT = re.compile(rb"[0-9][0-9.]*"), re.compile(rb'"[^"\n]*"')


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """The bytes of a shard, changed here and there: whole lines, a number or a text for another, or any bytes."""
    lines = lines_of(PLANNED)
    for _ in range(draw(st.integers(0, 2))):
        at, to = draw(st.integers(0, len(lines) - 1)), draw(st.integers(0, len(lines) - 1))
        kept = draw(
            st.sampled_from([(lines[to], lines[at]), (lines[at], lines[at]), (lines[at],), (), (b"", lines[to])])
        )
        lines[at : at + 1] = kept
    data = b"".join(lines)
    for _ in range(draw(st.integers(0, 2))):
        places = [found.span() for found in draw(st.sampled_from([NUMBER, TEXT])).finditer(data)] or [(0, 0)]
        (start, end), (first, last) = draw(st.sampled_from(places)), draw(st.sampled_from(places))
        data = data[:start] + data[first:last] + data[end:]
    for _ in range(draw(st.integers(0, 2))):
        start = draw(st.integers(0, len(data)))
        data = data[:start] + draw(TOKENS | st.just(b"")) + data[start + draw(st.integers(0, 3)) :]
    return data


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """A run with one shard, which holds nothing yet."""
    folder = RunFolder(tmp_path_factory.mktemp("bulk") / "run")
    folder.open(PLAN)
    (measurement,) = PLAN.measurements
    folder.evidence.start_shard(PLAN, PLAN.identity(measurement), 0)
    folder.evidence.finish_shard(PLAN.identity(measurement), 0, PLAN.source, ())
    return folder


def said(run: RunFolder, data: bytes) -> Columns | tuple[str, str]:
    """What reading says of the run if its shard holds `data`, as the index rightly says: columns, or what it refuses."""
    ((key, done),) = run.evidence.done().items()
    run.evidence.shard_path(*key).write_bytes(data)
    failed = data.count(b'{"outcome":"failed"')
    right = {"sha256": digest_of_bytes(data), "measured": data.count(b"\n") - failed, "failed": failed}
    index = run.root / "evidence" / "index.jsonl"
    changed = done.model_copy(update=right).model_dump_json()
    index.write_text(index.read_text().replace(done.model_dump_json(), changed))
    try:
        return run.evidence.read(PLAN).columns[key[0]]
    except EvidenceUntrusted as error:
        (problem,) = error.problems
        return problem.where, problem.what


class OneByOne(ShardLines):
    """Reads nothing together."""

    def read(self, lines: bytes) -> Rows | None:
        return None


@given(data=mutated(), block=st.sampled_from([1, 300, 10_000]))
@settings(max_examples=200, deadline=None)
def test_however_a_shard_is_changed_it_is_taken_or_refused_as_line_by_line(
    run: RunFolder, data: bytes, block: int
) -> None:
    with patch.object(evidence_store, "BLOCK", block):
        found: Any = said(run, data)
        with patch.object(evidence_store, "ShardLines", OneByOne):
            expected: Any = said(run, data)
    event("refused" if isinstance(expected, tuple) else "taken")
    if isinstance(expected, tuple):
        assert found == expected
    else:
        assert same(found, expected)
