"""Issuing a list of what was revoked, as at a terminal, and reading it as those who verify do."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from releasegate.__main__ import run
from releasegate.errors import DocumentError, NotFound, ReleaseGateError, TrustError
from releasegate.policy import Policy, parse_policy
from releasegate.records import digest_of
from releasegate.repository.revocations import read_revocations, revocations_beside
from releasegate.revocation import RevocationList, revoked
from tests.tiny_gates import policy, unconditional

NOW = datetime.now(UTC).date()
SOON = str(NOW + timedelta(days=30))
RELEASE, MODEL, LINE = (digest_of(name) for name in ("release", "model", "line"))


@pytest.fixture(autouse=True)
def _no_passphrase(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RELEASEGATE_KEY_PASSPHRASE", raising=False)


@dataclass(frozen=True)
class Desk:
    """A gate repository whose policy names the list `lab`, and the key that signs it."""

    root: Path

    @property
    def file(self) -> Path:
        return self.root / "policies" / "revocations" / "lab.json"

    @property
    def policy_file(self) -> Path:
        return self.root / "policies" / "tiny.yaml"

    @property
    def policy(self) -> Policy:
        return parse_policy(self.policy_file.read_bytes(), "tiny.yaml").record

    @property
    def key(self) -> str:
        return str(self.root / "keys" / "rex.key")

    def write_policy(self, *names: str, list_id: str = "lab") -> None:
        """Nothing; the policy trusts these keys, and names the list."""
        keys = [json.loads((self.root / "keys" / f"{name}.json").read_text()) for name in names]
        plain = policy(unconditional("naming")).plain()
        plain |= {"trust": {"revocations": keys}, "publication": {"revocations": list_id}}
        self.policy_file.write_text(json.dumps(plain))

    def add_key(self, name: str, capsys: pytest.CaptureFixture[str]) -> None:
        """Nothing; there is a key for lists."""
        capsys.readouterr()
        folder = str(self.root / "keys")
        assert run(["keygen", name, "--for", "revocations", "--out", folder, "--format", "json"]) == 0
        (self.root / "keys" / f"{name}.json").write_text(json.dumps(json.loads(capsys.readouterr().out)["key"]))

    def revoke(self, *more: str, key: str | None = None, until: str = SOON, list_id: str = "lab") -> int:
        return run(
            ["revoke", list_id, "--key", key or self.key, "--next-update", until, "--repo", str(self.root), *more]
        )

    def read(self, today: date = NOW) -> RevocationList:
        """The list as those who verify read it."""
        return read_revocations(revocations_beside(self.policy_file, "lab"), self.policy, today)


@pytest.fixture
def desk(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Desk:
    made = Desk(tmp_path / "repo")
    for name in ("policies", "evals"):
        (made.root / name).mkdir(parents=True)
    made.add_key("rex", capsys)
    made.write_policy("rex")
    capsys.readouterr()
    return made


def test_a_list_starts_empty_grows_and_loses_nothing(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    assert desk.revoke() == 0
    assert capsys.readouterr().out == f"{desk.file}: issue 1, 0 revoked, the next one due by {SOON}\n"
    assert desk.revoke("--release", RELEASE, "--model", MODEL, "--reason", "Leaks names.") == 0
    assert desk.revoke("--attestation", LINE, "--key-id", "ci", "--reason", "Its runner was broken into.") == 0
    assert desk.revoke(until=str(NOW)) == 0
    issue = desk.read()
    assert (issue.number, issue.issued, issue.next_update) == (4, str(NOW), str(NOW))
    assert [entry.named for entry in issue.revoked] == [
        f"release {RELEASE}",
        f"model {MODEL}",
        f"attestation {LINE}",
        "key ci",
    ]
    found = revoked(issue, keys=["ci"])
    assert found is not None
    assert (found.reason, found.day) == ("Its runner was broken into.", str(NOW))


def test_a_list_as_json_is_the_one_that_was_written(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    assert desk.revoke("--release", RELEASE, "--reason", "Leaks.", "--format", "json") == 0
    said = json.loads(capsys.readouterr().out)
    assert said == {"path": str(desk.file), "list": json.loads(desk.file.read_text())}


def test_those_who_verify_refuse_a_list_that_is_absent_stale_or_of_another_policy(desk: Desk) -> None:
    with pytest.raises(NotFound, match="no such file"):
        desk.read()
    assert desk.revoke(until=str(NOW)) == 0
    assert desk.read().number == 1
    with pytest.raises(TrustError, match="is stale"):
        desk.read(NOW + timedelta(days=1))
    with pytest.raises(TrustError, match="which is valid from"):
        desk.read(NOW - timedelta(days=1))
    desk.write_policy("rex", list_id="other")
    with pytest.raises(TrustError, match="is the list lab, and the policy names other"):
        desk.read()
    silent = desk.policy.model_copy(update={"publication": None})
    with pytest.raises(TrustError, match="does not ask for"):
        read_revocations(desk.file, silent, NOW)


def refused(desk: Desk, capsys: pytest.CaptureFixture[str], *more: str, **options: Any) -> str:
    """What is said of a call that writes nothing."""
    before = desk.file.read_bytes() if desk.file.exists() else None
    capsys.readouterr()
    assert desk.revoke(*more, **options) == 2
    assert (desk.file.read_bytes() if desk.file.exists() else None) == before
    if desk.file.parent.exists():
        assert [path.name for path in desk.file.parent.iterdir()] in ([], ["lab.json"])
    return capsys.readouterr().err


@pytest.mark.parametrize(
    ("more", "options", "said"),
    [
        (["--release", RELEASE], {}, "--reason: is missing\n  fix: say why\n"),
        (["--reason", "Why."], {}, "--reason: is given, and nothing is revoked"),
        (["--release", "abc", "--reason", "Why."], {}, "--release: is no digest"),
        (["--model", RELEASE, "--attestation", RELEASE.upper(), "--reason", "Why."], {}, "--attestation: is no digest"),
        (["--key-id", "../ci", "--reason", "Why."], {}, "--key-id: is no key's id"),
        (["--key-id", "ci", "--reason", "a\nb"], {}, "--reason: must be one line"),
        (["--key-id", "ci", "--reason", "x" * 401], {}, "--reason: String should have at most 400"),
        (["--key-id", "rex", "--reason", "Stolen."], {}, "ID: revokes key rex, with which it is signed itself"),
        (["--key-id", "ci", "--key-id", "ci", "--reason", "Twice."], {}, "ID: revokes key ci twice"),
        ([], {"until": "soon"}, "--next-update: must be a day such as"),
        ([], {"until": str(NOW - timedelta(days=1))}, "--next-update: next_update"),
        ([], {"until": str(NOW + timedelta(days=32))}, "--next-update: lasts 32 days"),
        ([], {"list_id": "../tiny"}, "../tiny: is a list that no policy names"),
        ([], {"list_id": "a\x1b[2J"}, "'a\\x1b[2J': is a list that no policy names"),
    ],
)
def test_a_call_that_makes_no_list_writes_nothing(
    desk: Desk, capsys: pytest.CaptureFixture[str], more: list[str], options: dict[str, Any], said: str
) -> None:
    assert refused(desk, capsys, *more, **options).startswith(said)


def test_a_key_that_no_policy_trusts_for_it_signs_no_list(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    desk.add_key("eve", capsys)
    said = refused(desk, capsys, key=str(desk.root / "keys" / "eve.key"))
    assert "is trusted for revocations by no policy that names lab" in said


def test_a_list_that_was_changed_is_not_signed_again(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    assert desk.revoke("--release", RELEASE, "--key-id", "ci", "--reason", "Leaks.") == 0
    stored = json.loads(desk.file.read_text())
    for changes in (
        {"revoked": stored["revoked"][:1]},
        {"revoked": []},
        {"number": 7},
        {"signature": None},
        {"id": "other"},
    ):
        spoilt = {name: value for name, value in {**stored, **changes}.items() if value is not None}
        desk.file.write_text(json.dumps(spoilt))
        assert "fix: restore it" in refused(desk, capsys, "--model", MODEL, "--reason", "Leaks.")


def test_keys_change_while_both_are_listed(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    assert desk.revoke("--release", RELEASE, "--reason", "Leaks.") == 0
    desk.add_key("new", capsys)
    new = str(desk.root / "keys" / "new.key")
    desk.write_policy("new")
    assert "list that key until the next issue is signed" in refused(desk, capsys, key=new)
    desk.write_policy("rex", "new")
    assert desk.revoke("--key-id", "rex", "--reason", "Lost.", key=new) == 0
    desk.write_policy("new")
    assert [entry.named for entry in desk.read().revoked] == [f"release {RELEASE}", "key rex"]


def test_an_entry_stands_on_the_list_once(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    assert desk.revoke("--release", RELEASE, "--reason", "Leaks.") == 0
    assert f"revokes release {RELEASE} twice" in refused(desk, capsys, "--release", RELEASE, "--reason", "Again.")


def test_a_key_that_no_policy_knows_is_pointed_out(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    assert desk.revoke("--key-id", "cii", "--reason", "Lost.") == 0
    assert "no policy that names the list has a key cii" in capsys.readouterr().err


def test_two_issues_are_not_made_at_once(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    desk.file.parent.mkdir()
    held = os.open(desk.file.parent, os.O_RDONLY)
    fcntl.flock(held, fcntl.LOCK_EX)
    try:
        assert "another releasegate issues a list there" in refused(desk, capsys)
    finally:
        os.close(held)
    assert desk.revoke() == 0


def test_a_list_under_a_link_is_not_read_or_written(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    assert desk.revoke() == 0
    real = desk.root / "elsewhere.json"
    desk.file.rename(real)
    desk.file.symlink_to(real)
    with pytest.raises(DocumentError, match="is no regular file"):
        desk.read()
    assert "is no regular file" in refused(desk, capsys)
    desk.file.unlink()
    desk.file.parent.rmdir()
    desk.file.parent.symlink_to(desk.root)
    assert desk.revoke() == 2
    assert "is a symlink" in capsys.readouterr().err


@pytest.mark.parametrize(
    "spoil",
    [
        lambda good: good.replace(b'"number"', b'"number": 9, "number"', 1),
        lambda good: good.replace(b'"number": 1', b'"number": NaN'),
        lambda good: good.replace(b'"number": 1', b'"number": ' + b"9" * 5000),
        lambda good: good.replace(b'"number": 1', b'"number": 1e3'),
        lambda good: good.replace(b'"revoked": []', b'"revoked": ' + b"[" * 100_000),
        lambda good: good.replace(b'"revoked": []', b'"revoked": null'),
        lambda good: good.replace(b'"revoked": [],', b""),
        lambda good: good + b" " * (4 << 20),
        lambda good: good[:-20],
        lambda good: b"",
        lambda good: b"\xff" + good,
        lambda good: good.replace(b"lab", b"l\\u0000b"),
    ],
)
def test_a_file_that_holds_no_list_is_refused_in_one_sentence(
    desk: Desk, capsys: pytest.CaptureFixture[str], spoil: Any
) -> None:
    assert desk.revoke() == 0
    good = desk.file.read_bytes()
    desk.file.write_bytes(spoil(good))
    assert desk.file.read_bytes() != good
    with pytest.raises(ReleaseGateError) as caught:
        desk.read()
    (problem,) = caught.value.problems
    assert problem.where == str(desk.file)
    assert problem.what.isprintable()
    assert len(problem.what) < 600
    assert "Traceback" not in refused(desk, capsys)


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir])
def test_a_pipe_or_a_folder_in_place_of_a_list_is_refused(desk: Desk, make: Callable[[Path], None]) -> None:
    desk.file.parent.mkdir()
    make(desk.file)
    with pytest.raises(DocumentError, match="is no regular file"):
        desk.read()
