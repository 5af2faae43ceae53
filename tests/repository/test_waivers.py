"""Reading the waivers of a gate repository: whole, strictly, and never past one that cannot be read."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from releasegate.errors import DocumentError
from releasegate.repository import GateRepository
from releasegate.repository.waivers import read_trust, read_waivers
from releasegate.trust import Trust
from tests.tiny_waivers import ALICE, MALLORY, TRUST, Desk, draft, listed, make_desk, signed, violated, with_trust

AGAIN = "restore it, or sign a new one with `releasegate waive`"


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """A gate repository with an empty folder for waivers."""
    made = make_desk(tmp_path / "repo", violated())
    made.waivers.mkdir()
    return made


def repository(desk: Desk) -> GateRepository:
    return GateRepository(desk.root.resolve())


def refusals(desk: Desk) -> list[str]:
    """`where: what | fix` of every problem."""
    with pytest.raises(DocumentError) as caught:
        read_waivers(repository(desk))
    return [f"{p.where}: {p.what} | {p.fix}" for p in caught.value.problems]


def test_a_repository_without_waivers_has_none(desk: Desk) -> None:
    assert read_waivers(repository(desk)) == ()
    desk.waivers.rmdir()
    assert read_waivers(repository(desk)) == ()


def test_waivers_are_read_by_name_and_drafts_with_them(desk: Desk) -> None:
    two, one = signed(id="b"), draft(id="a")
    for waiver in (two, one):
        (desk.waivers / f"{waiver.id}.json").write_text(waiver.text())
    (desk.waivers / "README.md").write_text("What these are.\n")
    assert read_waivers(repository(desk)) == (one, two)


def test_reasons_keep_their_signs(desk: Desk) -> None:
    waiver = signed(id="a", reason='Größer als "0,2": C:\\x / 𝛼 \n— ok 🙂')
    (desk.waivers / "a.json").write_text(waiver.text())
    assert read_waivers(repository(desk)) == (waiver,)


GOOD = signed(id="a").text()
Change = Callable[[Path], object]


def text(before: str, after: str) -> Change:
    assert before in GOOD
    return lambda path: path.write_text(GOOD.replace(before, after, 1))


def elsewhere(path: Path) -> None:
    other = path.parent.parent / "kept.json"
    other.write_text(GOOD)
    path.symlink_to(other)


BAD: list[tuple[Change, str]] = [
    (
        text("waiver/v1", "waiver/v2"),
        'policies/waivers/a.json:2:12: schema: unknown version "releasegate/waiver/v2"; this releasegate reads '
        '"releasegate/waiver/v1" | write `schema: releasegate/waiver/v1`',
    ),
    (
        text('"owner"', '"id": "a",\n "owner"'),
        "policies/waivers/a.json: is not JSON as releasegate writes it: the key 'id' stands twice in one object | "
        + AGAIN,
    ),
    (
        text('"limit": 0.2', '"limit": NaN'),
        f"policies/waivers/a.json: is not JSON as releasegate writes it: NaN is not JSON | {AGAIN}",
    ),
    (text('"owner"', '"approved": true,\n "owner"'), "policies/waivers/a.json:4:2: approved: unknown key | remove it"),
    (text(' "owner": "Alice Example",\n', ""), "policies/waivers/a.json:1:1: owner: missing | add `owner:`"),
    (
        text('"id": "a"', '"id": "b"'),
        "policies/waivers/a.json:3:8: id: the file is named a.json | rename the file to b.json",
    ),
    (
        text("2026-06-30", "2027-06-30"),
        "policies/waivers/a.json:1:1: lasts 514 days, from opened to expires; at most 365 | correct it",
    ),
    (
        text('"opened": "2026-02-01"', '"opened": "2026-02-31"'),
        "policies/waivers/a.json:6:12: opened: must be a day such as 2026-01-31; got '2026-02-31' | correct it",
    ),
    (elsewhere, "policies/waivers/a.json: is no regular file | put the file itself there"),
    (lambda path: path.mkdir(), "policies/waivers/a.json: is no regular file | put the file itself there"),
    (lambda path: os.mkfifo(path), "policies/waivers/a.json: is no regular file | put the file itself there"),
    (lambda path: path.write_text(GOOD + " " * 65536), f"policies/waivers/a.json: is larger than 64 KiB | {AGAIN}"),
    (
        lambda path: path.write_text("[]"),
        "policies/waivers/a.json:1:1: must be a mapping | start with `schema:`",
    ),
]


@pytest.mark.parametrize(("change", "expected"), BAD)
def test_a_waiver_that_cannot_be_read_is_an_error_at_its_place(desk: Desk, change: Change, expected: str) -> None:
    change(desk.waivers / "a.json")
    assert refusals(desk) == [expected]


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"schema: x\n", b"[" * 100_000, GOOD.encode("utf-16")])
def test_what_is_no_json_is_an_error(desk: Desk, content: bytes) -> None:
    (desk.waivers / "a.json").write_bytes(content[:60_000])
    (found,) = refusals(desk)
    assert found.startswith("policies/waivers/a.json")


def test_every_file_that_is_wrong_is_named(desk: Desk) -> None:
    (desk.waivers / "a.json").write_text("{}")
    (desk.waivers / "b.json").write_text(signed(id="b").text())
    (desk.waivers / "c.json").mkdir()
    assert [line.split(": ")[0] for line in refusals(desk)] == [
        "policies/waivers/a.json:1:1",
        "policies/waivers/c.json",
    ]


def test_a_folder_of_waivers_behind_a_symlink_is_refused(desk: Desk) -> None:
    desk.waivers.rename(desk.root / "elsewhere")
    desk.waivers.symlink_to(desk.root / "elsewhere")
    assert refusals(desk) == ["policies/waivers: is a symlink | put a folder there"]


# Whose signatures count for a run.


def test_the_keys_that_count_are_those_of_the_plan_that_the_repository_lists_still(desk: Desk) -> None:
    fixed = desk.plan.policy
    both = Trust(waivers=(listed(ALICE), listed(MALLORY, "mallory")))
    assert read_trust(repository(desk), fixed) == TRUST
    desk.policy.write_text(with_trust(fixed, both).text())
    assert read_trust(repository(desk), fixed) == TRUST
    assert read_trust(repository(desk), with_trust(fixed, both)) == both
    desk.policy.write_text(with_trust(fixed, None).text())
    assert read_trust(repository(desk), fixed) is None
    desk.policy.unlink()
    assert read_trust(repository(desk), fixed) is None


def test_a_policy_without_keys_trusts_nobody_whatever_the_repository_says(tmp_path: Path) -> None:
    gate = violated()
    plain = replace(gate, policy=with_trust(gate.policy, None))
    desk = make_desk(tmp_path / "repo", plain)
    desk.policy.write_text(gate.policy.text())
    assert read_trust(repository(desk), desk.plan.policy) is None


def test_a_policy_that_cannot_be_read_is_an_error(desk: Desk) -> None:
    data = json.loads(desk.policy.read_text())
    data["trust"]["waivers"][0]["valid_to"] = "2025-01-01"
    desk.policy.write_text(json.dumps(data))
    with pytest.raises(DocumentError) as caught:
        read_trust(repository(desk), desk.plan.policy.model_copy(update={"trust": TRUST}))
    assert "valid_from 2026-01-01 is after valid_to 2025-01-01" in str(caught.value)
