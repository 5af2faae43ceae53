"""Which approvals count, for whom, and what is missing."""

from __future__ import annotations

import json
from datetime import date
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from releasegate.approval import Approval, awaiting_sentence, person, places
from releasegate.records import digest_of
from releasegate.trust import Trust
from tests.tiny_approvals import approval, approver, of, other_matter


def missing(*approvals: Approval, **changes: Any) -> dict[str, int]:
    return {one.role: one.missing for one in of(*approvals, **changes)}


def why(made: Approval, **changes: Any) -> str:
    (one,) = of(made, **changes)
    assert one.missing == 1
    (sentence,) = one.idle
    return sentence


def test_an_approval_by_a_key_with_the_role_is_counted() -> None:
    (lead,) = of(approval("bob", "lead"))
    assert (lead.missing, lead.idle) == (0, ())
    assert [(one.key.owner, one.approval.key) for one in lead.given] == [("Bob Example", "bob")]


def test_nothing_given_is_everything_missing() -> None:
    found = of(asks={"lead": 2, "safety": 1})
    assert awaiting_sentence(found) == "awaiting approval: lead (0 of 2), safety"
    assert awaiting_sentence(of(approval("bob", "lead"))) is None
    assert awaiting_sentence(of(approval("bob", "lead"), asks={"lead": 2})) == "awaiting approval: lead (1 of 2)"


@pytest.mark.parametrize(
    ("made", "sentence"),
    [
        (approval("bob", "lead", decision=digest_of("before")), "is for another decision"),
        (approval("bob", "lead", policy="other"), "is for policy other, not tiny"),
        (
            approval("bob", "lead", verdict="release_stripped"),
            "says verdict release_stripped, and its decision says release",
        ),
        (approval("bob", "lead", channel="api"), "says channel api, and its decision says open_weights"),
        (approval("bob", "lead", signed_by="eve"), "was changed after it was signed, or not signed with key bob"),
        (
            approval("bob", "lead").model_copy(update={"role": "lead", "day": "2026-02-02"}),
            "was changed after it was signed, or not signed with key bob",
        ),
        (approval("bob", "lead").model_copy(update={"signature": None}), "is not signed"),
        (
            approval("eve", "lead"),
            "is signed with key eve, which is not trusted for approvals",
        ),
        (approval("cyd", "lead"), "is signed with key cyd, which has no role lead"),
        (approval("bob", "lead", owner="Ann Example"), "names another owner than the policy does for key bob"),
        (
            approval("bob", "lead", day="2025-12-31"),
            "is signed with key bob, which is valid from 2026-01-01 to 2026-12-31, not on 2025-12-31",
        ),
        (approval("bob", "lead", day="2026-02-11"), "is dated 2026-02-11, and today is 2026-02-10"),
    ],
)
def test_what_does_not_count_is_told_with_its_reason(made: Approval, sentence: str) -> None:
    assert why(made) == f"approval by {made.key} as {made.role} does not count: it {sentence}"


@pytest.mark.parametrize("name", ["plan", "source", "released"])
def test_an_approval_that_says_other_digests_than_its_decision_does_not_count(name: str) -> None:
    assert f"says {name} sha256:" in why(approval("bob", "lead", **{name: digest_of("other")}))


def test_an_approval_from_before_the_attempt_was_opened_does_not_count() -> None:
    late = other_matter(opened=date(2026, 2, 2))
    assert why(approval("bob", "lead"), matter=late).endswith(
        "it is dated 2026-02-01, before its attempt was opened on 2026-02-02"
    )


@pytest.mark.parametrize("days", [{"valid_to": "2026-02-09"}, {"valid_from": "2026-02-02"}])
def test_the_key_must_be_valid_when_it_signed_and_today(days: dict[str, str]) -> None:
    trust = Trust(approvals=(approver("bob", **days),))
    assert "which is valid from" in why(approval("bob", "lead"), trust=trust)


def test_a_key_that_is_trusted_for_something_else_approves_nothing() -> None:
    listed = approver("bob").plain()
    listed.pop("roles")
    for purpose in ("waivers", "revocations"):
        trust = Trust.from_text(json.dumps({purpose: [listed]}))
        assert "not trusted for approvals" in why(approval("bob", "lead"), trust=trust)
    assert "not trusted for approvals" in why(approval("bob", "lead"), trust=None)


