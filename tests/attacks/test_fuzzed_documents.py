"""Whatever stands in a document that comes from outside, reading it answers, or says in one error what is wrong.

Every document format has a row here. For longer: `RELEASEGATE_FUZZ_SECONDS=600 pytest -m slow` on this file.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from releasegate.approval import Approval
from releasegate.attacks.record import AttackRecord
from releasegate.attacks.suite import parse_suite
from releasegate.attestation import SUMMARY_TYPE, TEST_RESULT_TYPE, SignedStatement, parse_bundle_lines, subjects_of
from releasegate.cardcheck import parse_card
from releasegate.decision import Decision
from releasegate.documents import parse_document
from releasegate.errors import ReleaseGateError
from releasegate.evidence import parse_index_line, parse_sample
from releasegate.ledger import parse_anchor, parse_ledger
from releasegate.lock import Lock
from releasegate.plan import Plan
from releasegate.policy import parse_policy
from releasegate.policytest import parse_policy_test
from releasegate.receipt import Receipt
from releasegate.recipe import Recipe
from releasegate.records import Document
from releasegate.released import Released, ReleasedFile
from releasegate.repository import approvals, revocations
from releasegate.repository.signed_files import Form, read_signed
from releasegate.repository.stored import Wording, read_stored
from releasegate.revocation import RevocationList
from releasegate.waiver import Waiver
from tests.mutation import Mutation
from tests.tiny_releases import MODEL, policy_of, predicates, sha, signed_line, statement, subjects

V1 = Path(__file__).parents[1] / "golden" / "v1"
MUTANTS = 40
"""Of each document, where it is not fuzzed for longer."""
SECONDS = float(os.environ.get("RELEASEGATE_FUZZ_SECONDS", "600"))

Parser = Callable[[bytes, Path], object]


def stored(kind: type[Document]) -> Parser:
    """Reading what releasegate wrote, from a file."""
    say = Wording("a document", ("there is none", "write one"), "restore it")

    def read(content: bytes, folder: Path) -> object:
        path = folder / "document.json"
        path.write_bytes(content)
        return read_stored(kind, path, say)

    return read


def signed(kind: type[Document], form: Form) -> Parser:
    """Reading what somebody signed, from a file of strangers."""

    def read(content: bytes, folder: Path) -> object:
        path = folder / "document.json"
        path.write_bytes(content)
        return read_signed(kind, path, str(path), form)

    return read


def line_of(path: Path, number: int = 0) -> bytes:
    return path.read_bytes().splitlines()[number]


def a_shard() -> Path:
    return sorted((V1 / "run" / "evidence").glob("*/*.jsonl"))[0]


def attestations(content: bytes, folder: Path) -> object:
    """Reading every line as what it says it is."""
    read = {SUMMARY_TYPE: SignedStatement.summary, TEST_RESULT_TYPE: SignedStatement.test_result}
    lines = parse_bundle_lines(content, "x")
    about = [subjects_of(one.statement, one.where) for one in lines]
    return about, [read.get(one.predicate_type, SignedStatement.release)(one) for one in lines]


def a_bundle() -> bytes:
    """The three attestations of a small release; the key does not matter, as no signature is checked."""
    files = [ReleasedFile(path=path, size=1, sha256=sha(path)) for path in ("README.md", *MODEL)]
    released = Released(files=tuple(files))
    said = predicates(released, policy_of()).items()
    return b"".join(signed_line(statement(subjects(released), kind, predicate)) for kind, predicate in said)


DOCUMENTS: Mapping[str, tuple[Parser, bytes]] = {
    "policy": (lambda c, _: parse_policy(c, "x"), (V1 / "policy.yaml").read_bytes()),
    "eval card": (lambda c, _: parse_card(c, "x"), (V1 / "eval.yaml").read_bytes()),
    "recipe": (lambda c, _: parse_document(Recipe, c, "x"), (V1 / "recipe.yaml").read_bytes()),
    "suite": (lambda c, _: parse_suite(c, "x"), (V1 / "suite.yaml").read_bytes()),
    "policy test": (lambda c, _: parse_policy_test(c, "x"), (V1 / "policytest.yaml").read_bytes()),
    "attacked sounds": (stored(AttackRecord), (V1 / "attacks.json").read_bytes()),
    "waiver": (stored(Waiver), (V1 / "waiver.json").read_bytes()),
    "approval": (signed(Approval, approvals.FORM), (V1 / "approval.json").read_bytes()),
    "revocation list": (signed(RevocationList, revocations.FORM), (V1 / "revocations.json").read_bytes()),
    "lock": (stored(Lock), (V1 / "lock.json").read_bytes()),
    "plan": (stored(Plan), (V1 / "run" / "plan.json").read_bytes()),
    "decision": (stored(Decision), (V1 / "run" / "decision.json").read_bytes()),
    "receipt": (stored(Receipt), (V1 / "run" / "stripped.receipt.json").read_bytes()),
    "ledger": (lambda c, _: parse_ledger(c, "x"), (V1 / "run.ledger.jsonl").read_bytes()),
    "anchor": (lambda c, _: parse_anchor(c.decode(errors="replace"), "x"), b"3:" + b"a1" * 32),
    "attestations": (attestations, a_bundle()),
    "sample": (lambda c, _: parse_sample(c, "x"), line_of(a_shard())),
    "index line": (lambda c, _: parse_index_line(c, "x"), line_of(V1 / "run" / "evidence" / "index.jsonl")),
}


def mutation(name: str, folder: Path) -> Mutation:
    parser, sound = DOCUMENTS[name]
    parser(sound, folder)  # what it imports is not timed
    modules = ("releasegate/", "pydantic/")
    return Mutation(lambda c: parser(c, folder), modules, ReleaseGateError, [sound], random.Random(name))


@pytest.mark.parametrize("name", DOCUMENTS)
def test_no_mutant_of_a_document_ends_in_anything_but_one_error(name: str, tmp_path: Path) -> None:
    mutation(name, tmp_path).try_mutants(MUTANTS)


@pytest.mark.parametrize("name", DOCUMENTS)
def test_what_is_mutated_is_sound(name: str, tmp_path: Path) -> None:
    parser, sound = DOCUMENTS[name]
    parser(sound, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("name", DOCUMENTS)
def test_no_mutant_in_minutes_ends_in_anything_but_one_error(name: str, tmp_path: Path) -> None:
    mutation(name, tmp_path).run(SECONDS / len(DOCUMENTS))
