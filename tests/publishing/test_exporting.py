"""The folder that goes public comes to be whole, as it was attested and nowhere else, or not at all."""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

import releasegate.publishing.folder
from releasegate.__main__ import run as call_releasegate
from releasegate.attestation import parse_bundle_lines
from releasegate.errors import (
    EvidenceUntrusted,
    NotFound,
    PublishError,
    ReleaseGateError,
    UnfitFiles,
    UsageError,
    VerifyError,
)
from releasegate.publishing.exporting import Call, Exported, again, export, pushable
from releasegate.publishing.releasable import Hindrance
from releasegate.records import digest_of_bytes
from releasegate.released import BUNDLE
from releasegate.repository import GateRepository, read_decided
from releasegate.repository.deciding_run import Decided
from tests.tiny_attesting import TODAY, Desk, make_desk
from tests.tiny_checkpoints import bytes_of
from tests.tiny_releases import EXAMINER, signed_line
from tests.tiny_repository import Silent


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    """An attested run; whoever changes it works on a copy."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("releasegate.gate.write_report", lambda run, *more: run.report_path.write_text("lab's own"))
        patched.setattr("releasegate.publishing.composing.shown_report", lambda *of: "<!DOCTYPE html>")
        desk = make_desk(tmp_path_factory.mktemp("export") / "repo")
        desk.attested(model=desk.root / "checkpoint")
    return desk


@pytest.fixture
def desk(shared: Desk, tmp_path: Path) -> Desk:
    return shared.copy(tmp_path / "repo")


def call(desk: Desk, place: Path, **changes: Any) -> Call:
    return Call(desk.run, place, GateRepository(desk.root.resolve()), changes.pop("today", TODAY), **changes)


def exported(desk: Desk, place: Path, **changes: Any) -> Exported:
    found = export(call(desk, place, **changes), Silent())
    assert isinstance(found, Exported), found
    return found


def left(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.name != "repo")


def test_the_folder_holds_what_was_attested_byte_for_byte_and_nothing_else(shared: Desk, tmp_path: Path) -> None:
    found = exported(shared, tmp_path / "public")
    assert bytes_of(tmp_path / "public") == {
        **bytes_of(shared.run.stripped),
        **bytes_of(shared.run.root / "release"),
        BUNDLE: shared.bundle.read_bytes(),
    }
    assert found.released.digest() == found.verified.attested.subjects.release
    assert left(tmp_path) == ["public"]
    assert {oct(path.stat().st_mode & 0o777) for path in (tmp_path / "public").rglob("*") if path.is_file()} == {
        "0o644"
    }
    assert all(path.stat().st_nlink == 1 for path in (tmp_path / "public").rglob("*") if path.is_file())


def test_a_folder_without_anything_in_it_is_taken(shared: Desk, tmp_path: Path) -> None:
    (tmp_path / "public").mkdir()
    exported(shared, tmp_path / "public")
    assert (tmp_path / "public" / "README.md").is_file()


PLACES: dict[str, tuple[Callable[[Desk, Path], Path], str]] = {
    "a folder with something in it": (lambda desk, here: (here / "full" / "x").parent, "is not empty"),
    "a file": (lambda desk, here: here / "full" / "x", "is a file, where a folder is wanted"),
    "in the run": (lambda desk, here: desk.run.root / "public", "lie in one another"),
    "the run itself": (lambda desk, here: desk.run.root, "lie in one another"),
    "around the run": (lambda desk, here: desk.root.parent, "lie in one another"),
    "in the stripped checkpoint": (lambda desk, here: desk.run.stripped / "public", "lie in one another"),
    "in the source": (lambda desk, here: desk.root / "checkpoint" / "public", "which holds a model's files"),
    "a link": (lambda desk, here: here / "link", "is a symlink"),
    "in a folder that is not there": (lambda desk, here: here / "none" / "public", "is not a folder"),
    "in another gate repository's evals": (
        lambda desk, here: desk.root / "evals" / "public",
        "a gate repository reads",
    ),
}


@pytest.mark.parametrize("case", PLACES)
def test_a_place_where_the_folder_may_not_lie_is_refused_and_left_alone(
    case: str, shared: Desk, tmp_path: Path
) -> None:
    where, message = PLACES[case]
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "x").write_text("mine")
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    before = {**bytes_of(shared.root), **bytes_of(tmp_path / "full")}
    with pytest.raises(UsageError, match=message):
        exported(shared, where(shared, tmp_path), model=shared.root / "checkpoint")
    assert {**bytes_of(shared.root), **bytes_of(tmp_path / "full")} == before


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(bytes(data))


def later_policy(desk: Desk) -> None:
    desk.change(desk.policy, "at_most: 0.20", "at_most: 0.30")


def other_card(desk: Desk) -> None:
    desk.change(desk.policy, "license: mit,", "license: mit, may_differ: [README.md],")
    (desk.run.root / "release" / "README.md").write_text("# Mine")


def strangers_line(desk: Desk) -> bytes:
    """An examiner's own statement, whom nobody lists, with a path of their machine in it."""
    said = json.loads(parse_bundle_lines(desk.bundle.read_bytes())[0].payload)
    said |= {"predicateType": "https://example.com/v1", "predicate": {"seen": "in\n/home/ada/models"}}
    return signed_line(json.dumps(said).encode(), EXAMINER, "examiner")


