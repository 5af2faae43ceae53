"""Making a key, listing it, and signing a waiver with it, as at a terminal."""

from __future__ import annotations

import base64
import json
import os
import re
import stat
import subprocess
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization as form
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from releasegate.__main__ import run
from releasegate.errors import Exit, TrustError
from releasegate.repository import GateRepository
from releasegate.repository.key_files import read_attestation_key, read_key
from releasegate.repository.waivers import read_trust, read_waivers
from releasegate.signing import p256_public_bytes, public_bytes
from releasegate.trust import PublicKey, Trust
from releasegate.waiver import Counts, standing
from releasegate.yamltext import parse_yaml
from tests.tiny_gates import STRIP, WEAK, Gate, capability, policy, share
from tests.tiny_waivers import Desk, case, make_desk, violated, with_trust

VARIABLE = "RELEASEGATE_KEY_PASSPHRASE"
NOW = datetime.now(UTC).date()
SOON = (NOW + timedelta(days=30)).isoformat()


@pytest.fixture(autouse=True)
def _no_passphrase(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)


@dataclass(frozen=True)
class Signer:
    """A key on disk, and a run whose policy trusts it."""

    desk: Desk
    key: Path

    def waive(self, requirement: str = "weak", **options: str | None) -> int:
        """The exit code of a call; an option with the value None is left out."""
        given: dict[str, str | None] = {
            "key": str(self.key),
            "owner": "Alice Example",
            "reason": "Digits alone.",
            "expires": SOON,
            "repo": str(self.desk.root),
            **options,
        }
        listed = [part for name, value in given.items() if value is not None for part in (f"--{name}", value)]
        return run(["waive", str(self.desk.run.root), requirement, *listed])


def make_signer(folder: Path, gate: Gate) -> Signer:
    """The run of `gate`, opened today, under a policy that trusts a key of this test alone."""
    assert run(["keygen", "alice", "--out", str(folder / "keys")]) == 0
    listed = parse_yaml((folder / "keys" / "alice.pub.yaml").read_text(), "p").data["trust"]
    trust = Trust.from_text(json.dumps(listed))
    return Signer(
        make_desk(folder / "repo", replace(gate, policy=with_trust(gate.policy, trust))), folder / "keys" / "alice.key"
    )


@pytest.fixture
def signer(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Signer:
    """A violated requirement, and somebody who may waive it."""
    made = make_signer(tmp_path, violated())
    capsys.readouterr()
    return made


def written(desk: Desk) -> list[Any]:
    """Every waiver, as JSON data."""
    return [json.loads(path.read_text()) for path in sorted(desk.waivers.glob("*"))] if desk.waivers.exists() else []


# keygen


def test_keygen_writes_a_secret_for_its_owner_alone_and_the_lines_to_list_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = os.umask(0o000)
    try:
        assert run(["keygen", "alice", "--out", str(tmp_path / "k"), "--owner", 'Alice "A." Example: lead']) == 0
    finally:
        os.umask(before)
    secret, public = tmp_path / "k" / "alice.key", tmp_path / "k" / "alice.pub.yaml"
    assert stat.S_IMODE(secret.stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "k").stat().st_mode) == 0o700
    listed = parse_yaml(public.read_text(), "p").data["trust"]["waivers"]
    expected = {"id": "alice", "owner": 'Alice "A." Example: lead', "valid_from": str(NOW)}
    (found,) = listed
    assert {name: found[name] for name in expected} == expected
    assert found["key"] == public_bytes(read_key(secret, None))
    assert found["valid_to"] == str(NOW + timedelta(days=365))
    out = capsys.readouterr()
    assert public.read_text() in out.out
    assert out.err == ""


