"""`export --push`, from a run to a hub: the whole way through the command line."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

import releasegate.cli.export_command
from releasegate.__main__ import run as call
from releasegate.attesting.verifying import verify_release
from releasegate.errors import Exit
from releasegate.policy import parse_policy
from releasegate.released import BUNDLE
from tests.fake_hub import WRITER, FakeHub
from tests.tiny_attesting import PUBLISHED, TODAY, Desk, make_desk

MAY_DIFFER = PUBLISHED.replace("LICENSE}", "LICENSE, may_differ: [.gitattributes]}")


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    """An attested run; nothing of it is changed."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("releasegate.gate.write_report", lambda run, *more, **named: run.report_path.write_text("-"))
        patched.setattr("releasegate.publishing.composing.shown_report", lambda *of: "<!DOCTYPE html>")
        desk = make_desk(tmp_path_factory.mktemp("push") / "repo", MAY_DIFFER)
        desk.attested(model=desk.root / "checkpoint")
    return desk


@pytest.fixture(autouse=True)
def _today(monkeypatch: pytest.MonkeyPatch) -> None:
    class Clock(datetime):
        @classmethod
        def now(cls, *zone: Any) -> Any:
            return datetime(TODAY.year, TODAY.month, TODAY.day, tzinfo=zone[0])

    monkeypatch.setattr(releasegate.cli.export_command, "datetime", Clock)


def push(desk: Desk, place: Path, name: str = "hub:lab/tiny", *more: str) -> int:
    return call(["export", str(desk.run.root), str(place), "--repo", str(desk.root), "--push", name, "-q", *more])


def test_what_is_downloaded_after_a_push_verifies(
    shared: Desk, fake: FakeHub, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert push(shared, tmp_path / "public", "hub:lab/tiny", "--format", "json") == Exit.YES
    told = json.loads(capsys.readouterr().out)["pushed"]
    there = fake.repositories["lab/tiny"]
    assert told == {
        "repository": "hub:lab/tiny",
        "commit": there.head,
        "url": f"{fake.endpoint}/lab/tiny",
        "sent": len(there.files) - 1,
    }
    assert not there.private
    for path, stored in there.files.items():
        (tmp_path / "got" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "got" / path).write_bytes(stored.data)
    policy = parse_policy(shared.policy.read_bytes(), "tiny.yaml").record
    verified = verify_release(tmp_path / "got", tmp_path / "got" / BUNDLE, policy, TODAY)
    assert [one.path for one in verified.may_differ] == [".gitattributes"]


def test_the_same_call_again_goes_on_with_the_folder_that_it_wrote(
    shared: Desk, fake: FakeHub, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fake.fail("commit", 500, times=1)
    assert push(shared, tmp_path / "public") == Exit.CANNOT
    told = capsys.readouterr()
    assert told.err == (
        "hub:lab/tiny: the hub refused when the files were committed: 500: it is out of order (not now); "
        "the repository is private\n"
        "  fix: run the same command again: it goes on where this one stopped\n"
    )
    assert not told.out
    assert push(shared, tmp_path / "public") == Exit.YES
    assert f"public: {fake.endpoint}/lab/tiny at commit" in capsys.readouterr().out
    assert not fake.repositories["lab/tiny"].private


def test_the_checkpoint_before_the_strip_in_a_history_is_known_from_the_attestation(
    shared: Desk, fake: FakeHub, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    there = fake.make("lab/tiny")
    source = (shared.root / "checkpoint" / "vqgan.safetensors").read_bytes()
    there.put("weights/old.bin", source, lfs=True)
    there.remove("weights/old.bin")
    assert push(shared, tmp_path / "public") == Exit.CANNOT
    assert "its history holds 'vqgan.safetensors' of the model before the strip" in capsys.readouterr().err
    assert there.private


def test_no_token_lies_in_what_a_push_writes(shared: Desk, fake: FakeHub, tmp_path: Path) -> None:
    assert push(shared, tmp_path / "public") == Exit.YES
    for folder in (tmp_path / "public", shared.run.root):
        assert not [path for path in folder.rglob("*") if path.is_file() and WRITER.encode() in path.read_bytes()]


@pytest.mark.parametrize("name", ["hub:lab", "https://huggingface.co/lab/tiny", "hub:lab/../tiny"])
def test_a_wrong_name_writes_no_folder(
    name: str, shared: Desk, fake: FakeHub, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert push(shared, tmp_path / "public", name) == Exit.CANNOT
    assert "must name a repository of a hub as hub:org/name" in capsys.readouterr().err
    assert not (tmp_path / "public").exists()
    assert not fake.log


def test_without_a_token_no_folder_is_written_in_vain(
    shared: Desk,
    fake: FakeHub,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("HF_TOKEN", "")
    monkeypatch.setattr("huggingface_hub.constants.HF_TOKEN_PATH", str(tmp_path / "none"))
    assert push(shared, tmp_path / "public") == Exit.CANNOT
    assert "HF_TOKEN: there is no token for the hub" in capsys.readouterr().err
    assert not (tmp_path / "public").exists()
