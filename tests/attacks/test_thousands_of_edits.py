"""Thousands of edits of what a run stores: each is refused, or it is no edit of what the record says."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from releasegate.decision import decide
from releasegate.errors import EvidenceUntrusted, LedgerError
from releasegate.evidence import Failed, Measured, parse_sample
from releasegate.ledger import check_anchor, parse_ledger
from releasegate.plan import Plan
from tests.decision.test_losing_evidence import Case, cases, verdicts
from tests.tiny_gates import OPENED, evidence_of
from tests.tiny_ledgers import EVENTS, ledger

THOROUGH = settings(max_examples=5000, deadline=None, suppress_health_check=[HealthCheck.too_slow])
TEXT = ledger(*EVENTS)
SAMPLE: dict[str, Any] = json.loads(
    Measured(item=3, labels={"digit": "3"}, values={"legible": 1.0}, detail={"prompt": "draw"}).model_dump_json()
)


def edited(data: st.DataObject, text: bytes) -> bytes:
    """The text with some bytes replaced, inserted or removed, or with lines moved, doubled or taken out."""
    at = data.draw(st.integers(0, len(text)))
    match data.draw(st.sampled_from(["replace", "insert", "remove", "line"])):
        case "replace":
            return text[:at] + data.draw(st.binary(min_size=1, max_size=4)) + text[at + 1 :]
        case "insert":
            return text[:at] + data.draw(st.binary(min_size=1, max_size=4)) + text[at:]
        case "remove":
            return text[:at] + text[at + data.draw(st.integers(1, 200)) :]
        case _:
            lines = text.splitlines(keepends=True)
            listed = data.draw(st.lists(st.sampled_from(lines), max_size=len(lines) + 2))
            return b"".join(listed)


@pytest.mark.slow
@THOROUGH
@given(st.data())
def test_an_edited_ledger_is_refused_or_shown_as_rolled_back_by_an_anchor(data: st.DataObject) -> None:
    text = edited(data, TEXT)
    assume(text != TEXT)
    anchor = parse_ledger(TEXT, "whole").anchor
    with pytest.raises(LedgerError):
        check_anchor(parse_ledger(text, "edited"), anchor)


@pytest.mark.slow
@THOROUGH
@given(st.data())
def test_a_sample_without_a_field_or_with_a_strange_one_is_refused(data: st.DataObject) -> None:
    sample = dict(SAMPLE)
    key = data.draw(st.sampled_from(["outcome", "item", "values"]))
    if data.draw(st.booleans()):
        del sample[key]
    else:
        strange = st.one_of(
            st.none(),
            st.booleans(),
            st.text(),
            st.floats().filter(lambda x: x not in (0.0, 1.0)),
            st.lists(st.integers()),
        )
        sample[key] = (
            {"legible": data.draw(strange.filter(lambda x: not isinstance(x, float) or x != x))}
            if key == "values"
            else data.draw(strange)
        )
    assume(sample != SAMPLE)
    with pytest.raises(EvidenceUntrusted):
        parse_sample(json.dumps(sample).encode(), "edited")


@pytest.mark.slow
@THOROUGH
@given(st.sampled_from(["item", "labels", "values", "outcome"]), st.integers(0, 5))
def test_a_sample_with_a_key_twice_is_refused(key: str, spaces: int) -> None:
    line = json.dumps(SAMPLE)
    doubled = f'{{"{key}":{" " * spaces}{json.dumps(SAMPLE[key])},{line[1:]}'
    with pytest.raises(EvidenceUntrusted, match="twice"):
        parse_sample(doubled.encode(), "edited")


@pytest.mark.slow
@THOROUGH
@given(cases(), st.permutations(range(40)))
def test_the_order_of_records_changes_nothing_in_thousands_of_cases(case: Case, order: list[int]) -> None:
    plan: Plan = case.plan
    plain = decide(case.policy, plan, evidence_of(plan, case.outcomes), case.receipt, OPENED)
    other = decide(case.policy, plan, evidence_of(plan, case.outcomes, order=order), case.receipt, OPENED)
    assert verdicts(other) == verdicts(plain)
    assert other.text() == plain.text()


def test_a_failure_may_be_stored_without_labels() -> None:
    """The fields that may be left out are those with a default."""
    line = Failed(item=1, metrics=("legible",), error="broken").model_dump_json()
    assert parse_sample(line.encode(), "written") == Failed(item=1, metrics=("legible",), error="broken")
