"""A waiver that was forged, changed, moved or outlived its key does not count: each way with its reason.

Every attack starts from a gate repository on disk with one waiver that counts, and ends in no waiver that does.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import rfc8785

from releasegate.decision.waiving import case_of
from releasegate.errors import DocumentError
from releasegate.repository import GateRepository
from releasegate.repository.waivers import read_trust, read_waivers
from releasegate.signing import public_bytes, sign, signed_bytes
from releasegate.trust import PRIME
from releasegate.waiver import Waivers
from tests.tiny_gates import MARKED, STRIP, WEAK, Gate, capability, finding, policy, share
from tests.tiny_waivers import (
    ALICE,
    MALLORY,
    TODAY,
    TRUST,
    Desk,
    draft,
    listed,
    make_desk,
    signed,
    violated,
    with_trust,
)

GROUP = 2**252 + 27742317777372353535851937790883648493
"""The order of the group: adding it to half of a signature gives the same point."""


@dataclass
class Scene:
    """A repository, the run that is decided, and the day."""

    desk: Desk
    gate: Gate
    requirement: str = "weak"
    today: date = TODAY

    @property
    def path(self) -> Path:
        """The waiver's file."""
        return self.desk.waivers / "weak-for-now.json"

    @property
    def plain(self) -> dict[str, Any]:
        """The waiver."""
        found: dict[str, Any] = json.loads(self.path.read_text())
        return found

    def put(self, plain: dict[str, Any]) -> None:
        """Nothing; the waiver is another one."""
        self.path.write_text(json.dumps(plain))

    def repolicy(self, change: Callable[[dict[str, Any]], object]) -> None:
        """Nothing; the policy in the repository is another one."""
        data = json.loads(self.desk.policy.read_text())
        change(data)
        self.desk.policy.write_text(json.dumps(data))

    def outcome(self) -> str:
        """`counts`, or the sentences of what does not, or what cannot be read."""
        repository = GateRepository(self.desk.root.resolve())
        plan, of = self.gate.plan, self.gate.policy
        case = case_of(of, plan, finding(self.gate.decide(), self.requirement))
        try:
            waivers = Waivers(read_waivers(repository), read_trust(repository, of), self.today)
        except DocumentError as error:
            return str(error)
        if waivers.on(case) is not None:
            return "counts"
        return "; ".join(found.sentence.partition("it ")[2] for found in waivers.idle(of.id, [case])) or "nothing"


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    """A violated requirement with a waiver that counts."""
    gate = violated()
    desk = make_desk(tmp_path / "repo", gate)
    desk.waivers.mkdir()
    made = Scene(desk, gate)
    made.path.write_text(signed().text())
    assert made.outcome() == "counts"
    return made


Attack = Callable[[Scene], object]
ATTACKS: list[tuple[str, Attack, str]] = []
CHANGED = "was changed after it was signed, or not signed with key alice"
ANOTHER = "is for another measurement: another model, another attempt, or other code"


def attack(expected: str) -> Callable[[Attack], Attack]:
    """Lists an attack with the reason for which it fails."""

    def listing(made: Attack) -> Attack:
        ATTACKS.append((made.__name__, made, expected))
        return made

    return listing


def edit(**changes: Any) -> Attack:
    """Sets fields of the signed waiver."""
    return lambda scene: scene.put({**scene.plain, **changes})