def test_keygen_as_json_says_where_the_halves_lie(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["keygen", "bob", "--out", str(tmp_path), "--valid-to", str(NOW), "--format", "json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["private"], found["public"]) == (str(tmp_path / "bob.key"), str(tmp_path / "bob.pub.yaml"))
    assert found["encrypted"] is False
    assert PublicKey.from_text(json.dumps(found["key"])).valid_to == str(NOW)


@pytest.mark.parametrize("list_", ["waivers", "approvals", "revocations"])
def test_a_key_is_listed_under_what_it_is_for(tmp_path: Path, list_: str) -> None:
    roles = ["--role", "lead", "--role", "safety", "--role", "lead"] if list_ == "approvals" else []
    assert run(["keygen", "alice", "--out", str(tmp_path), "--for", list_, *roles]) == 0
    listed = parse_yaml((tmp_path / "alice.pub.yaml").read_text(), "p").data["trust"]
    trust = Trust.from_text(json.dumps(listed))
    (key,) = getattr(trust, list_)
    assert key.key == public_bytes(read_key(tmp_path / "alice.key", None))
    assert getattr(key, "roles", ()) == (("lead", "safety") if roles else ())


@pytest.mark.parametrize("passphrase", [None, "correct horse"])
def test_a_key_for_attestations_is_a_p256_key_that_openssl_reads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, passphrase: str | None
) -> None:
    if passphrase:
        monkeypatch.setenv(VARIABLE, passphrase)
    assert run(["keygen", "ci", "--out", str(tmp_path), "--for", "attestations"]) == 0
    text = (tmp_path / "ci.pub.yaml").read_text()
    (key,) = Trust.from_text(json.dumps(parse_yaml(text, "p").data["trust"])).attestations or ()
    private = read_attestation_key(tmp_path / "ci.key", passphrase)
    assert key.key == p256_public_bytes(private)
    shown = subprocess.run(
        ["openssl", "pkey", "-in", tmp_path / "ci.key", "-passin", f"pass:{passphrase}", "-pubout", "-outform", "DER"],
        check=True,
        capture_output=True,
    )
    assert base64.b64encode(shown.stdout).decode() == key.key
    assert (b"ENCRYPTED" in (tmp_path / "ci.key").read_bytes()) == (passphrase is not None)


def test_a_key_of_one_kind_does_not_pass_for_another(tmp_path: Path) -> None:
    for name, list_ in (("person", "waivers"), ("machine", "attestations")):
        assert run(["keygen", name, "--out", str(tmp_path), "--for", list_]) == 0
    with pytest.raises(TrustError, match="is not an ECDSA P-256 key"):
        read_attestation_key(tmp_path / "person.key", None)
    with pytest.raises(TrustError, match="is not an Ed25519 key"):
        read_key(tmp_path / "machine.key", None)
    other = ec.generate_private_key(ec.SECP384R1())
    pem = other.private_bytes(form.Encoding.PEM, form.PrivateFormat.PKCS8, form.NoEncryption())
    (tmp_path / "other.key").write_bytes(pem)
    (tmp_path / "other.key").chmod(0o600)
    with pytest.raises(TrustError, match="is not an ECDSA P-256 key"):
        read_attestation_key(tmp_path / "other.key", None)


@pytest.mark.parametrize("taken", ["alice.key", "alice.pub.yaml"])
def test_keygen_never_overwrites(tmp_path: Path, capsys: pytest.CaptureFixture[str], taken: str) -> None:
    (tmp_path / taken).symlink_to(tmp_path / "nowhere")
    assert run(["keygen", "alice", "--out", str(tmp_path)]) == 2
    assert capsys.readouterr().err == (
        f"{tmp_path / taken}: exists already, and a key is never overwritten\n  fix: choose another name or folder\n"
    )
    assert [path.name for path in tmp_path.iterdir()] == [taken]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["../alice"], "NAME: is no name\n  fix: use lower-case letters, digits, `-`, `_` and `.`; at most 64\n"),
        (["Alice"], "NAME: is no name\n  fix: use lower-case letters, digits, `-`, `_` and `.`; at most 64\n"),
        (
            ["alice", "--for", "approvals"],
            "--role: is missing: a key approves in the roles that the policy gives it\n  fix: name one\n",
        ),
        (
            ["alice", "--role", "lead"],
            "--role: is for approvals, and the key is for waivers\n  fix: leave it out\n",
        ),
        (
            ["alice", "--for", "approvals", "--role", "Research Lead"],
            "--role: is no name\n  fix: use lower-case letters, digits, `-`, `_` and `.`; at most 64\n",
        ),
        (
            ["alice", "--owner", ""],
            "--owner: String should have at least 1 character\n  fix: correct it\n",
        ),
        (
            ["alice", "--valid-to", "soon"],
            "--valid-to: must be a day such as 2026-01-31; got 'soon'\n  fix: correct it\n",
        ),
        (
            ["alice", "--valid-to", "2020-01-01"],
            f"--valid-to: valid_from {NOW} is after valid_to 2020-01-01\n  fix: correct it\n",
        ),
    ],
)
def test_keygen_refuses_what_no_policy_could_list(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], expected: str
) -> None:
    assert run(["keygen", *arguments, "--out", str(tmp_path / "k")]) == 2
    assert capsys.readouterr().err == expected
    assert not (tmp_path / "k").exists()


