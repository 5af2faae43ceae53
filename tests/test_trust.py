"""Which keys a policy may list, and when a signature counts."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from releasegate.errors import DocumentError
from releasegate.policy import parse_policy
from releasegate.records import Document
from releasegate.signing import Untrusted, public_bytes, sign, signed_bytes, verify
from releasegate.trust import PRIME, PublicKey, Trust, still
from tests.tiny_waivers import ALICE, MALLORY, TODAY, TRUST, draft, listed, private_key, signed

D = -121665 * pow(121666, -1, PRIME) % PRIME
Point = tuple[int, int]


def encoded(y: int, sign_bit: int = 0) -> str:
    """A point as a public key is written."""
    return base64.b64encode((y | sign_bit << 255).to_bytes(32, "little")).decode()


def refusal(key: str) -> str:
    """Why a policy may not list `key`."""
    with pytest.raises(ValidationError) as caught:
        PublicKey(id="k", key=key, owner="K", valid_from="2026-01-01", valid_to="2026-01-01")
    return caught.value.errors()[0]["msg"].removeprefix("Value error, ")


def point(y: int) -> Point | None:
    """The point with this y and an even x, if there is one: a slow reference."""
    square = (y * y - 1) * pow(D * y * y + 1, -1, PRIME) % PRIME
    x = pow(square, (PRIME + 3) // 8, PRIME)
    for root in (x, x * pow(2, (PRIME - 1) // 4, PRIME) % PRIME):
        if root * root % PRIME == square:
            return (root if root % 2 == 0 else PRIME - root) % PRIME, y
    return None


def add(one: Point, other: Point) -> Point:
    """The sum of two points (RFC 8032, section 5.1.4)."""
    (x1, y1), (x2, y2) = one, other
    t = D * x1 * x2 * y1 * y2 % PRIME
    return (x1 * y2 + x2 * y1) * pow(1 + t, -1, PRIME) % PRIME, (y1 * y2 + x1 * x2) * pow(1 - t, -1, PRIME) % PRIME


def times(number: int, base: Point) -> Point:
    """`base` added to itself."""
    total: Point = (0, 1)
    while number:
        total, base, number = (add(total, base) if number & 1 else total), add(base, base), number >> 1
    return total


def low_order() -> set[Point]:
    """Every point whose order divides 8, found by taking the large prime out of points."""
    large = 2**252 + 27742317777372353535851937790883648493
    found: set[Point] = set()
    for y in range(2, 60):
        start = point(y)
        if start is not None:
            small = times(large, start)
            found |= {times(k, small) for k in range(8)}
    return found


def test_every_point_of_low_order_is_refused() -> None:
    points = low_order()
    assert len(points) == 8
    for x, y in points:
        assert "one signature fits many documents" in refusal(encoded(y, x & 1))


@pytest.mark.parametrize("y", [PRIME, PRIME + 1, PRIME + 5, 2**255 - 1])
def test_a_point_that_is_not_written_in_its_one_way_is_refused(y: int) -> None:
    assert refusal(encoded(y)) == "is no Ed25519 key: no point of the curve is written like that"


def test_a_y_without_a_point_is_refused() -> None:
    y = next(y for y in range(2, 60) if point(y) is None)
    assert refusal(encoded(y)) == "is no Ed25519 key: no point of the curve is written like that"


@pytest.mark.parametrize(("y", "sign_bit"), [(1, 1), (PRIME - 1, 1)])
def test_a_negative_zero_is_refused(y: int, sign_bit: int) -> None:
    assert refusal(encoded(y, sign_bit)) == "is no Ed25519 key: no point of the curve is written like that"


GOOD = public_bytes(ALICE)


@pytest.mark.parametrize(
    "key",
    [
        "",
        "x",
        GOOD[:-1],
        GOOD + "\n",
        " " + GOOD,
        GOOD + GOOD,
        GOOD.replace("=", ""),
        "-" * 43 + "=",
        "é" * 44,
        "A" * 44,
    ],
)
def test_a_key_is_32_bytes_in_base64_and_nothing_else(key: str) -> None:
    assert refusal(key) == "must be 32 bytes in base64"


def test_base64_with_loose_bits_at_its_end_is_refused() -> None:
    last = chr(ord(GOOD[42]) + 1)
    loose = GOOD[:42] + last + "="
    assert base64.b64decode(loose) == base64.b64decode(GOOD)
    assert refusal(loose) == "must be 32 bytes in base64"


@given(st.binary(min_size=32, max_size=32))
def test_every_key_that_is_made_can_be_listed(seed: bytes) -> None:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    assert listed(Ed25519PrivateKey.from_private_bytes(seed)).valid_on(date(2026, 5, 5))


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"valid_from": "2027-01-01"}, "valid_from 2027-01-01 is after valid_to 2026-12-31"),
        ({"valid_from": "2026-02-30"}, "must be a day such as 2026-01-31; got '2026-02-30'"),
        ({"valid_from": "20260101"}, "must be a day such as 2026-01-31; got '20260101'"),
        ({"valid_from": "2026-W01-1"}, "must be a day such as 2026-01-31; got '2026-W01-1'"),
        ({"valid_from": "٢٠٢٦-01-01"}, "must be a day such as 2026-01-31; got '٢٠٢٦-01-01'"),
        ({"valid_to": "2026-12-31T00:00:00"}, "must be a day such as 2026-01-31; got '2026-12-31T00:00:00'"),
        ({"owner": " A"}, "must be one line of printable characters, without spaces around it"),
        ({"owner": "A\nB"}, "must be one line of printable characters, without spaces around it"),
        ({"owner": "A\x1b[31m"}, "must be one line of printable characters, without spaces around it"),
    ],
)
def test_a_key_says_who_holds_it_and_on_which_days_it_counts(changes: dict[str, str], expected: str) -> None:
    with pytest.raises(ValidationError) as caught:
        listed(ALICE, **changes)
    assert caught.value.errors()[0]["msg"] == f"Value error, {expected}"


def test_a_key_counts_from_its_first_to_its_last_day() -> None:
    key = listed(ALICE, valid_from="2026-02-01", valid_to="2026-02-03")
    assert [key.valid_on(date(2026, 2, day)) for day in (1, 2, 3, 4)] == [True, True, True, False]
    assert not key.valid_on(date(2026, 1, 31))


POLICY = """\
schema: releasegate/policy/v1
id: tiny
title: Tiny
model: {layout: tiny-hf, subject: tiny}
release: {channel: api}
capabilities:
  - {id: a, title: A, rationale: Harmless., unconditional: true}