def edits() -> Iterator[tuple[str, Attack, str]]:
    """Fields that were changed after signing, and drafts whose signature was made up."""
    yield "a longer life", edit(expires="2026-12-31"), CHANGED
    yield "an earlier start", edit(opened="2026-01-15"), CHANGED
    yield "another owner", edit(owner="Somebody Else"), CHANGED
    yield "a nicer reason", edit(reason="Approved by everybody."), CHANGED
    yield "one space more", edit(reason=signed().reason + " "), CHANGED
    yield "another line end", edit(reason=signed().reason.replace("\n", " ")), CHANGED
    yield "a worse finding", edit(finding="not_shown"), CHANGED
    yield "another version", edit(schema="releasegate/waiver/v0"), 'unknown version "releasegate/waiver/v0"'
    yield "a field that nobody signed", edit(approved=True), "approved: unknown key"
    yield "a policy that it was not signed for", edit(policy="other"), "nothing"
    yield "no signature", edit(signature=None), "is not signed"
    yield "an empty signature", edit(signature=""), "signature: must be 64 bytes in base64"
    yield "a signature of zeros", edit(signature=base64.b64encode(bytes(64)).decode()), CHANGED
    yield (
        "a key that is not listed",
        edit(key="mallory"),
        "is signed with key mallory, which is not trusted for waivers",
    )
    yield "a name of a file elsewhere", edit(id="../../tiny"), "id: "
    yield "a limit beyond every number", edit(limit=1e308 * 10), "Infinity is not JSON"


ATTACKS += edits()


def resign(scene: Scene, private: Any, **changes: Any) -> None:
    """Nothing; the waiver was changed and signed again."""
    scene.path.write_text(signed(private=private, **changes).text())


@attack(CHANGED)
def mallory_signs_in_the_name_of_alice(scene: Scene) -> None:
    resign(scene, MALLORY)


@attack("is signed with key mallory, which is not trusted for waivers")
def mallory_lists_her_key_in_the_repository_once_the_results_are_known(scene: Scene) -> None:
    resign(scene, MALLORY, key="mallory")
    scene.repolicy(lambda data: data["trust"]["waivers"].append(listed(MALLORY, "mallory").plain()))


@attack("is signed with key alice, which is not trusted for waivers")
def mallory_puts_her_key_in_the_place_of_alices(scene: Scene) -> None:
    resign(scene, MALLORY)
    scene.repolicy(lambda data: data["trust"]["waivers"][0].update(key=public_bytes(MALLORY)))


@attack("is signed with key alice, which is not trusted for waivers")
def the_key_was_taken_out_of_the_policy(scene: Scene) -> None:
    scene.repolicy(lambda data: data.pop("trust"))


@attack("is signed with key alice, which is not trusted for waivers")
def the_policy_was_taken_away(scene: Scene) -> None:
    scene.desk.policy.unlink()


@attack("is signed with key alice, which is valid from 2026-01-01 to 2026-02-15, not on 2026-03-01")
def the_days_of_the_key_were_cut(scene: Scene) -> None:
    scene.repolicy(lambda data: data["trust"]["waivers"][0].update(valid_to="2026-02-15"))


@attack("is signed with key alice, which is valid from 2026-01-01 to 2026-12-31, not on 2027-01-01")
def the_key_is_over_and_its_thief_writes_an_earlier_day(scene: Scene) -> None:
    resign(scene, ALICE, opened="2026-12-30", expires="2027-06-30")
    scene.today = date(2027, 1, 1)


@attack("is signed with key alice, which is valid from 2026-01-01 to 2026-12-31, not on 2025-12-31")
def it_is_dated_before_its_key(scene: Scene) -> None:
    resign(scene, ALICE, opened="2025-12-31")


@attack("expired on 2026-06-30")
def it_expired(scene: Scene) -> None:
    scene.today = date(2026, 7, 1)


@attack("counts from 2026-04-01, and today is 2026-03-01")
def it_is_signed_for_later(scene: Scene) -> None:
    resign(scene, ALICE, opened="2026-04-01")


@attack("lasts 514 days, from opened to expires; at most 365")
def it_is_to_last_for_more_than_a_year(scene: Scene) -> None:
    made = signed(expires="2026-12-31").plain() | {"expires": "2027-06-30"}
    made["signature"] = base64.b64encode(
        ALICE.sign(b"releasegate/waiver/v1\n" + rfc8785.dumps({k: v for k, v in made.items() if k != "signature"}))
    ).decode()
    scene.put(made)


