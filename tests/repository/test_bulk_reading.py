"""Lines of a shard that are read together say what they say one by one, and whatever is refused alone is refused together."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from releasegate.errors import EvidenceUntrusted
from releasegate.evidence import Cell, Collector, Failed, Measured, parse_measured, parse_sample

CELLS = (
    Cell(labels={"digit": "0"}, metrics=("legible",), n=30),
    Cell(labels={"digit": "0", "ink": "red"}, metrics=("legible", "copied"), n=30),
)
TEXTS = st.text(max_size=12) | st.sampled_from(
    ['"', "},{", '}\n{"outcome":', '\\":', "\u2028", "é", "\x00", '{"item":1}']
)


@st.composite
def samples(draw: st.DrawFn) -> list[Measured]:
    items = draw(st.lists(st.integers(0, 59), min_size=1, max_size=20, unique=True))
    found = []
    for item in items:
        cell = CELLS[item // 30]
        labels = dict(draw(st.permutations(sorted(cell.labels.items()))))
        values = {
            metric: draw(st.sampled_from([0.0, 1.0, 0.25, 1e-7])) for metric in draw(st.permutations(cell.metrics))
        }
        detail = draw(st.dictionaries(st.sampled_from(["said", "shown"]), TEXTS, max_size=2))
        found.append(Measured(item=item, labels=labels, values=values, detail=detail))
    return found


def lines_of(listed: list[Measured]) -> list[bytes]:
    return [sample.model_dump_json().encode() + b"\n" for sample in listed]


@given(samples())
@settings(max_examples=60, deadline=None)
def test_lines_that_releasegate_wrote_are_read_together_as_they_are_one_by_one(listed: list[Measured]) -> None:
    lines = lines_of(listed)
    assert parse_measured(b"".join(lines)) == [parse_sample(line, "shard:1") for line in lines]
    together, alone = Collector(CELLS, "here"), Collector(CELLS, "here")
    assert together.add_all(listed, range(60), lambda _metric, _value: True)
    for sample in listed:
        alone.add(sample, "here")
    one, other = together.columns(), alone.columns()
    assert (one.cell == other.cell).all()
    assert (one.state == other.state).all()
    assert all(np.array_equal(one.values[m], other.values[m]) for m in ("legible", "copied"))


GOOD = lines_of([Measured(item=i, labels={"digit": "0"}, values={"legible": 1.0}, detail={"a": "b"}) for i in range(4)])
Change = Callable[[list[bytes]], list[bytes]]
DIFFERENT: dict[str, Change] = {
    "a key twice": lambda t: [t[0].replace(b'"item":0', b'"item":1,"item":0'), *t[1:]],
    "a key twice in detail": lambda t: [t[0].replace(b'"a":"b"', b'"a":"c","a":"b"'), *t[1:]],
    "a key twice in values": lambda t: [t[0].replace(b'"legible":1.0', b'"legible":0.0,"legible":1.0'), *t[1:]],
    "white space": lambda t: [t[0].replace(b'"item":0', b'"item": 0'), *t[1:]],
    "another order": lambda t: [
        t[0].replace(b'"outcome":"measured","item":0', b'"item":0,"outcome":"measured"'),
        *t[1:],
    ],
    "another number for the same": lambda t: [t[0].replace(b"1.0", b"1.00"), *t[1:]],
    "two records in a line": lambda t: [t[0][:-1] + b"," + t[1], *t[2:]],
    "a record in two lines": lambda t: [t[0].replace(b'"item":0,', b'"item":0\n'), *t[1:]],
    "both": lambda t: [t[0].replace(b'"item":0,', b'"item":0\n')[:-1] + b"," + t[1], *t[2:]],
    "an escape": lambda t: [t[0].replace(b'"b"', b'"\\u0062"'), *t[1:]],
    "no last newline": lambda t: [*t[:3], t[3][:-1]],
    "an empty line": lambda t: [*t, b"\n"],
    "no such key": lambda t: [t[0].replace(b'"detail"', b'"details"'), *t[1:]],
    "text for a number": lambda t: [t[0].replace(b"1.0", b'"1.0"'), *t[1:]],
    "no number": lambda t: [t[0].replace(b"1.0", b"NaN"), *t[1:]],
    "null": lambda t: [t[0].replace(b"1.0", b"null"), *t[1:]],
    "a number below zero": lambda t: [t[0].replace(b'"item":0', b'"item":-1'), *t[1:]],
    "not utf-8": lambda t: [t[0].replace(b'"b"', b'"\xff"'), *t[1:]],
    "a failure": lambda t: [Failed(item=0, metrics=("legible",), error="x").model_dump_json().encode() + b"\n", *t[1:]],
    "nothing": lambda _: [],
}


@pytest.mark.parametrize("change", DIFFERENT.values(), ids=DIFFERENT)
def test_anything_else_is_left_to_be_read_line_by_line(change: Change) -> None:
    assert parse_measured(b"".join(GOOD)) is not None
    assert parse_measured(b"".join(change(list(GOOD)))) is None


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


@pytest.mark.parametrize("listed", REFUSED.values(), ids=REFUSED)
def test_what_would_be_refused_alone_leaves_no_trace_together(listed: list[Measured]) -> None:
    collector = Collector(CELLS, "here")
    collector.add(one(0), "here")
    before = collector.columns().state.copy()
    assert not collector.add_all(listed, range(50), lambda _metric, value: value in (0, 1))
    assert (collector.columns().state == before).all()
    for i in range(1, 30):
        collector.add(one(i), "here")  # as many are left as before
    with pytest.raises(EvidenceUntrusted, match="more items than planned"):
        collector.add(one(30), "here")
