"""A disk that cannot hold what a run may write is found before an attempt opens."""

from __future__ import annotations

import shutil
from collections import namedtuple

import pytest

from releasegate import opening
from releasegate.__main__ import run
from tests.tiny_repository import Tiny

Usage = namedtuple("Usage", "total used free")


@pytest.mark.parametrize("more", [(), ("--rehearse",)])
def test_a_full_disk_spends_no_attempt(
    made: Tiny, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, more: tuple[str, ...]
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(1 << 40, 1 << 40, opening.EVIDENCE_ROOM - 1))
    assert run(made.gate(*more)) == 2
    err = capsys.readouterr().err
    assert f"{made.run.root}: has room for {opening.EVIDENCE_ROOM - 1:,} bytes, and a run may need " in err
    assert "those of the stripped checkpoint among them\n  fix: free some on that disk" in err
    assert made.ledger.read("tiny").attempts == ()
    assert not made.run.root.exists()


def test_a_checkpoint_that_may_be_stripped_needs_room_for_the_strip(
    made: Tiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    size = sum(path.stat().st_size for path in made.checkpoint.iterdir())
    monkeypatch.setattr(opening, "room_for", lambda contents, plan, folder: size)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(1, 1, opening.EVIDENCE_ROOM + size - 1))
    assert run(made.gate()) == 2
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(1, 1, opening.EVIDENCE_ROOM + size))
    assert run(made.gate()) == 0


def test_a_run_folder_that_cannot_be_made_spends_no_attempt(made: Tiny, capsys: pytest.CaptureFixture[str]) -> None:
    (made.root / "file").write_text("")
    assert run(made.gate(out="file/run")) == 2
    assert capsys.readouterr().err
    assert made.ledger.read("tiny").attempts == ()