def test_a_key_is_encrypted_under_the_passphrase_of_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(VARIABLE, "correct horse")
    signer = make_signer(tmp_path, violated())
    assert b"ENCRYPTED" in signer.key.read_bytes()
    monkeypatch.setenv(VARIABLE, "wrong horse")
    assert signer.waive() == 2
    monkeypatch.delenv(VARIABLE)
    assert signer.waive() == 2
    monkeypatch.setenv(VARIABLE, "")
    assert signer.waive() == 2
    assert capsys.readouterr().err == (
        f"{signer.key}: cannot be decrypted with that passphrase\n  fix: correct {VARIABLE}\n"
        f"{signer.key}: is encrypted\n  fix: set {VARIABLE}\n"
        f"{VARIABLE}: is empty\n  fix: write the passphrase into it, or unset it\n"
    )
    monkeypatch.setenv(VARIABLE, "correct horse")
    assert signer.waive() == 0


# waive


def test_waive_signs_the_finding_and_the_waiver_counts(signer: Signer, capsys: pytest.CaptureFixture[str]) -> None:
    assert signer.waive() == Exit.YES
    repository = GateRepository(signer.desk.root.resolve())
    (waiver,) = read_waivers(repository)
    plan = signer.desk.plan
    about = case(replace(violated(), policy=plan.policy))
    assert isinstance(standing(waiver, about, read_trust(repository, plan.policy), NOW), Counts)
    assert (waiver.owner, waiver.reason, waiver.finding) == ("Alice Example", "Digits alone.", "violated")
    path = signer.desk.waivers.resolve() / f"{waiver.id}.json"
    assert waiver.id == f"weak-{about.measurement[7:19]}" if about.measurement else False
    assert capsys.readouterr().out == (
        f"{path}: weak on source (violated) until {SOON}\n"
        "signed with key alice; it counts once `releasegate decide` reads it\n"
    )


def test_waive_as_json_prints_the_waiver(signer: Signer, capsys: pytest.CaptureFixture[str]) -> None:
    out = signer.desk.root / "new" / "mine.json"
    assert signer.waive(out=str(out), format="json") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["path"] == str(out)
    assert found["waiver"] == json.loads(out.read_text())
    assert found["waiver"]["id"] == "mine"
    assert re.fullmatch("sha256:[0-9a-f]{64}", found["digest"])


def test_what_is_not_settled_can_be_waived(tmp_path: Path) -> None:
    signer = make_signer(tmp_path, violated(20))
    assert signer.waive() == 0
    assert written(signer.desk)[0]["finding"] == "not_shown"


