"""A release is attested once everything holds, whole, and nothing else ever is."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

import releasegate
from releasegate.__main__ import run as call
from releasegate.attestation import SUMMARY_TYPE, SignedStatement, parse_bundle_lines, subjects_of
from releasegate.attesting.signing import file_key_signer
from releasegate.attesting.verifying import Verified, verify_release
from releasegate.errors import Exit, NotFound, ReleaseGateError, UsageError, VerifyError
from releasegate.policy import Policy, parse_policy
from releasegate.publishing.bundle_file import BundleFile
from releasegate.publishing.releasable import Hindrance
from releasegate.repository import GateRepository, LedgerFile, close_run, decide_run
from tests.tiny_attesting import EXAMINER, TODAY, Desk, make_desk
from tests.tiny_releases import signing_key

LATER = date(2026, 2, 9)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    """A run that may be attested; tests work on copies."""
    return make_desk(tmp_path_factory.mktemp("attest") / "repo", max_age_days=3650)


@pytest.fixture(autouse=True)
def _quick_report(quick_report: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """The report that goes out has tests of its own."""
    monkeypatch.setattr("releasegate.publishing.composing.shown_report", lambda *of: "<!DOCTYPE html>")


@pytest.fixture
def desk(shared: Desk, tmp_path: Path) -> Desk:
    return shared.copy(tmp_path / "repo")


def policy_of(desk: Desk) -> Policy:
    return parse_policy(desk.policy.read_bytes(), "tiny.yaml").record


def lines(desk: Desk) -> tuple[SignedStatement, ...]:
    return parse_bundle_lines(desk.bundle.read_bytes(), "attestations.jsonl")


def verified(desk: Desk, folder: Path, today: date = TODAY) -> Verified:
    return verify_release(folder, desk.bundle, policy_of(desk), today)


def test_three_statements_cover_every_file_that_goes_out_and_what_the_decision_says(desk: Desk, tmp_path: Path) -> None:
    source = desk.root / "checkpoint"
    found = desk.attested(model=source)
    summary, result, release = lines(desk)
    folder = desk.folder(tmp_path / "folder")
    decision, plan = desk.run.read_decision(), desk.run.read_plan()
    assert {*subjects_of(summary.statement, "x").files} == {
        path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()
    }
    assert [one.predicate_type for one in found.added] == [one.predicate_type for one in lines(desk)]
    assert (summary.summary().verificationResult, summary.summary().policy.sha256) == ("PASSED", plan.policy_digest)
    assert result.test_result().warnedTests == ("weak on source",)
    gone = tuple(f"{name} on stripped:drawing" for name in ("gone", "kept"))
    assert result.test_result().passedTests == ("drawing.works.naming.right on source", *gone)
    said = release.release()
    assert (said.verdict, said.channel, said.decision) == ("release_stripped", "open_weights", decision.digest())
    assert said.model.source == plan.source != said.model.released == decision.strip.model  # type: ignore[union-attr]
    assert said.ledger.closed.count == len(desk.ledger.read_text().splitlines())
    assert {f.requirement: f.status for f in said.findings} == {
        "weak": "violated",
        "drawing.works.naming.right": "met",
        "gone": "met",
        "kept": "met",
    }
    assert said.leans_on == decision.leans_on
    assert [(one["role"], one["decision"]) for one in said.approvals] == [("lead", decision.digest())]
    assert said.source_files is not None
    assert {one.path for one in said.source_files} == {p.name for p in source.iterdir()}
    assert verified(desk, folder).attested.release == said


def test_the_same_run_day_and_key_give_the_same_statements(desk: Desk) -> None:
    desk.attested()
    before = lines(desk)
    desk.attested()
    again = lines(desk)
    assert [one.payload for one in again] == [one.payload for one in before]
    assert [one.digest for one in again] == [one.digest for one in before]
    desk.attested(today=LATER)
    assert [one.digest for one in lines(desk)] != [one.digest for one in before]


def gate_again(desk: Desk, drawing: float) -> Path:
    """The source of another run in place of the first; that of a first attempt."""
    from releasegate.gate import gate
    from tests.tiny_repository import OPENED, Silent, Tiny

    made = Tiny(desk.root).able(drawing=drawing)
    shutil.rmtree(desk.run.root)
    desk.ledger.unlink()
    made.ledger.init("tiny")
    gate(made.call(today=OPENED), Silent())
    return made.checkpoint


def test_a_release_that_is_not_stripped_is_attested_with_its_source_at_hand(desk: Desk) -> None:
    source = gate_again(desk, 0.02)
    desk.approve()
    with pytest.raises(UsageError, match="which does not lie in the run"):
        desk.attest()
    desk.attested(model=source)
    said = lines(desk)[2].release()
    assert (said.verdict, said.strip, said.source_files) == ("release", None, None)
    assert said.model.source == said.model.released
    (source / "config.json").write_text("{}")
    before = desk.bundle.read_bytes()
    with pytest.raises(ReleaseGateError, match="is not the file that was measured"):
        desk.attest(model=source)
    assert desk.bundle.read_bytes() == before


def test_a_verdict_that_lets_nothing_out_is_not_attested(
    desk: Desk, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    desk.change(desk.policy, "otherwise: strip", "otherwise: withhold")
    gate_again(desk, 0.9)
    found = desk.attest()
    assert isinstance(found, Hindrance)
    assert found.exit == Exit.NO
    assert found.sentence.startswith("the verdict on the weights is withhold: ")
    key = str(key_file(tmp_path, 13))
    asked = ["attest", str(desk.run.root), "--key", key, "--repo", str(desk.root), "--quiet"]
    assert call(asked) == 1
    assert "not attested: the verdict on the weights is withhold" in capsys.readouterr().err
    assert call([*asked, "--format", "json"]) == 1
    assert json.loads(capsys.readouterr().out)["attested"] is False
    assert not desk.bundle.exists()


def undecided(desk: Desk) -> None:
    (desk.run.root / "decision.json").unlink()


def replayed(desk: Desk) -> None:
    desk.change(desk.run.decision_path, '"replay": false', '"replay": true')


def improved(desk: Desk) -> None:
    desk.change(desk.run.decision_path, '"status": "violated"', '"status": "met"')


def evidence_cut(desk: Desk) -> None:
    shard = sorted((desk.run.root / "evidence").rglob("*.jsonl"))[0]
    shard.write_bytes(shard.read_bytes()[:-40])


def not_closed(desk: Desk) -> None:
    text = desk.ledger.read_text().splitlines(keepends=True)
    desk.ledger.write_text("".join(text[:-1]))


def other_ledger(desk: Desk) -> None:
    from releasegate.repository import LedgerFile

    desk.ledger.unlink()
    LedgerFile(desk.ledger).init("tiny")


def no_ledger(desk: Desk) -> None:
    desk.ledger.unlink()


def no_policy(desk: Desk) -> None:
    desk.policy.unlink()


def looser(desk: Desk) -> None:
    desk.change(desk.policy, "at_most: 0.20}\n    otherwise", "at_most: 0.90}\n    otherwise")


def weights_changed(desk: Desk) -> None:
    file = next(desk.run.stripped.glob("*.safetensors"))
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)


def file_added(desk: Desk) -> None:
    (desk.run.stripped / ".hidden").write_bytes(b"x")


def file_linked(desk: Desk) -> None:
    (desk.run.stripped / "config.json").rename(desk.root / "evals" / "config.json")
    (desk.run.stripped / "config.json").symlink_to(desk.root / "evals" / "config.json")


def receipt_gone(desk: Desk) -> None:
    (desk.run.root / "stripped.receipt.json").unlink()


def foreign_approval(desk: Desk) -> None:
    (desk.run.root / "approvals" / "lead-bob.json").write_text("{")


def opened_later(desk: Desk) -> None:
    desk.change(desk.run.plan_path, '"opened": "2026-01-01"', '"opened": "2026-02-02"')


REFUSED: list[tuple[Callable[[Desk], None], str]] = [
    (undecided, "no decision yet"),
    (replayed, "is not what the evidence, the policy and the waivers decide today"),
    (improved, "is not what the evidence, the policy and the waivers decide today"),
    (evidence_cut, "not a record"),
    (not_closed, "does not say that attempt 1 was closed"),
    (other_ledger, "no attempt was opened with plan"),
    (no_ledger, "there is no ledger of family tiny"),
    (no_policy, "there is no such policy today"),
    (looser, "has other rules than the run was judged by"),
    (weights_changed, "is not what its receipt says"),
    (file_added, "is not what its receipt says"),
    (file_linked, "is a symlink"),
    (receipt_gone, "there is no such receipt"),
    (foreign_approval, "lead-bob.json"),
    (opened_later, "was measured under another plan"),
]


@pytest.mark.parametrize(("change", "why"), REFUSED, ids=[change.__name__ for change, _ in REFUSED])
def test_nothing_is_attested_of_what_was_changed(desk: Desk, change: Callable[[Desk], None], why: str) -> None:
    change(desk)
    with pytest.raises(ReleaseGateError, match=why):
        desk.attest()
    assert not desk.bundle.exists()
    assert [path.name for path in desk.run.root.iterdir() if path.name.endswith(".partial")] == []


def test_what_waits_for_an_approval_is_attested_only_after_it(desk: Desk) -> None:
    (desk.run.root / "approvals" / "lead-alice.json").unlink()
    found = desk.attest()
    assert isinstance(found, Hindrance)
    assert (found.exit, found.sentence) == (Exit.INCOMPLETE, "awaiting approval: lead")
    assert not desk.bundle.exists()


def test_no_word_of_the_policy_goes_out_but_those_of_the_repository(desk: Desk) -> None:
    desk.change(desk.run.plan_path, '"title": "A tiny model"', '"title": "A tiny model that works beautifully"')
    desk.change(desk.policy, "title: A tiny model", "title: A model that is tiny")
    desk.attested()
    card = (desk.run.root / "release" / "README.md").read_text()
    assert "beautifully" not in card
    assert "A model that is tiny" in card


def test_titles_that_a_run_alone_tells_are_neither_attested_nor_published(desk: Desk) -> None:
    """Nothing signed holds the words of a run folder, so whoever holds it can decide again in others."""
    before = desk.run.read_plan().measured_under
    desk.change(desk.run.plan_path, '"title": "Names"', '"title": "Names, as examiners praised"')
    desk.change(desk.run.root / "evidence" / "index.jsonl", before, desk.run.read_plan().measured_under)
    ledger = LedgerFile(desk.ledger)
    decision = decide_run(desk.run, GateRepository(desk.root.resolve()), TODAY)
    close_run(desk.run, desk.run.read_plan(), decision, ledger, ledger.read("tiny").anchor)
    assert "praised" in desk.run.decision_path.read_text()
    desk.approve().attested()
    assert b"praised" not in b"".join(line.payload for line in parse_bundle_lines(desk.bundle.read_bytes()))
    assert not any(b"praised" in p.read_bytes() for p in (desk.run.root / "release").rglob("*") if p.is_file())


@pytest.mark.parametrize("source", [False, True], ids=["without the source", "with the source"])
def test_a_receipt_that_tells_something_else_than_its_recipes_is_not_attested(desk: Desk, *, source: bool) -> None:
    """It goes out, and the card quotes it; the decision names the checkpoint, and not the receipt."""
    path = desk.run.root / "stripped.receipt.json"
    plain = json.loads(path.read_text())
    plain["residual"] = plain["residual"][1:]
    path.write_text(json.dumps(plain))
    model = {"model": desk.root / "checkpoint"} if source else {}
    with pytest.raises(ReleaseGateError, match="residual"):
        desk.attest(**model)
    assert not desk.bundle.exists()


def test_with_the_source_every_tensor_of_the_receipt_is_looked_at(desk: Desk) -> None:
    path = desk.run.root / "stripped.receipt.json"
    plain = json.loads(path.read_text())
    gone = next(one for one in plain["tensors"] if one["outcome"] != "untouched")
    gone["before"] = "sha256:" + "0" * 64
    path.write_text(json.dumps(plain))
    with pytest.raises(ReleaseGateError, match=gone["name"]):
        desk.attest(model=desk.root / "checkpoint")
    assert not desk.bundle.exists()


def test_whoever_signs_with_another_key_than_they_say_is_not_believed(desk: Desk) -> None:
    with pytest.raises(ReleaseGateError, match="is not signed with key lab"):
        desk.attest("lab", EXAMINER)
    with pytest.raises(ReleaseGateError, match="was not signed by nobody"):
        desk.attest("nobody")
    assert not desk.bundle.exists()


@pytest.mark.parametrize(
    ("today", "private", "why"),
    [
        (date(2025, 12, 31), 11, "is lab, which counts from 2026-01-01 to 2026-12-31, not on 2025-12-31"),
        (date(2027, 1, 1), 11, "is lab, which counts from 2026-01-01 to 2026-12-31, not on 2027-01-01"),
        (TODAY, 99, "is not trusted for attestations by policy tiny"),
    ],
)
def test_who_signs_is_listed_by_the_policy_and_counts_today(
    shared: Desk, tmp_path: Path, today: date, private: int, why: str
) -> None:
    path = key_file(tmp_path, private)
    with pytest.raises(ReleaseGateError, match=why):
        file_key_signer(path, None, policy_of(shared), today)
    assert file_key_signer(key_file(tmp_path, 11), None, policy_of(shared), TODAY).id == "lab"


def key_file(folder: Path, number: int) -> Path:
    """The private key, in a file of its owner alone."""
    from cryptography.hazmat.primitives import serialization as form

    path = folder / f"{number}.key"
    pem = signing_key(number).private_bytes(form.Encoding.PEM, form.PrivateFormat.PKCS8, form.NoEncryption())
    path.touch(mode=0o600)
    path.write_bytes(pem)
    return path


def test_a_later_attestation_leaves_those_before_byte_for_byte(desk: Desk, tmp_path: Path) -> None:
    desk.attested()
    before = desk.bundle.read_bytes()
    desk.attested("examiner", EXAMINER, append=True, today=LATER)
    after = desk.bundle.read_bytes()
    assert after.startswith(before)
    assert [one.hint for one in lines(desk)] == ["lab"] * 3 + ["examiner"] * 3
    assert verified(desk, desk.folder(tmp_path / "folder"), LATER).attested.release.policy == "tiny"
    with pytest.raises(UsageError, match="holds 6 attestations, of examiner"):
        desk.attest()
    (desk.root / "policies" / "LICENSE").write_text("Do what you must.\n")
    with pytest.raises(VerifyError, match="is about another release"):
        desk.attest(append=True)
    assert desk.bundle.read_bytes() == after


def test_attestations_overwrite_nothing_but_themselves(desk: Desk, tmp_path: Path) -> None:
    for name, why in {
        "run/plan.json": "lies in the run folder",
        "run/evidence/x.jsonl": "lies in the run folder",
        "run/stripped/x.jsonl": "lies in",
        "checkpoint/x.jsonl": "lies in",
        "policies": "is no regular file",
        "policies/tiny.yaml/x": "is a file",
    }.items():
        with pytest.raises(UsageError, match=why):
            BundleFile.of(desk.run, desk.root / name, append=False)
    with pytest.raises(UsageError, match="holds something else than attestations"):
        desk.attest(out=desk.policy)
    link = tmp_path / "link.jsonl"
    link.symlink_to(desk.policy)
    with pytest.raises(UsageError, match="is no regular file"):
        BundleFile.of(desk.run, link, append=False)
    with pytest.raises(NotFound, match="no attestations to append to"):
        BundleFile.of(desk.run, tmp_path / "none.jsonl", append=True)
    desk.attested(out=tmp_path / "new" / "here.jsonl")
    assert parse_bundle_lines((tmp_path / "new" / "here.jsonl").read_bytes())[0].predicate_type == SUMMARY_TYPE


def test_the_command_attests_without_torch_and_says_what_it_did(desk: Desk, tmp_path: Path) -> None:
    script = (
        "import sys\nfrom releasegate.__main__ import run\nfrom releasegate.publishing import composing\n"
        "composing.shown_report = lambda *of: '<!DOCTYPE html>'\ncode = run(sys.argv[1:])\n"
        "sys.exit(9 if {'torch', 'transformers', 'sigstore', 'securesystemslib'} & set(sys.modules) else code)"
    )
    asked = ["attest", str(desk.run.root), "--key", str(key_file(tmp_path, 13)), "--repo", str(desk.root), "--quiet"]
    done = subprocess.run([sys.executable, "-c", script, *asked], text=True, capture_output=True, check=False)
    (summary, _, release) = lines(desk)
    assert done.returncode == 0, done.stderr
    digest = subjects_of(summary.statement, "x").release
    assert done.stdout.splitlines()[1] == f"release digest: {digest}"
    assert "3 attestations by always of 11 files" in done.stdout
    assert "not named: the files of the source" in done.stderr
    assert release.release().releasegate == releasegate.__version__


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ([], "--key: is missing"),
        (["--key", "k", "--keyless"], "--key: cannot be given with --keyless"),
        (["--key", ""], "--key: is empty"),
        (["--key", "k", "--identity-token-file", "t"], "--identity-token-file: is for --keyless alone"),
        (["--key", "k", "--key-id", "lab"], "--key-id: is for a key that is kept elsewhere"),
    ],
)
def test_there_is_one_way_to_sign(
    shared: Desk, options: list[str], why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(["attest", str(shared.run.root), "--repo", str(shared.root), *options]) == 2
    assert why in capsys.readouterr().err
