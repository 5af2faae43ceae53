"""`releasegate verify` on a release: what is printed, as which data, with which exit code."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from releasegate.__main__ import run
from releasegate.attestation import SUMMARY_TYPE
from releasegate.released import BUNDLE
from tests.tiny_releases import EXAMINER, Release, listed, make_release, policy_of, signed_line, statement, subjects
from tests.tiny_releases import released_of as released

TODAY = datetime.now(UTC).date()


def day(offset: int) -> str:
    return (TODAY + timedelta(days=offset)).isoformat()


def on_disk(root: Path, **policy: Any) -> Release:
    """A release of today, its attestations in the folder, its policy beside it."""
    keys = {"attestations": [listed(valid_from=day(-1), valid_to=day(1))]}
    made = make_release(root, policy_of(trust=keys, **policy), day=day(0))
    (made.folder / BUNDLE).write_bytes(made.lines)
    (root / "policy.yaml").write_text(made.policy.text())
    return made


@pytest.fixture
def made(tmp_path: Path) -> Release:
    return on_disk(tmp_path, publication={"may_differ": ["README.md"]})


def said(capsys: pytest.CaptureFixture[str], made: Release, *more: str) -> tuple[int, str, str]:
    """Exit code, standard output and standard error, without the folder that all lies in."""
    root = made.folder.parent
    code = run(["verify", str(made.folder), "--policy", str(root / "policy.yaml"), "--quiet", *more])
    out, err = capsys.readouterr()
    return code, out.replace(f"{root}/", ""), err.replace(f"{root}/", "")


def test_what_was_checked_is_printed_line_by_line(capsys: pytest.CaptureFixture[str], made: Release) -> None:
    (made.folder / "README.md").write_text("# Tiny, corrected\n")
    foreign = statement(subjects(released(made.folder)), "https://example.com/v1", {})
    with (made.folder / BUNDLE).open("ab") as file:
        file.write(signed_line(foreign, EXAMINER, "examiner"))
    code, out, err = said(capsys, made)
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[0].startswith("ok: 4 files, none missing, none extra, 7,042 bytes as attested")
    assert lines[1].endswith(", as attested")
    assert f"ok: signed with key lab of Lab Example on {day(0)}" in lines
    assert "ok: verdict release: the weights may go out through open_weights" in lines
    assert sum(line.startswith("differs, as the policy lets it: README.md is sha256:") for line in lines) == 1
    assert lines[-3:] == [
        "not considered: line 4, https://example.com/v1 by key examiner, whom the policy does not list",
        "ledger: tiny, attempt 1, closed at line 4, anchored",
        "leans on: naming: unconditional, because: Harmless.",
    ]


def test_as_json_everything_is_there(capsys: pytest.CaptureFixture[str], made: Release) -> None:
    code, out, _ = said(capsys, made, "--format", "json")
    told = json.loads(out)
    assert code == 0
    assert (told["valid"], told["verdict"], told["files"], told["release_recomputed"]) == (True, "release", 5, True)
    assert told["release"] == released(made.folder).digest()
    assert told["policy"] == {"id": "tiny", "digest": made.policy.rules_digest()}
    assert len(told["attestations"]) == 3
    assert told["may_differ"] == told["not_considered"] == told["approvals"] == []


def test_a_sound_no_is_1_and_anything_else_2(capsys: pytest.CaptureFixture[str], made: Release) -> None:
    failed = made.saying(SUMMARY_TYPE, lambda s: s["predicate"].update(verificationResult="FAILED"))
    given = made.folder.parent / "given.jsonl"
    given.write_bytes(failed.lines)
    (made.folder / BUNDLE).unlink()
    code, out, err = said(capsys, made, "--bundle", str(given), "--format", "json")
    assert (code, json.loads(out)["valid"]) == (1, False)
    assert err.startswith("given.jsonl:1: says that release sha256:")
    assert said(capsys, made)[0] == 2
    (made.folder / "config.json").unlink()
    given.write_bytes(made.lines)
    code, out, err = said(capsys, made, "--bundle", str(given))
    assert (code, out) == (2, "")
    assert err.startswith("release/config.json: is missing: sha256:")
    assert "\n  fix: " in err


def test_a_policy_that_names_a_list_wants_it(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    made = on_disk(tmp_path, publication={"revocations": "lab-models"})
    code, _, err = said(capsys, made)
    assert (code, err.splitlines()[0]) == (
        2,
        "revocations/lab-models.json: no such file, where a revocation list is wanted",
    )
    plain = on_disk(tmp_path / "plain")
    assert said(capsys, plain, "--revocations", str(tmp_path / "list.json"))[0] == 2


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (("--bundle", "b"), "--bundle: is about a release, which takes a policy"),
        (("--revocations", "r"), "--revocations: is about a release, which takes a policy"),
        (("--policy", "p", "--receipt", "r"), "--receipt: is about a strip, and --policy about a release"),
        (("--policy", "p", "--loads"), "--loads: is about a strip, and --policy about a release"),
        (("--policy", "p", "--source", "s"), "--source: is about a strip, and --policy about a release"),
        (("--policy", "p"), "p: no such policy"),
        (("--policy", ""), "releasegate verify: Invalid value for '--policy': is empty: name a file or folder"),
        (("--policy", "/dev/zero"), "/dev/zero: is no plain file, where a policy is wanted"),
    ],
)
def test_wrong_calls_are_refused(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, arguments: tuple[str, ...], error: str
) -> None:
    assert run(["verify", str(tmp_path), *arguments]) == 2
    assert capsys.readouterr().err.startswith(error)


def test_a_release_without_its_policy_is_not_taken_for_a_strip(
    capsys: pytest.CaptureFixture[str], made: Release
) -> None:
    folder = made.folder
    assert run(["verify", str(folder)]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"{folder}: holds a release (releasegate/attestations.jsonl), and no policy says")
    assert "fix: name the publisher's policy with --policy FILE" in error
