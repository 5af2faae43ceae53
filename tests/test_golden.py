"""Documents of `v1` load for ever and keep their digests; nothing in `tests/golden/v1` is ever written again.

A change that breaks one of these tests breaks what labs have stored: a new field must be one that may be left out, with
`None` as its default, which digests pass over.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from releasegate.approval import Approval
from releasegate.attacks.record import AttackRecord
from releasegate.attacks.suite import parse_suite
from releasegate.attestation import parse_bundle_lines, subjects_of
from releasegate.attesting.signers import signer_of
from releasegate.cardcheck import parse_card
from releasegate.decision import Decision
from releasegate.documents import parse_document
from releasegate.lock import Lock
from releasegate.plan import Plan
from releasegate.policy import parse_policy
from releasegate.policytest import parse_policy_test
from releasegate.receipt import Receipt
from releasegate.recipe import Recipe
from releasegate.records import Document
from releasegate.repository import LedgerFile, RunFolder, decide_run, known_attempt
from releasegate.revocation import RevocationList
from releasegate.stripping import verify_strip
from releasegate.waiver import Waiver
from tests.tiny_releases import policy_of

V1 = Path(__file__).parent / "golden" / "v1"
OPENED = date(2026, 1, 1)

DOCUMENTS: dict[str, Callable[[bytes], Document]] = {
    "policy.yaml": lambda text: parse_policy(text, "policy.yaml").record,
    "eval.yaml": lambda text: parse_card(text, "eval.yaml").record,
    "recipe.yaml": lambda text: parse_document(Recipe, text, "recipe.yaml").record,
    "suite.yaml": lambda text: parse_suite(text, "suite.yaml").record,
    "attacks.json": AttackRecord.from_text,
    "policytest.yaml": lambda text: parse_policy_test(text, "policytest.yaml").record,
    "waiver.json": Waiver.from_text,
    "attestations.jsonl": lambda text: parse_bundle_lines(text)[2].release(),
    "approval.json": Approval.from_text,
    "lock.json": Lock.from_text,
    "revocations.json": RevocationList.from_text,
    "run/plan.json": Plan.from_text,
    "run/decision.json": Decision.from_text,
    "run/stripped.receipt.json": Receipt.from_text,
}
DIGESTS: dict[str, str] = json.loads((V1 / "digests.json").read_text())


def test_attestations_of_v1_are_signed_still_over_the_same_release() -> None:
    lines = parse_bundle_lines((V1 / "attestations.jsonl").read_bytes())
    trust = policy_of().trust
    assert [getattr(signer_of(line, trust), "id", None) for line in lines] == ["lab"] * 3
    assert len({subjects_of(line.statement, line.where).release for line in lines}) == 1
    assert (lines[0].summary().verificationResult, lines[1].test_result().result) == ("PASSED", "WARNED")


@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_document_of_v1_loads_and_keeps_its_digest(name: str) -> None:
    document = DOCUMENTS[name]((V1 / name).read_bytes())
    assert document.schema_.endswith("/v1")
    assert document.digest() == DIGESTS[name]


def test_every_golden_document_is_looked_at() -> None:
    assert set(DIGESTS) == set(DOCUMENTS)


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    """A copy of the golden run, which a lock may be taken on."""
    shutil.copytree(V1 / "run", tmp_path / "run")
    return RunFolder(tmp_path / "run")


def test_a_run_of_v1_is_decided_as_it_was(run: RunFolder) -> None:
    stored, again = run.read_decision(), decide_run(run, None, OPENED)
    assert again.verdict == stored.verdict == "release_stripped"
    assert (again.plan, again.evidence, again.model, again.alpha) == (
        stored.plan,
        stored.evidence,
        stored.model,
        stored.alpha,
    )
    assert again.strip is not None
    assert stored.strip is not None
    for now, then in zip(again.strip.findings, stored.strip.findings, strict=True):
        assert (now.requirement, now.status, now.slices[0].estimate) == (
            then.requirement,
            then.status,
            then.slices[0].estimate,
        )


def test_the_ledger_of_a_run_of_v1_knows_it(run: RunFolder, tmp_path: Path) -> None:
    shutil.copy(V1 / "run.ledger.jsonl", tmp_path / "ledger.jsonl")
    known = known_attempt(LedgerFile(tmp_path / "ledger.jsonl").read("tiny"), run.read_plan())
    assert known.closed is not None
    assert known.closed.decision == DIGESTS["run/decision.json"]


def test_a_strip_of_v1_verifies(run: RunFolder) -> None:
    receipt = run.receipt()
    assert receipt is not None
    assert verify_strip(run.stripped, receipt, None)


@pytest.mark.parametrize("name", [name for name in DOCUMENTS if name.endswith(".json")])
def test_a_document_of_another_version_is_refused(name: str) -> None:
    text = (V1 / name).read_bytes()
    for version in (b"/v0", b"/v2", b"/v1.1", b""):
        with pytest.raises(ValueError, match="schema"):
            DOCUMENTS[name](text.replace(b'/v1"', version + b'"', 1))