def test_a_person_is_counted_once_in_a_role_whatever_the_number_of_keys() -> None:
    (lead,) = of(approval("ann", "lead"), approval("ann-too", "lead"), asks={"lead": 2})
    assert lead.missing == 1
    assert lead.idle == (
        "approval by ann-too as lead does not count: it is by ann  example, who is counted once, as lead",
    )
    assert missing(approval("ann", "lead"), approval("bob", "lead"), asks={"lead": 2}) == {"lead": 0}


@pytest.mark.parametrize(
    "spelt",
    [
        "ADA",
        "Ada  ",
        "\u0410da",
        "Ad\u0430",
        "\u0391da",
        "\uff21da",
        "A\u034fda",
        "Ada\ufe0f",
        "\u3164Ada",
        "\U0001d400da",
    ],
    ids=ascii,
)
def test_an_owner_who_only_looks_like_another_one_is_the_same(spelt: str) -> None:
    assert person(spelt) == person("Ada")


def test_people_who_are_called_alike_are_two() -> None:
    names = ["Ada", "Adam", "Eda", "Ada Byron", "\u00c1da", "\u0410\u043d\u043d\u0430", "\u5c0f\u767e\u5408"]
    assert len({person(name) for name in names}) == len(names)


def test_a_person_is_counted_in_one_role() -> None:
    both = (approval("ann", "lead"), approval("ann-too", "safety"))
    assert sum(missing(*both, asks={"lead": 1, "safety": 1}).values()) == 1
    (lead, safety) = of(*both, asks={"lead": 1, "safety": 1})
    assert "who is counted once, as" in (lead.idle + safety.idle)[0]


def test_people_are_placed_so_that_most_places_are_filled_in_whatever_order_they_signed() -> None:
    made = (approval("ann", "lead"), approval("ann", "safety"), approval("bob", "lead"))
    for order in permutations(made):
        found = of(*order, asks={"lead": 1, "safety": 1})
        assert awaiting_sentence(found) is None
        assert [[one.approval.key for one in role.given] for role in found] == [["bob"], ["ann"]]


def test_more_approvals_than_are_asked_for_do_no_harm() -> None:
    (lead,) = of(approval("ann", "lead"), approval("bob", "lead"))
    assert (len(lead.given), lead.missing) == (1, 0)
    assert lead.idle[0].endswith("it is not needed: 1 of 1 are counted")


def test_an_approval_in_a_role_that_nobody_asks_for_is_not_counted() -> None:
    assert missing(approval("cyd", "safety")) == {"lead": 1}


roles = st.sampled_from(["lead", "safety", "legal"])


@given(
    st.dictionaries(roles, st.integers(1, 3), min_size=1),
    st.dictionaries(roles, st.sets(st.sampled_from("abcdef"), max_size=4)),
)
@settings(deadline=None, max_examples=60)
def test_no_way_to_place_people_fills_more_places(counts: dict[str, int], able: dict[str, set[str]]) -> None:
    placed = places(counts, {role: sorted(people) for role, people in able.items()})
    everybody = [who for people in placed.values() for who in people]
    assert len(set(everybody)) == len(everybody)
    assert all(placed[role] <= able.get(role, set()) and len(placed[role]) <= counts[role] for role in counts)
    slots = [role for role, count in counts.items() for _ in range(count)]

    def most(at: int, used: frozenset[str]) -> int:
        """By trying everything: the most places from the slot `at` on."""
        if at == len(slots):
            return 0
        free = able.get(slots[at], set()) - used
        return max([most(at + 1, used), *(1 + most(at + 1, used | {who}) for who in free)])

    assert len(everybody) == most(0, frozenset())


def test_every_change_of_a_signed_approval_voids_it() -> None:
    made = approval("bob", "lead").plain()
    for name, value in made.items():
        if name in ("schema", "signature"):
            continue
        other = {
            "channel": "api",
            "verdict": "withhold",
            "day": "2026-02-03",
        }.get(name, digest_of("x") if str(value).startswith("sha256:") else "cyd")
        changed = Approval.model_validate({**made, name: other})
        assert missing(changed) == {"lead": 1}, name


def test_an_approval_of_v1_is_signed_as_it_was() -> None:
    golden = Path(__file__).parent / "golden" / "v1" / "approval.json"
    assert Approval.from_text(golden.read_bytes()) == approval("bob", "lead")
