"""A run that came to `release_stripped`, its gate repository, and a key that the policy trusts for attestations."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

from releasegate.approval import Approval
from releasegate.attesting.signing import FileKeySigner, Signer
from releasegate.policy import Policy
from releasegate.publishing.attestation import Attested, Call, attest
from releasegate.publishing.bundle_file import BundleFile
from releasegate.publishing.releasable import Hindrance
from releasegate.repository import GateRepository, RunFolder
from releasegate.repository.approvals import matter_of
from releasegate.signing import sign
from releasegate.trust import AttestationKey
from tests.tiny_releases import EXAMINER, LAB, listed, signing_key
from tests.tiny_waivers import ALICE
from tests.tiny_waivers import listed as listed_to_waive

ALWAYS = signing_key(13)
"""Counts whenever tests run: for those that have no clock of their own."""
TODAY = date(2026, 2, 1)
PUBLISHED = """\
publication: {license: mit, license_file: policies/LICENSE}
approvals: [{role: lead}]
trust:
  approvals:
    - ALICE
  attestations:
    - LAB
    - EXAMINER
    - ALWAYS
"""


@dataclass(frozen=True)
class Desk:
    """Where releases are attested: a gate repository with a run in it."""

    root: Path

    @property
    def policy(self) -> Path:
        """The policy's file."""
        return self.root / "policies" / "tiny.yaml"

    @property
    def run(self) -> RunFolder:
        """The run."""
        return RunFolder(self.root / "run")

    @property
    def ledger(self) -> Path:
        """The ledger of the family."""
        return self.root / "policies" / "ledger" / "tiny.jsonl"

    @property
    def bundle(self) -> Path:
        """Where attestations come to lie."""
        return self.run.root / "attestations.jsonl"

    def change(self, file: Path, before: str, after: str) -> None:
        """Nothing; a piece of text in a file is another one."""
        text = file.read_text()
        assert before in text
        file.write_text(text.replace(before, after))

    def attest(
        self,
        key: str = "lab",
        private: EllipticCurvePrivateKey = LAB,
        *,
        today: date = TODAY,
        append: bool = False,
        out: Path | None = None,
        **changes: Any,
    ) -> Attested | Hindrance:
        """What a call came to; whoever signs needs to be in no list."""
        file = BundleFile.of(self.run, out, append=append)
        call = Call(self.run, GateRepository(self.root.resolve()), today, file, **changes)
        return attest(call, signer(key, private))

    def attested(self, *given: Any, **changes: Any) -> Attested:
        """The same, where nothing keeps it from being attested."""
        found = self.attest(*given, **changes)
        assert isinstance(found, Attested), found
        return found

    def folder(self, place: Path) -> Path:
        """The folder that goes out, put together at `place`."""
        shutil.copytree(self.run.stripped, place)
        shutil.copytree(self.run.root / "release", place, dirs_exist_ok=True)
        return place

    def approve(self) -> Desk:
        """This one; Alice approved what was decided."""
        matter = matter_of(self.run.read_plan(), self.run.read_decision())
        stated = {name: value for name, value in asdict(matter).items() if name != "opened"}
        signed_by = {"role": "lead", "owner": "Alice", "day": "2026-01-20", "key": "alice"}
        draft = Approval.model_validate({"schema": "releasegate/approval/v1", **stated, **signed_by})
        signed = draft.model_copy(update={"signature": sign(draft, ALICE)})
        (self.run.root / "approvals").mkdir(exist_ok=True)
        (self.run.root / "approvals" / "lead-alice.json").write_text(signed.text())
        return self

    def copy(self, place: Path) -> Desk:
        """Another one, to be changed."""
        shutil.copytree(self.root, place)
        return Desk(place)


def signer(key: str, private: EllipticCurvePrivateKey) -> Callable[[Policy], Signer]:
    """Somebody who signs, whatever the policy says."""
    return lambda policy: FileKeySigner(AttestationKey(**listed(key, private)), private)


def make_desk(root: Path, published: str = PUBLISHED, max_age_days: int = 90) -> Desk:
    """The repository and the run, made by a real gate on a tiny model, with a ledger that somebody else remembers."""
    from releasegate.gate import gate
    from tests.tiny_repository import OPENED, Silent, make_repository

    made = make_repository(root)
    (root / "policies" / "LICENSE").write_text("Do what you like.\n")
    alice = {**listed_to_waive(ALICE).plain(), "valid_to": "2099-12-31", "roles": ["lead"]}
    always = listed("always", ALWAYS, valid_to="2099-12-31")
    entries = {"ALICE": alice, "LAB": listed(), "EXAMINER": listed("examiner", EXAMINER), "ALWAYS": always}
    text = published
    for name, entry in entries.items():
        text = text.replace(name, json.dumps(entry))
    rules = made.policy.read_text().replace(
        "channel: open_weights}", f"channel: open_weights, max_age_days: {max_age_days}}}"
    )
    made.policy.write_text(rules + text)
    anchor = made.ledger.read("tiny").anchor
    assert gate(made.call(today=OPENED, anchor=anchor), Silent()).verdict == "release_stripped"
    return Desk(root).approve()