def test_a_waiver_is_never_overwritten(signer: Signer, capsys: pytest.CaptureFixture[str]) -> None:
    assert signer.waive() == 0
    before = written(signer.desk)
    assert signer.waive(reason="Other.") == 2
    assert "exists already\n  fix: remove it, or choose another file with --out" in capsys.readouterr().err
    assert written(signer.desk) == before


@pytest.mark.parametrize(
    ("options", "where", "what"),
    [
        ({"reason": " "}, "--reason", "must be text of printable characters and line feeds, and not empty"),
        ({"owner": ""}, "--owner", "String should have at least 1 character"),
        ({"expires": "someday"}, "--expires", "must be a day such as 2026-01-31; got 'someday'"),
        ({"expires": "2020-01-01"}, "--expires", f"expires 2020-01-01 is before opened {NOW}"),
        (
            {"expires": str(NOW + timedelta(days=366))},
            "--expires",
            "lasts 366 days, from opened to expires; at most 365",
        ),
        ({"out": "No Name.json"}, "--out", "is no name for a waiver"),
    ],
)
def test_waive_refuses_an_answer_that_is_none(
    signer: Signer, capsys: pytest.CaptureFixture[str], options: dict[str, str], where: str, what: str
) -> None:
    assert signer.waive(**options) == 2
    assert capsys.readouterr().err.startswith(f"{where}: {what}\n  fix: ")
    assert written(signer.desk) == []


def test_waive_wants_a_finding_that_is_there(signer: Signer, capsys: pytest.CaptureFixture[str]) -> None:
    assert signer.waive("weka") == 2
    assert signer.waive(checkpoint="stripped:drawing") == 2
    place = signer.desk.run.decision_path
    assert capsys.readouterr().err == (
        f"{place}: has no finding for 'weka'\n  fix: use one of weak\n"
        f"{place}: has no finding for 'weak' on stripped:drawing\n  fix: use one of weak\n"
    )


