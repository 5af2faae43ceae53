"""The interval that people are shown holds the value, and its deciding end is the bound that decided."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from releasegate.decision.estimating import Rule, judge_pairs, judge_share
from releasegate.decision.explaining import measured_text
from releasegate.decision.slices import Slice
from releasegate.evidence import Cell, Collector, Columns, Failed, Measured
from releasegate.intervals import Side


def columns(hits: int, misses: int, failed: int, missing: int) -> Columns:
    n = hits + misses + failed + missing
    collector = Collector((Cell(labels={}, metrics=("m",), n=n),), "here")
    for item in range(n - missing):
        if item < failed:
            collector.add(Failed(item=item, metrics=("m",), error="e"), "here")
        else:
            collector.add(Measured(item=item, values={"m": float(item < failed + hits)}), "here")
    return collector.columns()


counts = st.integers(0, 12)


@settings(max_examples=150, deadline=None)
@given(counts, counts, counts, counts, st.sampled_from(["at_most", "at_least"]), st.floats(0.05, 0.95))
def test_the_value_of_a_share_lies_in_its_interval(
    hits: int, misses: int, failed: int, missing: int, side: Side, limit: float
) -> None:
    n = hits + misses + failed + missing
    if not n:
        return
    found = judge_share("m", Slice({}, (0,), n), columns(hits, misses, failed, missing), Rule(side, limit, 0.03, 1.0))
    e, shown = found.estimate, found.estimate.interval
    assert shown is not None
    assert e.low is not None
    assert e.high is not None
    assert shown.low <= e.low
    assert e.high <= shown.high
    assert e.value is None or shown.low <= e.value <= shown.high
    deciding = "low" if (side == "at_least") == (found.status != "violated") else "high"
    outside = e.value is not None and not e.low <= e.value <= e.high
    assert outside or tuple(shown) == (e.low, e.high), "the two bounds, where they hold the value"
    if found.status == "met" or found.refuted:
        assert getattr(shown, deciding) == pytest.approx(getattr(e, deciding)), "what decided is what is shown"


@settings(max_examples=60, deadline=None)
@given(counts, counts, counts, counts)
def test_the_value_of_pairs_lies_in_their_interval(before: int, after: int, failed: int, rest: int) -> None:
    n = max(before, after, failed) + rest + 1
    base, other = (
        columns(before, n - before, 0, 0),
        columns(after, n - after - min(failed, n - after), 0, min(failed, n - after)),
    )
    found = judge_pairs("m", Slice({}, (0,), n), base, other, "higher", Rule("at_most", 0.3, 0.03, 1.0))
    e, shown = found.estimate, found.estimate.interval
    assert shown is not None
    assert e.value is None or shown.low <= e.value <= shown.high


def test_all_of_two_with_one_lost_is_shown_in_an_interval_that_reaches_one() -> None:
    """Perth's report said 100.0 % (10.4-99.0)."""
    found = judge_share("m", Slice({}, (0,), 3), columns(2, 0, 1, 0), Rule("at_least", 0.9, 0.0304, 1.0))
    assert measured_text(found, 0.9) == "100.0 % (10.4–99.0)", "the stored words stay what they were"
    assert measured_text(found, 0.9, shown=True) == "100.0 % (10.4–100.0)"