def add_line(desk: Desk) -> None:
    with desk.bundle.open("ab") as file:
        file.write(strangers_line(desk))


CHANGED: dict[str, tuple[Callable[[Desk], object], type[ReleaseGateError], str]] = {
    "no attestations": (lambda desk: desk.bundle.unlink(), NotFound, "was never attested"),
    "nothing rendered": (lambda desk: shutil.rmtree(desk.run.root / "release"), NotFound, "was never attested"),
    "weights": (
        lambda desk: flip(desk.run.stripped / "model-00001-of-00002.safetensors"),
        EvidenceUntrusted,
        "is not what its receipt says",
    ),
    "a card that may differ with others": (
        other_card,
        EvidenceUntrusted,
        "is about another README.md",
    ),
    "a report": (
        lambda desk: (desk.run.root / "release" / "releasegate" / "report.html").write_text("fine"),
        VerifyError,
        r"run/release/releasegate/report\.html: is sha256",
    ),
    "a bill that is gone": (
        lambda desk: (desk.run.root / "release" / "releasegate" / "bom.cdx.json").unlink(),
        VerifyError,
        r"bom\.cdx\.json: is missing",
    ),
    "a file more": (
        lambda desk: (desk.run.root / "release" / "notes.txt").write_text("x"),
        VerifyError,
        r"run/release/notes\.txt: is extra",
    ),
    "attestations among what is rendered": (
        lambda desk: (desk.run.root / "release" / BUNDLE).write_text("{}"),
        EvidenceUntrusted,
        "is nothing that releasegate wrote there",
    ),
    "a signature": (
        lambda desk: desk.bundle.write_text(desk.bundle.read_text().replace('"sig":"ME', '"sig":"MF', 1)),
        VerifyError,
        ".",
    ),
    "a line less": (
        lambda desk: desk.bundle.write_text("".join(desk.bundle.read_text().splitlines(keepends=True)[:2])),
        VerifyError,
        ".",
    ),
    "rules": (later_policy, VerifyError, "other rules"),
    "a key that is trusted no more": (
        lambda desk: desk.change(desk.policy, '"id": "lab"', '"id": "old"'),
        VerifyError,
        ".",
    ),
    "a policy that is gone": (lambda desk: desk.policy.unlink(), ReleaseGateError, "there is no such policy today"),
    "a path of somebody's home in the line of somebody else": (
        add_line,
        UnfitFiles,
        r"run/attestations\.jsonl:4: would hold a path in somebody's home: /home/a…",
    ),
    "a credential in the model": (
        lambda desk: (desk.run.stripped / "config.json").write_text('{"hf_token": "hf_' + "a" * 34 + '"}'),
        ReleaseGateError,
        ".",
    ),
}


@pytest.mark.parametrize("case", CHANGED)
def test_what_was_changed_since_it_was_attested_is_not_exported(case: str, desk: Desk, tmp_path: Path) -> None:
    change, kind, message = CHANGED[case]
    change(desk)
    with pytest.raises(kind, match=message):
        exported(desk, tmp_path / "public")
    assert left(tmp_path) == []


def test_without_the_approvals_that_are_asked_for_nothing_goes_out(desk: Desk, tmp_path: Path) -> None:
    shutil.rmtree(desk.run.root / "approvals")
    found = export(call(desk, tmp_path / "public"), Silent())
    assert isinstance(found, Hindrance)
    assert (found.exit, found.sentence.startswith("awaiting approval: ")) == (3, True)
    assert left(tmp_path) == []


@pytest.mark.parametrize("days", [-40, 91])
def test_on_a_day_on_which_the_evidence_is_not_born_or_too_old_nothing_goes_out(
    days: int, shared: Desk, tmp_path: Path
) -> None:
    with pytest.raises(ReleaseGateError):
        exported(shared, tmp_path / "public", today=date(2026, 1, 1) + timedelta(days=days))
    assert left(tmp_path) == []


def test_a_full_disk_leaves_nothing(shared: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*given: Any) -> set[str]:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(releasegate.publishing.folder, "copy_range", full)
    with pytest.raises(OSError, match="No space left"):
        exported(shared, tmp_path / "public")
    assert left(tmp_path) == []


