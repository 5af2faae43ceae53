"""Bytes reach the output the same, whichever way the file system allows; holes of the source stay holes."""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from releasegate.stripping.writing import copying
from releasegate.stripping.writing.copying import GRID, copy_range
from releasegate.stripping.writing.source import open_source

FALLS_THROUGH = [errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP]


def refuses(number: int) -> Callable[..., int]:
    """A system call that answers with an error."""

    def call(*_: object) -> int:
        raise OSError(number, os.strerror(number))

    return call


def shares(target: int, request: int, argument: bytes) -> int:
    """A file system that shares blocks, as far as its users can see."""
    assert request == copying._FICLONERANGE
    source, begin, size, place = np.frombuffer(argument, "<i8").tolist()
    if begin % GRID or size % GRID or place % GRID:
        raise OSError(errno.EINVAL, "not on the grid")
    os.pwrite(target, os.pread(source, size, begin), place)
    return 0


def copied(folder: Path, begin: int, place: int, size: int) -> tuple[set[copying.Method], bytes, list[int]]:
    """How a range of a random file was copied, the file that it was copied to, and what the watch was told."""
    content = np.random.default_rng(0).bytes(100_000)
    (folder / "source").write_bytes(content)
    told: list[int] = []
    with (folder / "target").open("w+b") as target, open_source(folder / "source") as source:
        used = copy_range(source, begin, target.fileno(), place, size, told.append)
    found = (folder / "target").read_bytes()
    assert found[place:] == content[begin : begin + size]
    assert sum(told) == size
    return used, found, told


@pytest.mark.parametrize("number", FALLS_THROUGH)
def test_what_cannot_be_shared_is_copied_by_the_kernel(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fcntl, "ioctl", refuses(number))
    used, *_ = copied(tmp_path, 10, 10, 90_000)
    assert used == {"kernel"}


@pytest.mark.parametrize("number", FALLS_THROUGH)
def test_what_the_kernel_cannot_copy_is_read_and_written(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fcntl, "ioctl", refuses(number))
    monkeypatch.setattr(os, "copy_file_range", refuses(number))
    used, *_ = copied(tmp_path, 10, 3, 90_000)
    assert used == {"blocks"}


def test_a_kernel_that_copies_nothing_is_not_asked_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "copy_file_range", lambda *_: 0)
    used, *_ = copied(tmp_path, 0, 0, 90_000)
    assert used == {"blocks"}


@pytest.mark.parametrize(
    ("begin", "place", "size", "methods"),
    [
        (0, 0, 8 * GRID, {"clone"}),
        (100, 100, 9 * GRID, {"clone", "kernel"}),
        (100, 100 + 5 * GRID, 9 * GRID, {"clone", "kernel"}),
        (100, 101, 9 * GRID, {"kernel"}),
        (100, 100, GRID, {"kernel"}),
    ],
)
def test_whole_blocks_on_the_same_grid_are_shared(
    begin: int, place: int, size: int, methods: set[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fcntl, "ioctl", shares)
    used, *_ = copied(tmp_path, begin, place, size)
    assert used == methods


@pytest.mark.parametrize("call", ["ioctl", "copy_file_range"])
def test_a_disk_that_fails_is_no_reason_to_try_another_way(
    call: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fcntl if call == "ioctl" else os, call, refuses(errno.EIO))
    with pytest.raises(OSError, match="Input/output error"):
        copied(tmp_path, 0, 0, 90_000)


def test_holes_are_not_copied(tmp_path: Path) -> None:
    with (tmp_path / "source").open("wb") as file:
        file.truncate(8 << 20)
        os.pwrite(file.fileno(), b"\7" * 5000, 3 << 20)
    with (tmp_path / "target").open("w+b") as target, open_source(tmp_path / "source") as source:
        target.truncate(8 << 20)
        copy_range(source, 0, target.fileno(), 0, 8 << 20, lambda _: None)
        runs = [(run.end - run.begin, run.hole) for run in source.runs(0, source.size)]
        assert source.is_hole(0, 3 << 20)
        assert not source.is_hole(0, (3 << 20) + 1)
    assert (tmp_path / "target").read_bytes() == (tmp_path / "source").read_bytes()
    assert os.stat(tmp_path / "target").st_blocks == os.stat(tmp_path / "source").st_blocks
    assert [hole for _, hole in runs] == [True, False, True]