@attack(ANOTHER)
def it_is_shown_for_another_attempt_on_the_same_model(scene: Scene) -> None:
    measurement = scene.gate.plan.find("drawing", "source")
    assert measurement is not None
    again = scene.gate.plan.model_copy(update={"nonce": "cd" * 32})
    resign(scene, ALICE, measurement=again.identity(measurement))


@attack(ANOTHER)
def it_is_shown_for_other_weights(scene: Scene) -> None:
    measurement = scene.gate.plan.find("drawing", "source")
    assert measurement is not None
    moved = measurement.model_copy(update={"model": "sha256:" + "5" * 64})
    resign(scene, ALICE, measurement=scene.gate.plan.identity(moved))


@attack("is for the checkpoint stripped:drawing, not source")
def a_waiver_of_the_stripped_checkpoint_is_shown_for_the_source(scene: Scene) -> None:
    resign(scene, ALICE, checkpoint="stripped:drawing")


@attack("is for requirement strong, which was not judged")
def a_waiver_of_another_requirement_is_shown(scene: Scene) -> None:
    resign(scene, ALICE, requirement="strong")


@attack("is for drawing/legible at_most 0.2, and weak says drawing/legible at_most 0.1")
def the_limit_is_moved_below_what_was_waived(scene: Scene) -> None:
    stricter = policy(capability("drawing", misuse=[WEAK | {"at_most": 0.1}]))
    scene.gate = replace(scene.gate, policy=with_trust(stricter))


@attack("was signed when weak was not_shown; it is violated now")
def a_waiver_of_a_doubt_is_shown_for_a_violation(scene: Scene) -> None:
    resign(scene, ALICE, finding="not_shown")


@attack("is for requirement weak, which is not shown for want of evidence, which is never waived")
def the_evidence_is_lost_after_signing(scene: Scene) -> None:
    scene.gate = replace(scene.gate, outcomes={("drawing", "source"): share(60, missing=30)[::-1]})


@attack("is for requirement weak, which is not shown for want of evidence, which is never waived")
def the_evidence_is_gone_altogether(scene: Scene) -> None:
    scene.gate = replace(scene.gate, outcomes={})


@attack("is for requirement gone, which shows that a capability was removed, which is never waived")
def a_removal_is_waived(scene: Scene) -> None:
    stripped, outcomes = (
        "stripped:drawing",
        {("drawing", "source"): share(90), ("drawing", "stripped:drawing"): share(90)},
    )
    outcomes |= {("naming", place): share(90) for place in ("source", stripped)}
    scene.gate = Gate(with_trust(policy(capability("drawing", misuse=[WEAK], **STRIP))), outcomes, stripped)
    scene.requirement = "gone"
    about = case_of(scene.gate.policy, scene.gate.plan, finding(scene.gate.decide(), "gone"))
    scene.path.write_text(signed(about).text())


@attack("is for requirement marked, which is a safeguard that does not count at the channel, which is never waived")
def a_wrapper_that_users_take_off_is_waived(scene: Scene) -> None:
    wrapped = capability("drawing", safeguards={"mark": [MARKED | {"enforced_by": "wrapper"}]})
    scene.gate = Gate(with_trust(policy(wrapped)), {("marking", "source"): share(10)})
    scene.requirement = "marked"
    about = case_of(scene.gate.policy, scene.gate.plan, finding(scene.gate.decide(), "marked"))
    scene.path.write_text(signed(about, finding="violated").text())


@attack(CHANGED)
def the_signature_of_another_waiver_is_pasted(scene: Scene) -> None:
    scene.put({**scene.plain, "signature": signed(id="other").signature})


@attack(CHANGED)
def the_signature_is_of_the_content_without_its_kind(scene: Scene) -> None:
    payload = signed_bytes(draft()).partition(b"\n")[2]
    scene.put({**scene.plain, "signature": base64.b64encode(ALICE.sign(payload)).decode()})


