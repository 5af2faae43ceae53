"""Wherever a number stands beside a limit, it is read on the side that it is on."""

from __future__ import annotations

import io
import re
from collections.abc import Iterable
from decimal import Decimal
from typing import Literal

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from rich.console import Console

from releasegate.cli.summary import print_summary
from releasegate.decision import Finding
from releasegate.decision.explaining import sentence
from releasegate.decision.record import SliceFinding
from releasegate.difference import Found, found_text
from releasegate.reporting.findings.charting import charts
from releasegate.reporting.findings.finding import finding_view
from releasegate.reporting.findings.reasons import reason
from releasegate.reporting.findings.standing import standing
from releasegate.reporting.gathered.gathering import Gathered
from tests.reporting.example_run import Example
from tests.reporting.example_run import example as example_run
from tests.test_rounding import order, pairs

NUMBER = r"(-?\d+(?:\.\d+)?(?:e-?\d+)?)"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Example:
    return example_run(tmp_path_factory.mktemp("beside") / "run")


@st.composite
def numbers(draw: st.DrawFn) -> tuple[float, float, float, float | None]:
    """Lower bound, value, upper bound, and where the limit was moved to; then the stated limit beside them."""
    value, limit = draw(pairs())
    low, high = draw(pairs())[0], draw(pairs())[0]
    return value, min(low, high), limit, draw(st.none() | st.sampled_from([limit + 1e-5, value, value + 1e-6]))


def with_numbers(
    finding: Finding, found: tuple[float, float, float, float | None], side: Literal["at_most", "at_least"]
) -> Finding:
    """The finding with other numbers in its only slice."""
    value, low, limit, moved = found
    worst = finding.slices[0]
    estimate = worst.estimate.model_copy(update={"value": value, "low": low, "high": value})
    part = worst.model_copy(update={"estimate": estimate, "tested_limit": moved, "refuting_limit": None})
    return finding.model_copy(update={"limit": limit, "side": side, "slices": (part,)})


def keeps(texts: Iterable[tuple[str, float]], limits: Iterable[tuple[str, float]]) -> bool:
    """Whether each text is on the side of each text of a limit that its number is on of the limit."""
    return all(
        order(Decimal(text), Decimal(shown)) == order(number, limit)
        for text, number in texts
        for shown, limit in list(limits)
    )


def limits_in(text: str, found: SliceFinding, stated: float) -> list[tuple[str, float]]:
    shown = re.findall(NUMBER, text)
    return list(zip(shown, (stated, found.tested_limit) if found.tested_limit is not None else (stated,), strict=True))


SIDES = st.sampled_from(["at_most", "at_least"])
FEW = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@FEW
@given(numbers(), SIDES)
@example((0.9899, 0.9, 0.99, None), "at_least")
@example((0.199999, 0.1, 0.2, 0.20001), "at_most")
@example((1e-7, 0.0, 0.0, None), "at_most")
def test_page_comment_chart_and_notebook_keep_every_number_on_its_side(
    made: Example, found: tuple[float, float, float, float | None], side: Literal["at_most", "at_least"]
) -> None:
    finding = with_numbers(made.decision.capabilities[0].findings[0], found, side)
    part = finding.slices[0]
    value, low = found[:2]
    view = finding_view(finding, made.plan, Gathered())
    limits = limits_in(view.limit, part, finding.limit)
    assert keeps([(view.estimate, value), (view.low, low), (view.high, value)], limits)
    told = standing(finding, part)
    assert told.limit == view.limit
    assert keeps([(told.estimate, value), (told.low, low)], limits)
    [chart] = charts([finding], made.plan)
    shown = re.findall(NUMBER, chart.rows[-1].numbers)
    assert keeps(zip(shown, (value, low, value), strict=True), limits)
    ends = re.search(rf"from {NUMBER} to {NUMBER}, limit [a-z ]+{NUMBER}\.$", chart.description)
    assert ends
    assert keeps([(ends[1], low), (ends[2], value)], [(ends[3], finding.limit)])


@FEW
@given(numbers(), SIDES)
@example((0.9899, 0.9, 0.99, None), "at_least")
def test_sentences_summary_and_difference_keep_every_number_on_its_side(
    made: Example, found: tuple[float, float, float, float | None], side: Literal["at_most", "at_least"]
) -> None:
    first = made.decision.capabilities[0]
    finding = with_numbers(first.findings[0], found, side)
    capability = first.model_copy(update={"findings": (finding,), "route": None})
    value, low, limit, _ = found
    why = reason(capability, (), made.plan)
    told = re.search(rf": {NUMBER}(?: as trained)?[,;] limit [a-z ]+{NUMBER}", why)
    assert told, why
    assert keeps([(told[1], value)], [(told[2], limit)])
    said = found_text(
        Found(
            status=finding.status,
            metric=finding.metric,
            side=side,
            limit=limit,
            labels={},
            estimate=finding.slices[0].estimate,
        )
    )
    parts = re.search(rf" = {NUMBER}, bounds {NUMBER} – {NUMBER}, [a-z ]+{NUMBER}$", said)
    assert parts, said
    assert keeps([(parts[1], value), (parts[2], low), (parts[3], value)], [(parts[4], limit)])
    text = io.StringIO()
    update = {"capabilities": (capability,), "strip": None}
    print_summary(Console(file=text, width=400), made.decision.model_copy(update=update), {})
    row = next(line for line in text.getvalue().splitlines() if line.startswith(finding.requirement))
    cells = re.search(rf" {NUMBER} +{NUMBER} – {NUMBER} +[≤≥] {NUMBER} ", row)
    assert cells, row
    assert keeps([(cells[1], value), (cells[2], low), (cells[3], value)], [(cells[4], limit)])


@FEW
@given(numbers(), SIDES)
@example((0.18738, 0.1, 0.2, 0.18736), "at_most")
@example((0.6473998246322321, -0.1, 0.6473997246322322, 0.6474097246322321), "at_least")
def test_a_sentence_of_a_decision_keeps_its_bound_on_its_side(
    made: Example, found: tuple[float, float, float, float | None], side: Literal["at_most", "at_least"]
) -> None:
    finding = with_numbers(made.decision.capabilities[0].findings[0], found, side)
    part = finding.slices[0]
    text = sentence(part, finding.metric, side, finding.limit, (), 0.05)
    shown = re.search(rf"at (?:most|least) {NUMBER}(?: \(tested at {NUMBER} .*?\))? is .* bound {NUMBER} at", text)
    assert shown, text
    bound = part.estimate.low if (side == "at_least") == (part.status != "violated") else part.estimate.high
    assert bound is not None
    limits = [(shown[1], finding.limit)] + ([(shown[2], found[3])] if found[3] is not None else [])
    assert keeps([(shown[3], bound)], limits)