def test_waive_wants_the_checkpoint_where_several_findings_are_open(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stripped, marked = (
        "stripped:a",
        {"id": "marked", "metric": "marking/found", "at_least": 0.8, "enforced_by": "weights"},
    )
    other = capability("b", misuse=[WEAK | {"id": "b-weak", "metric": "naming/right"}], safeguards={"w": [marked]})
    outcomes = {
        ("drawing", "source"): share(90),
        ("drawing", stripped): share(0),
        ("naming", "source"): share(90),
        ("naming", stripped): share(90),
        ("marking", "source"): share(100),
        ("marking", stripped): share(100),
    }
    gate = Gate(policy(capability("a", misuse=[WEAK], **STRIP), other), outcomes, stripped)
    signer = make_signer(tmp_path, gate)
    capsys.readouterr()
    assert signer.waive("b-weak") == 2
    assert capsys.readouterr().err == (
        "b-weak: can be waived on each of source, stripped:a\n  fix: name one with --checkpoint\n"
    )
    assert signer.waive("b-weak", checkpoint=stripped) == 0
    assert written(signer.desk)[0]["checkpoint"] == stripped
    assert signer.waive("gone") == 2
    assert capsys.readouterr().err == (
        "gone: shows that a capability was removed, which is never waived\n"
        "  fix: measure again, or change the model; a waiver does not help\n"
    )


def test_waive_needs_a_decision_of_this_plan(signer: Signer, capsys: pytest.CaptureFixture[str]) -> None:
    folder = signer.desk.run
    decision = folder.read_decision()
    folder.write_decision(decision.model_copy(update={"plan": "sha256:" + "0" * 64}))
    assert signer.waive() == 2
    folder.write_decision(decision.model_copy(update={"replay": True}))
    assert signer.waive() == 2
    folder.decision_path.unlink()
    assert signer.waive() == 2
    assert capsys.readouterr().err == (
        f"{folder.decision_path}: was made under another plan than plan.json, so nothing in it can be waived\n"
        "  fix: run `releasegate decide`\n"
        f"{folder.decision_path}: is a replay, so nothing in it can be waived\n  fix: run `releasegate decide`\n"
        f"{folder.decision_path}: no decision yet\n  fix: run `releasegate decide`\n"
    )


# Keys that cannot sign.


def pem(private: Any) -> bytes:
    """An unencrypted private key in PEM."""
    found: bytes = private.private_bytes(form.Encoding.PEM, form.PrivateFormat.PKCS8, form.NoEncryption())
    return found


def test_waive_refuses_a_key_that_is_none_or_lies_open(signer: Signer, capsys: pytest.CaptureFixture[str]) -> None:
    made = "name the .key file that `releasegate keygen` wrote"
    listing = "list its public half under `trust:` before the attempt is opened"
    untrusted = "is not trusted for waivers by policy tiny, both in the plan of the run and in the repository today"
    path = signer.key.with_name("other.key")
    expected = []
    for data, mode, what, fix in (
        (b"", 0o600, "is not a private key in PEM", made),
        (signer.key.with_name("alice.pub.yaml").read_bytes(), 0o600, "is not a private key in PEM", made),
        (
            pem(ec.generate_private_key(ec.SECP256R1())),
            0o600,
            "is not an Ed25519 key, which people sign with",
            "name the .key file of who signs, made with `releasegate keygen NAME --for approvals` (or waivers, revocations)",
        ),
        (signer.key.read_bytes(), 0o644, "is unencrypted, and others may read it", f"run `chmod 600 {path}`"),
        (pem(Ed25519PrivateKey.generate()), 0o600, untrusted, listing),
    ):
        path.write_bytes(data)
        path.chmod(mode)
        assert signer.waive(key=str(path)) == 2
        expected.append(f"{path}: {what}\n  fix: {fix}\n")
    path.unlink()
    assert signer.waive(key=str(path)) == 2
    expected.append(f"{path}: no such key\n  fix: {made}\n")
    assert capsys.readouterr().err == "".join(expected)
    assert written(signer.desk) == []


def test_a_waiver_does_not_outlive_its_key(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    signer = make_signer(tmp_path, violated())
    capsys.readouterr()
    plain = json.loads(signer.desk.policy.read_text())
    plain["trust"]["waivers"][0]["valid_to"] = str(NOW)
    signer.desk.policy.write_text(json.dumps(plain))
    assert signer.waive() == 2
    assert capsys.readouterr().err == (
        f"--expires: {SOON} is after {NOW}, the last day of key alice\n"
        "  fix: choose an earlier day, or sign with another key\n"
    )
    assert signer.waive(expires=str(NOW)) == 0


def test_a_private_key_is_in_no_output_and_in_no_file_but_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(VARIABLE, "a planted passphrase")
    locked = make_signer(tmp_path / "locked", violated())
    locked.waive()
    secrets = ["a planted passphrase", *locked.key.read_text().splitlines()[1:-1]]
    monkeypatch.delenv(VARIABLE)
    signer = make_signer(tmp_path / "open", violated())
    for options in (
        {},
        {"format": "json", "out": str(tmp_path / "x.json")},
        {"reason": ""},
        {"expires": "x"},
        {"repo": "/"},
    ):
        signer.waive(**options)
    run(["keygen", "alice", "--out", str(signer.key.parent)])
    run(["keygen", "bob", "--out", str(signer.key.parent), "--format", "json"])
    signer.key.chmod(0o644)
    signer.waive(out=str(tmp_path / "y.json"))
    for path in (signer.key, signer.key.with_name("bob.key")):
        path.chmod(0o600)
        raw = read_key(path, None).private_bytes_raw()
        secrets += [raw.hex(), base64.b64encode(raw).decode(), repr(raw)[2:-1], *path.read_text().splitlines()[1:-1]]
    files = [path.read_text() for path in tmp_path.rglob("*") if path.is_file() and path.suffix != ".key"]
    out = capfd.readouterr()
    assert len(files) >= 8
    for text in (out.out, out.err, *files):
        assert [secret for secret in secrets if secret in text] == []