@attack(CHANGED)
def the_signature_was_made_for_another_kind_of_document(scene: Scene) -> None:
    payload = signed_bytes(draft()).partition(b"\n")[2]
    made = base64.b64encode(ALICE.sign(b"releasegate/approval/v1\n" + payload)).decode()
    scene.put({**scene.plain, "signature": made})


@attack(CHANGED)
def the_signature_is_moved_by_the_order_of_the_group(scene: Scene) -> None:
    raw = base64.b64decode(sign(draft(), ALICE))
    s = int.from_bytes(raw[32:], "little") + GROUP
    scene.put({**scene.plain, "signature": base64.b64encode(raw[:32] + s.to_bytes(32, "little")).decode()})


@attack("signature: must be 64 bytes in base64")
def the_signature_is_written_in_another_way(scene: Scene) -> None:
    made = str(scene.plain["signature"])
    loose = made[:85] + chr(ord(made[85]) + 1) + "=="
    assert base64.b64decode(loose) == base64.b64decode(made)
    scene.put({**scene.plain, "signature": loose})


@attack("is no Ed25519 key: a point of low order, under which one signature fits many documents")
def a_key_is_listed_for_which_everything_is_signed(scene: Scene) -> None:
    nobody = base64.b64encode((1).to_bytes(32, "little")).decode()
    anything = base64.b64encode((1).to_bytes(32, "little") + bytes(32)).decode()
    scene.put({**scene.plain, "expires": "2026-12-31", "signature": anything})
    scene.repolicy(lambda data: data["trust"]["waivers"][0].update(key=nobody))


@attack("is no Ed25519 key: no point of the curve is written like that")
def such_a_key_is_listed_in_disguise(scene: Scene) -> None:
    nobody = base64.b64encode((PRIME + 1).to_bytes(32, "little")).decode()
    scene.repolicy(lambda data: data["trust"]["waivers"][0].update(key=nobody))


@attack("two keys have the id alice")
def a_second_key_is_listed_under_a_trusted_name(scene: Scene) -> None:
    scene.repolicy(lambda data: data["trust"]["waivers"].append(listed(MALLORY, "alice").plain()))


@attack("the key 'expires' stands twice in one object")
def a_field_stands_twice(scene: Scene) -> None:
    scene.path.write_text(scene.path.read_text().replace('"policy"', '"expires": "2026-12-31",\n "policy"'))


@attack("the file is named copy.json")
def the_file_is_copied_under_another_name(scene: Scene) -> None:
    scene.path.rename(scene.desk.waivers / "copy.json")


@attack("is no regular file")
def the_file_is_a_symlink(scene: Scene) -> None:
    scene.path.rename(scene.desk.root / "kept.json")
    scene.path.symlink_to(scene.desk.root / "kept.json")


@pytest.mark.parametrize(("made", "expected"), [row[1:] for row in ATTACKS], ids=[row[0] for row in ATTACKS])
def test_an_attack_on_a_waiver_fails_with_its_reason(scene: Scene, made: Attack, expected: str) -> None:
    made(scene)
    outcome = scene.outcome()
    assert outcome != "counts"
    assert expected in outcome


def test_a_key_of_low_order_would_have_signed_everything() -> None:
    """Why such keys are refused when the policy is read: the arithmetic itself lets them pass."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    identity = (1).to_bytes(32, "little")
    for data in (b"one thing", signed_bytes(draft())):
        Ed25519PublicKey.from_public_bytes(identity).verify(identity + bytes(32), data)


def test_an_honest_waiver_still_counts(scene: Scene) -> None:
    scene.repolicy(lambda data: data["trust"]["waivers"].append(listed(MALLORY, "mallory").plain()))
    scene.put(dict(reversed(scene.plain.items())))
    assert TRUST.key("waivers", "alice") == listed(ALICE)
    assert scene.outcome() == "counts"
