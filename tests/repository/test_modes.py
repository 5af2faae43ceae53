"""Whatever the mask of the process, whoever opens an attempt can enter its run folder."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from releasegate.__main__ import run
from releasegate.errors import RunError
from releasegate.repository import LedgerFile
from tests.tiny_repository import Tiny


@pytest.fixture(autouse=True)
def mask() -> Iterator[None]:
    """The mask of the tests' own process, again."""
    before = os.umask(0o022)
    os.umask(before)
    yield
    os.umask(before)


def modes(folder: Path) -> dict[str, int]:
    return {str(p.relative_to(folder)): stat.S_IMODE(p.stat().st_mode) for p in (folder, *folder.rglob("*"))}


@pytest.mark.parametrize("mask", [0o777, 0o700, 0o277])
def test_a_run_under_any_mask_can_be_used_by_its_owner(made: Tiny, mask: int) -> None:
    os.umask(mask)
    assert run(made.gate()) == 0
    assert os.umask(mask) == mask
    found = modes(made.run.root)
    assert {name for name, mode in found.items() if not mode & stat.S_IRUSR} == set()
    folders = {name: mode for name, mode in found.items() if (made.run.root / name).is_dir()}
    assert {"evidence", "stripped"} < set(folders)
    assert all(mode & stat.S_IRWXU == stat.S_IRWXU for mode in folders.values())
    assert not any(mode & mask & ~stat.S_IRWXU for mode in folders.values()), "others get what the mask leaves them"


def test_a_folder_that_its_owner_cannot_use_takes_no_run(made: Tiny) -> None:
    made.run.root.mkdir()
    made.run.root.chmod(0o500)
    if os.geteuid() == 0:  # whom no mode keeps out: the folder's owner would be kept out later
        with pytest.raises(RunError, match="has mode 500: its owner cannot"):
            made.opened()
    else:
        assert run(made.gate()) == 2
    assert made.ledger.read("tiny").attempts == ()


def test_a_ledger_under_any_mask_can_be_read_by_its_owner(tmp_path: Path) -> None:
    os.umask(0o777)
    LedgerFile(tmp_path / "new" / "ledger.jsonl").init("tiny")
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o700
    assert stat.S_IMODE((tmp_path / "new" / "ledger.jsonl").stat().st_mode) == 0o600
