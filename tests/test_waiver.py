"""When a waiver counts, and in what words it does not."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from releasegate.manifest import FileEntry, Manifest
from releasegate.plan import PlannedModel
from releasegate.trust import Trust
from releasegate.waiver import Case, Counts, Waiver, Waivers, unwaivable
from tests.tiny_gates import GONE, KEPT, MARKED, STRIP, Gate, capability, policy, share
from tests.tiny_waivers import (
    ALICE,
    MALLORY,
    SIGNED,
    TODAY,
    TRUST,
    case,
    draft,
    judged,
    listed,
    signed,
    violated,
    why_not,
    with_trust,
)


def test_a_signed_waiver_counts_for_the_finding_that_it_was_signed_for() -> None:
    assert judged(signed()) == Counts(signed(), listed(ALICE))


def test_it_counts_from_the_day_of_signing_to_its_last_day() -> None:
    waiver = signed()
    days = [SIGNED, date(2026, 6, 30)]
    assert all(isinstance(judged(waiver, today=day), Counts) for day in days)
    assert why_not(waiver, today=date(2026, 7, 1)) == "expired on 2026-06-30"
    assert why_not(waiver, today=date(2026, 1, 31)) == "counts from 2026-02-01, and today is 2026-01-31"


def other_attempt(gate: Gate) -> Case:
    """The same finding after another draw of the nonce."""
    found = case(gate)
    measurement = gate.plan.find("drawing", "source")
    assert measurement is not None
    again = gate.plan.model_copy(update={"nonce": "cd" * 32})
    return replace(found, measurement=again.identity(measurement))


def other_model(gate: Gate) -> Case:
    """The same finding on other weights under the same nonce."""
    entry = FileEntry(path="source", size=1, sha256="sha256:" + "f" * 64)
    model = PlannedModel(layout="tiny-hf", manifest=Manifest(files=(entry,)))
    measurement = gate.plan.find("drawing", "source")
    assert measurement is not None
    moved = measurement.model_copy(update={"model": model.manifest.digest()})
    return replace(case(gate), measurement=gate.plan.identity(moved))


ELSEWHERE = "is for another measurement: another model, another attempt, or other code"


def test_it_does_not_carry_over_to_another_model_attempt_or_code() -> None:
    gate = violated()
    measurement = gate.plan.find("drawing", "source")
    assert measurement is not None
    other_code = measurement.model_copy(update={"harness": "sha256:" + "2" * 64})
    code = replace(case(gate), measurement=gate.plan.identity(other_code))
    for elsewhere in (other_attempt(gate), other_model(gate), code, replace(case(gate), measurement=None)):
        assert why_not(signed(), case=elsewhere) == ELSEWHERE


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"policy": "other"}, "is for policy tiny, not other"),
        ({"requirement": "marked"}, "is for requirement weak, not marked"),
        ({"limit": 0.1}, "is for drawing/legible at_most 0.2, and weak says drawing/legible at_most 0.1"),
        ({"side": "at_least"}, "is for drawing/legible at_most 0.2, and weak says drawing/legible at_least 0.2"),
        ({"metric": "marking/found"}, "is for drawing/legible at_most 0.2, and weak says marking/found at_most 0.2"),
        ({"checkpoint": "stripped:drawing"}, "is for the checkpoint source, not stripped:drawing"),
        ({"opened": date(2026, 2, 2)}, "is dated 2026-02-01, before its attempt was opened on 2026-02-02"),
    ],
)
def test_a_foreign_waiver_says_what_it_is_about(changes: dict[str, Any], why: str) -> None:
    assert why_not(signed(), case=replace(case(), **changes)) == why


EXPIRED = "is signed with key alice, which is valid from 2026-01-01 to 2026-02-15, not on 2026-03-01"
LATER = "is signed with key alice, which is valid from 2026-02-15 to 2026-12-31, not on 2026-02-01"


@pytest.mark.parametrize(
    ("waiver", "trust", "why"),
    [
        (draft(), TRUST, "is not signed"),
        (signed(), None, "is signed with key alice, which is not trusted for waivers"),
        (signed(key="bob"), TRUST, "is signed with key bob, which is not trusted for waivers"),
        (signed(private=MALLORY), TRUST, "was changed after it was signed, or not signed with key alice"),
        (signed(), Trust(waivers=(listed(ALICE, valid_to="2026-02-15"),)), EXPIRED),
        (signed(), Trust(waivers=(listed(ALICE, valid_from="2026-02-15"),)), LATER),
    ],
)
def test_a_waiver_needs_a_signature_by_a_key_that_is_valid_then_and_now(
    waiver: Waiver, trust: Trust | None, why: str
) -> None:
    assert why_not(waiver, trust=trust) == why


# What may be waived.


def test_what_was_violated_and_what_is_not_settled_may_be_waived() -> None:
    for section in ("misuse", "safeguards", "keep"):
        assert unwaivable(section, "violated", None) is None  # type: ignore[arg-type]
        assert unwaivable(section, "not_shown", "unsettled") is None  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("section", "status", "reason", "why"),
    [
        ("misuse", "not_shown", "want_of_evidence", "is not shown for want of evidence, which is never waived"),
        (
            "safeguards",
            "not_shown",
            "does_not_count",
            "is a safeguard that does not count at the channel, which is never waived",
        ),
        ("keep", "met", None, "is met: there is nothing to waive"),
        ("misuse", "waived", None, "is waived, which is not waived"),
        ("misuse", "not_shown", None, "is not_shown, which is not waived"),
        ("misuse", "not_shown", "something new", "is not_shown, which is not waived"),
        ("removal", "violated", None, "shows that a capability was removed, which is never waived"),
        ("removal", "not_shown", "unsettled", "shows that a capability was removed, which is never waived"),
        ("something new", "violated", None, "shows that a capability was removed, which is never waived"),
    ],
)
def test_nothing_else_may_be_waived(section: Any, status: str, reason: str | None, why: str) -> None:
    assert unwaivable(section, status, reason) == why


def test_a_waiver_of_lost_evidence_does_not_count_though_it_was_signed_while_there_was_some() -> None:
    lost = Gate(violated().policy, {("drawing", "source"): share(15, missing=70)})
    assert why_not(signed(), case=case(lost)) == (
        "is for requirement weak, which is not shown for want of evidence, which is never waived"
    )


def test_a_waiver_of_what_was_not_settled_does_not_cover_a_violation() -> None:
    unsettled = case(violated(20))
    assert (unsettled.status, unsettled.reason) == ("not_shown", "unsettled")
    waiver = signed(unsettled)
    assert isinstance(judged(waiver, case=unsettled), Counts)
    assert why_not(waiver) == "was signed when weak was not_shown; it is violated now"
    assert isinstance(judged(signed(), case=unsettled), Counts)  # accepted when it looked worse


def test_a_removal_and_a_safeguard_that_a_user_can_take_off_are_never_waived() -> None:
    stripped = "stripped:drawing"
    outcomes = {
        ("drawing", "source"): share(90),
        ("drawing", stripped): share(90),
        ("naming", "source"): share(90),
        ("naming", stripped): share(10),
    }
    strip = Gate(with_trust(policy(capability("drawing", misuse=[GONE | {"id": "weak"}], **STRIP))), outcomes, stripped)
    gone, kept = case(strip, "gone"), case(strip, "kept")
    assert why_not(signed(gone), case=gone).endswith("shows that a capability was removed, which is never waived")
    assert isinstance(judged(signed(kept), case=kept), Counts)
    assert KEPT["id"] == kept.requirement
    wrapped = MARKED | {"enforced_by": "wrapper"}
    server = Gate(with_trust(policy(capability("a", safeguards={"w": [wrapped]}))), {("marking", "source"): share(99)})
    marked = case(server, "marked")
    assert why_not(signed(marked, finding="violated"), case=marked).endswith(
        "is a safeguard that does not count at the channel, which is never waived"
    )


# The form.


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"expires": "2026-01-31"}, "expires 2026-01-31 is before opened 2026-02-01"),
        ({"expires": "2027-02-02"}, "lasts 366 days, from opened to expires; at most 365"),
        ({"expires": "never"}, "must be a day such as 2026-01-31; got 'never'"),
        ({"reason": ""}, "must be text of printable characters and line feeds, and not empty"),
        ({"reason": " \n "}, "must be text of printable characters and line feeds, and not empty"),
        ({"reason": "fine\x1b[2Jfine"}, "must be text of printable characters and line feeds, and not empty"),
        ({"reason": "fine\u202eenif"}, "must be text of printable characters and line feeds, and not empty"),
        ({"owner": " "}, "must be one line of printable characters, without spaces around it"),
        ({"signature": "AAAA"}, "must be 64 bytes in base64"),
    ],
)
def test_a_waiver_that_says_too_little_or_lasts_too_long_is_none(changes: dict[str, str], what: str) -> None:
    with pytest.raises(ValidationError) as caught:
        draft(**changes)
    assert caught.value.errors()[0]["msg"] == f"Value error, {what}"


@pytest.mark.parametrize("finding", ["met", "waived", "want_of_evidence"])
def test_a_waiver_is_for_what_was_violated_or_not_shown(finding: str) -> None:
    with pytest.raises(ValidationError):
        draft(finding=finding)


def test_a_waiver_may_last_a_year() -> None:
    assert draft(expires="2027-02-01")


def test_a_waiver_is_the_same_after_writing_and_reading() -> None:
    assert Waiver.from_text(signed().text()) == signed()


# Every field is signed.

PLAIN = signed().plain()
TEXT = st.text(min_size=1, max_size=20)
VALUES: st.SearchStrategy[Any] = st.one_of(
    st.none(),
    TEXT,
    st.floats(allow_nan=False, allow_infinity=False),
    st.integers(-3, 3),
    st.dates(date(2025, 12, 1), date(2027, 3, 1)).map(str),
    st.sampled_from(sorted({str(value) for value in PLAIN.values()})),
    st.sampled_from(["violated", "not_shown", "at_least", "margin", "sha256:" + "0" * 64, "releasegate/waiver/v2"]),
)


@st.composite
def edited(draw: st.DrawFn) -> tuple[str, Any]:
    """A field, and another value for it: an unlike one, or one that differs by a character."""
    name = draw(st.sampled_from(sorted(PLAIN)))
    value = PLAIN[name]
    if not isinstance(value, str) or draw(st.booleans()):
        return name, draw(VALUES)
    at = draw(st.integers(0, len(value)))
    there = draw(st.sampled_from(["", " ", "\n", "A", "a", "0", "1", "9", "=", "-", ".", "é", "\u0301", "\x00"]))
    return name, value[:at] + there + value[at + draw(st.integers(0, 1)) :]


def still_counts(plain: dict[str, Any]) -> bool:
    """Whether the waiver of this data counts where the original does: held against what it now says it is about too."""
    try:
        waiver = Waiver.from_text(json.dumps(plain))
    except (ValidationError, ValueError):
        return False
    named = {name: getattr(waiver, name) for name in ("policy", "requirement", "metric", "side", "limit", "checkpoint")}
    claimed = replace(case(), **named, measurement=waiver.measurement)
    trust = Trust(waivers=(listed(ALICE), listed(MALLORY, "bob")))
    return any(isinstance(judged(waiver, case=of, trust=trust), Counts) for of in (case(), claimed))


@settings(max_examples=600, deadline=None)
@given(edited())
def test_any_change_to_any_field_makes_it_not_count(change: tuple[str, Any]) -> None:
    name, value = change
    assume(value != PLAIN[name] or type(value) is not type(PLAIN[name]))
    assert not still_counts({**PLAIN, name: value})


@pytest.mark.parametrize("name", sorted(PLAIN))
def test_a_waiver_without_one_of_its_fields_does_not_count(name: str) -> None:
    assert still_counts(PLAIN)
    assert not still_counts({key: value for key, value in PLAIN.items() if key != name})


# Several waivers.


def test_of_several_waivers_the_one_that_counts_longest_is_taken() -> None:
    short, long = signed(id="short", expires="2026-04-01"), signed(id="long", expires="2026-05-01")
    over = signed(id="over", expires="2026-02-02")
    waivers = Waivers((short, over, long, signed(id="b", policy="other")), TRUST, TODAY)
    assert waivers.on(case()) == Counts(long, listed(ALICE))
    assert [found.sentence for found in waivers.idle("tiny", [case()])] == [
        "waiver over does not count: it expired on 2026-02-02"
    ]


def test_a_waiver_of_a_requirement_that_was_not_judged_is_idle() -> None:
    waivers = Waivers((signed(requirement="weka"), signed(policy="other")), TRUST, TODAY)
    assert waivers.on(case()) is None
    assert [found.sentence for found in waivers.idle("tiny", [case()])] == [
        "waiver weak-for-now does not count: it is for requirement weka, which was not judged"
    ]


def test_without_waivers_nothing_is_waived() -> None:
    assert Waivers((), TRUST, TODAY).on(case()) is None
    assert Waivers((), None, TODAY + timedelta(1)).idle("tiny", [case()]) == ()