def test_a_disk_without_room_is_known_before_anything_is_copied(
    shared: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil._ntuple_diskusage(10**6, 10**6, 10)  # type: ignore[attr-defined]
    monkeypatch.setattr("releasegate.publishing.folder.shutil.disk_usage", lambda path: usage)
    with pytest.raises(UsageError, match="has 10 bytes free"):
        exported(shared, tmp_path / "public")
    assert left(tmp_path) == []


def test_a_file_that_changes_while_it_is_copied_is_not_exported(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    true_copy = releasegate.publishing.folder.copy_range

    def slow(source: Any, *given: Any) -> set[Any]:
        done = true_copy(source, *given)
        if source.path.name == "report.html":
            source.path.write_text("other, and longer than it was before")
        return set(done)

    monkeypatch.setattr(releasegate.publishing.folder, "copy_range", slow)
    with pytest.raises(ReleaseGateError, match="changed since"):
        exported(desk, tmp_path / "public")
    assert left(tmp_path) == []


def test_what_was_exported_is_verified_again_before_it_is_pushed(shared: Desk, tmp_path: Path) -> None:
    place = tmp_path / "public"
    exported(shared, place)
    found = again(call(shared, place), Silent())
    assert isinstance(found, Exported)
    release = pushable(found)
    assert release.bundle == found.verified.own_bundle == digest_of_bytes((place / BUNDLE).read_bytes())
    assert release.released == found.released
    assert {"vqgan.safetensors", "model-00001-of-00002.safetensors"} <= {file.path for file in release.withheld}
    (place / "README.md").write_text("# Mine")
    with pytest.raises(ReleaseGateError, match=r"README\.md"):
        again(call(shared, place), Silent())


def test_what_somebody_added_to_the_attestations_of_an_export_is_screened_before_it_is_pushed(
    shared: Desk, tmp_path: Path
) -> None:
    place = tmp_path / "public"
    exported(shared, place)
    with (place / BUNDLE).open("ab") as file:
        file.write(strangers_line(shared))
    with pytest.raises(UnfitFiles, match=r"attestations\.jsonl:4: would hold a path in somebody's home"):
        again(call(shared, place), Silent())


def test_an_attempt_without_an_anchor_is_refused_before_anything_is_written_for_a_hub(
    shared: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unanchored(*given: Any, **more: Any) -> Decided:
        decided = read_decided(*given, **more)
        assert decided.decision.ledger is not None
        ledger = decided.decision.ledger.model_copy(update={"anchored": False})
        return replace(decided, decision=decided.decision.model_copy(update={"ledger": ledger}))

    monkeypatch.setattr("releasegate.publishing.exporting.read_decided", unanchored)
    with pytest.raises(PublishError, match="the ledger of the attempt is not anchored") as refused:
        exported(shared, tmp_path / "public", push=True)
    assert refused.value.problems[0].where == str(shared.run.root)
    assert left(tmp_path) == []


def test_a_release_whose_source_is_not_named_is_not_pushed(desk: Desk, tmp_path: Path) -> None:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("releasegate.publishing.composing.shown_report", lambda *of: "<!DOCTYPE html>")
        desk.attested()
    with pytest.raises(PublishError, match="does not name the files of the source") as refused:
        pushable(exported(desk, tmp_path / "public"))
    [problem] = refused.value.problems
    assert problem.where == str(tmp_path / "public" / BUNDLE)
    desk.attested(model=desk.root / "checkpoint")
    assert "export into another folder" in problem.fix
    assert pushable(exported(desk, tmp_path / "other")).withheld


def test_the_command_says_what_went_out_and_why_something_did_not(
    desk: Desk, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("releasegate.cli.export_command.today", lambda: TODAY)
    asked = ["export", str(desk.run.root), str(tmp_path / "public"), "--repo", str(desk.root), "--quiet"]
    assert call_releasegate([*asked, "--format", "json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["exported"] is True
    assert {file["path"] for file in said["files"]} | {BUNDLE} == set(bytes_of(tmp_path / "public"))
    assert call_releasegate(asked) == 2
    assert "is not empty" in capsys.readouterr().err
    shutil.rmtree(desk.run.root / "approvals")
    shutil.rmtree(tmp_path / "public")
    assert call_releasegate(asked) == 3
    assert capsys.readouterr().err.startswith("not exported: awaiting approval: ")
    assert call_releasegate([*asked, "--push", "https://example.org/lab/model"]) == 2
    assert "must name a repository of a hub as hub:org/name" in capsys.readouterr().err


def test_a_place_is_taken_for_what_it_is_however_it_is_spelt(
    shared: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    exported(shared, tmp_path / "a" / "b" / ".." / "public")
    assert left(tmp_path / "a") == ["b", "public"]
    monkeypatch.chdir(tmp_path / "a" / "b")
    exported(shared, Path())
    assert (tmp_path / "a" / "b" / "config.json").is_file()


@pytest.mark.parametrize("name", ["attestations.jsonl", "release", "release/README.md", "stripped/config.json"])
def test_links_in_a_run_are_not_followed(name: str, desk: Desk, tmp_path: Path) -> None:
    (tmp_path / "repo" / "elsewhere").mkdir()
    moved = (desk.run.root / name).rename(tmp_path / "repo" / "elsewhere" / "it")
    (desk.run.root / name).symlink_to(moved)
    with pytest.raises(ReleaseGateError):
        exported(desk, tmp_path / "public")
    assert left(tmp_path) == []