trust:
"""
ENTRY = f"    - {{id: alice, key: {GOOD}, owner: Alice, valid_from: 2026-01-01, valid_to: 2026-12-31}}\n"
OTHER = public_bytes(MALLORY)


@pytest.mark.parametrize(
    ("text", "where", "what"),
    [
        ("  waivers: []\n", "9:12", "trust.waivers: must not be empty"),
        ("  signers:\n" + ENTRY, "9:3", "trust.signers: unknown key"),
        ("  waivers:\n" + ENTRY.replace("key:", "kind: x, key:"), "10:19", "trust.waivers.0.kind: unknown key"),
        ("  waivers:\n" + ENTRY + ENTRY.replace(GOOD, OTHER), "9:3", "trust: two keys have the id alice"),
        (
            "  waivers:\n" + ENTRY + ENTRY.replace("alice", "bob"),
            "9:3",
            "trust: key bob stands there already under another id: a key has one purpose and one owner",
        ),
        (
            "  waivers:\n" + ENTRY.replace(GOOD, encoded(1)),
            "10:24",
            "trust.waivers.0.key: is no Ed25519 key: a point of",
        ),
    ],
)
def test_what_is_wrong_with_a_list_of_keys_is_said_at_its_place(text: str, where: str, what: str) -> None:
    with pytest.raises(DocumentError) as caught:
        parse_policy(POLICY + text, "p.yaml")
    found = caught.value.problems[0]
    assert found.where == f"p.yaml:{where}"
    assert found.what.startswith(what)


def test_a_policy_without_keys_has_the_digest_that_it_always_had() -> None:
    plain = parse_policy(POLICY.removesuffix("trust:\n"), "p.yaml").record
    assert "trust" not in plain.plain()
    assert parse_policy(POLICY + "  waivers:\n" + ENTRY, "p.yaml").record.trust == Trust(waivers=(listed(ALICE),))


# Signatures.


def test_what_is_signed_is_the_schema_a_line_feed_and_the_canonical_form_without_the_signature() -> None:
    made = signed()
    schema, _, payload = signed_bytes(made).partition(b"\n")
    assert schema == b"releasegate/waiver/v1"
    assert json.loads(payload) == draft().plain()
    assert payload == json.dumps(draft().plain(), sort_keys=True, separators=(",", ":")).encode()


class Other(Document):
    """Another kind of document with the same fields."""

    policy: str


def test_a_signature_of_one_kind_of_document_fits_no_other_kind() -> None:
    one, other = Other(schema="releasegate/one/v1", policy="p"), Other(schema="releasegate/two/v1", policy="p")
    by_alice = sign(one, ALICE)
    assert verify(one, by_alice, "alice", TRUST, "waivers", [TODAY]) == listed(ALICE)
    why = "was changed after it was signed, or not signed with key alice"
    assert verify(other, by_alice, "alice", TRUST, "waivers", [TODAY]) == Untrusted(why)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"signature": None}, "is not signed"),
        ({"key_id": "bob"}, "is signed with key bob, which is not trusted for waivers"),
        ({"trust": None}, "is signed with key alice, which is not trusted for waivers"),
        ({"trust": Trust()}, "is signed with key alice, which is not trusted for waivers"),
        (
            {"trust": Trust(waivers=(listed(MALLORY),))},
            "was changed after it was signed, or not signed with key alice",
        ),
        (
            {"days": [TODAY, date(2027, 1, 1)]},
            "is signed with key alice, which is valid from 2026-01-01 to 2026-12-31, not on 2027-01-01",
        ),
        (
            {"days": [date(2025, 12, 31)]},
            "is signed with key alice, which is valid from 2026-01-01 to 2026-12-31, not on 2025-12-31",
        ),
    ],
)
def test_a_signature_that_does_not_count_says_why(changes: dict[str, Any], why: str) -> None:
    made = draft()
    given: dict[str, Any] = {
        "signature": sign(made, ALICE),
        "key_id": "alice",
        "trust": TRUST,
        "days": [TODAY],
        **changes,
    }
    found = verify(made, given["signature"], given["key_id"], given["trust"], "waivers", given["days"])
    assert found == Untrusted(why)


def test_a_signature_moved_by_the_order_of_the_group_does_not_fit() -> None:
    made = draft()
    raw = base64.b64decode(sign(made, ALICE))
    s = int.from_bytes(raw[32:], "little") + 2**252 + 27742317777372353535851937790883648493
    moved = base64.b64encode(raw[:32] + s.to_bytes(32, "little")).decode()
    assert isinstance(verify(made, moved, "alice", TRUST, "waivers", [TODAY]), Untrusted)


# What counts is what the plan and the repository both trust.


BOB = private_key(3)


def test_a_key_that_was_taken_out_counts_no_more_and_one_that_was_added_later_not_yet() -> None:
    alice, bob = listed(ALICE), listed(BOB, "bob")
    assert still(Trust(waivers=(alice,)), Trust(waivers=(alice, bob))) == Trust(waivers=(alice,))
    assert still(Trust(waivers=(alice, bob)), Trust(waivers=(bob,))) == Trust(waivers=(bob,))
    assert still(Trust(waivers=(alice,)), Trust(waivers=(bob,))) is None
    assert still(Trust(waivers=(alice,)), Trust()) is None
    assert still(Trust(waivers=(alice,)), None) is None
    assert still(None, Trust(waivers=(alice,))) is None


def test_a_key_that_was_replaced_under_its_name_counts_for_neither() -> None:
    assert still(Trust(waivers=(listed(ALICE),)), Trust(waivers=(listed(BOB, "alice"),))) is None


def test_a_key_counts_on_the_days_that_both_name() -> None:
    fixed = Trust(waivers=(listed(ALICE, valid_from="2026-01-01", valid_to="2026-06-30"),))
    today = Trust(waivers=(listed(ALICE, valid_from="2026-03-01", valid_to="2027-06-30"),))
    expected = listed(ALICE, valid_from="2026-03-01", valid_to="2026-06-30")
    assert still(fixed, today) == Trust(waivers=(expected,))
    apart = Trust(waivers=(listed(ALICE, valid_from="2026-07-01", valid_to="2026-07-31"),))
    assert still(fixed, apart) is None


def test_reading_policies_and_waivers_does_not_load_cryptography() -> None:
    code = "import sys, releasegate.policy, releasegate.waiver; sys.exit('cryptography' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
