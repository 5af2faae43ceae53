"""Disks: full ones, failing ones, holes, links, shared blocks, and what is read back from them."""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import resource
import shutil
import threading
import tracemalloc
from collections import namedtuple
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from releasegate.checkpoint import open_checkpoint, read_contents, read_manifest
from releasegate.errors import CheckpointError, StripError
from releasegate.receipt import KeySet
from releasegate.repository import read_receipt, receipt_path
from releasegate.stripping import plan_strip, verify_strip, write_strip
from releasegate.stripping.edits import TensorEdit
from releasegate.stripping.writing import output
from releasegate.stripping.writing.room import can_share
from tests.stripping.test_copying import shares
from tests.tiny_checkpoints import bytes_of, chameleon_recipe, safetensors, tiny
from tests.tiny_strips import allocated, plan_of

FIRST, SECOND = "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"
HEAD, NORM = "lm_head.weight", "model.norm.weight"
PLAN = plan_of({HEAD: TensorEdit("rows_zeroed", ((4, 11),))})


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tiny().write(tmp_path / "model")


def read_only(root: Path) -> None:
    for path in root.rglob("*"):
        path.chmod(0o444)


def test_files_that_stay_are_linked_to_where_nobody_may_write_to_them(root: Path) -> None:
    read_only(root)
    out = root.with_name("out")
    receipt = write_strip(read_contents(root), PLAN, out, link_untouched=True)
    same = {path.name for path in root.iterdir() if os.path.samefile(path, out / path.name)}
    assert same == {path.name for path in root.iterdir()} - {FIRST}
    assert receipt == write_strip(read_contents(root), PLAN, root.with_name("copied"))
    assert verify_strip(out, receipt, root)


def test_a_file_that_somebody_may_write_to_is_not_linked_to(root: Path) -> None:
    read_only(root)
    (root / SECOND).chmod(0o464)
    with pytest.raises(StripError) as caught:
        write_strip(read_contents(root), PLAN, root.with_name("out"), link_untouched=True)
    (problem,) = caught.value.problems
    assert problem.where == str(root / SECOND)
    assert problem.what == "would be shared with the output, and may be written to"
    assert problem.fix == "take the right to write from everybody (chmod a-w), or do not link"
    assert not root.with_name("out").exists()


def test_what_cannot_be_linked_to_is_an_error_and_no_copy(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read_only(root)

    def crosses(*_: object, **__: object) -> None:
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))

    monkeypatch.setattr(os, "link", crosses)
    with pytest.raises(StripError, match="cannot be linked to: Invalid cross-device link"):
        write_strip(read_contents(root), PLAN, root.with_name("out"), link_untouched=True)
    assert [path.name for path in root.parent.iterdir()] == ["model"]


def test_what_was_written_is_read_back(root: Path) -> None:
    out = root.with_name("out")
    told: list[int] = []
    stages: list[tuple[str, int]] = []
    receipt = write_strip(
        read_contents(root),
        PLAN,
        out,
        told.append,
        stage=lambda name, total: stages.append((name, total)),
        verify_written=True,
    )
    assert receipt.read_back
    assert [name for name, _ in stages] == ["strip", "read back", "search"]
    assert sum(told) == sum(total for _, total in stages)
    assert receipt.model_copy(update={"read_back": None}) == write_strip(read_contents(root), PLAN, root.with_name("b"))


@pytest.mark.parametrize("name", [FIRST, SECOND, "README.md", "vqgan.safetensors", "generation_config.json"])
@pytest.mark.parametrize("place", [0, -1])
def test_a_disk_that_gives_back_other_bytes_is_noticed(
    name: str, place: int, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = (KeySet(file="generation_config.json", key="suppress_tokens", value=[1]),)
    plan = plan_of({HEAD: TensorEdit("rows_zeroed", ((4, 11),)), NORM: TensorEdit("removed")}, keys=keys)

    def spoils(descriptor: int, *_: int) -> None:
        path = Path(os.readlink(f"/proc/self/fd/{descriptor}"))
        if path.name == name:
            with path.open("r+b") as file:
                file.seek(place, os.SEEK_SET if place == 0 else os.SEEK_END)
                file.write(b"\x81")

    monkeypatch.setattr(os, "posix_fadvise", spoils)
    with pytest.raises(StripError) as caught:
        write_strip(read_contents(root), plan, root.with_name("out"), verify_written=True)
    (problem,) = caught.value.problems
    assert problem.where == str(root.with_name("out") / name)
    assert problem.what == "came back from the disk with other bytes than were written"
    assert [path.name for path in root.parent.iterdir()] == ["model"]


def with_holes(root: Path) -> int:
    """Two sparse files of tensors, one of them the model; their apparent size."""
    rows, width = 4096, 2048
    header = {
        "a": {"dtype": "BF16", "shape": [rows, width], "data_offsets": [0, 2 * rows * width]},
        "b": {"dtype": "BF16", "shape": [rows, width], "data_offsets": [2 * rows * width, 4 * rows * width]},
    }
    start = safetensors(header)
    root.mkdir()
    (root / "config.json").write_text('{"model_type": "llama"}')
    for seed, name in enumerate(("model.safetensors", "beside.safetensors")):
        with (root / name).open("wb") as file:
            file.write(start)
            file.seek(3 * width * 2, os.SEEK_CUR)
            file.write(np.random.default_rng(seed).bytes(10_000))
            file.truncate(len(start) + 4 * rows * width)
    return 2 * (len(start) + 4 * rows * width)


@pytest.mark.parametrize(
    "edit",
    [
        TensorEdit("removed"),
        TensorEdit("zero_filled"),
        TensorEdit("rows_zeroed", ((5, 6),)),
        TensorEdit("rows_removed", ((0, 1), (9, 9)), 1),
        TensorEdit("rows_reinitialised", ((4090, 4095),), 0, 0.02),
    ],
)
def test_holes_stay_holes(edit: TensorEdit, tmp_path: Path) -> None:
    apparent = with_holes(tmp_path / "model")
    receipt = write_strip(
        read_contents(tmp_path / "model"), plan_of({"a": edit}), tmp_path / "out", verify_written=True
    )
    assert allocated(tmp_path / "model") < apparent // 100
    assert allocated(tmp_path / "out") < apparent // 50
    assert receipt.source == read_manifest(tmp_path / "model").digest()
    assert receipt.output_digest == read_manifest(tmp_path / "out").digest()
    assert verify_strip(tmp_path / "out", receipt, tmp_path / "model")


def test_holes_links_and_shared_blocks_need_no_room(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with_holes(root.with_name("sparse"))
    (root / "README.md").write_text("# A longer card\n" * 4000)
    read_only(root)
    usage = namedtuple("usage", "total used free")
    free = output.SLACK + 50_000
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage(0, 0, free))
    write_strip(read_contents(root.with_name("sparse")), plan_of({"a": TensorEdit("removed")}), root.with_name("a"))
    write_strip(read_contents(root), PLAN, root.with_name("b"), link_untouched=True)
    with pytest.raises(StripError, match="bytes free, and the strip needs"):
        write_strip(read_contents(root), PLAN, root.with_name("c"))
    monkeypatch.setattr(fcntl, "ioctl", shares)
    assert can_share(read_contents(root), root.parent)
    receipt = write_strip(read_contents(root), PLAN, root.with_name("c"))
    assert verify_strip(root.with_name("c"), receipt, root)


@pytest.mark.parametrize("edit", [TensorEdit("removed"), TensorEdit("rows_zeroed", ((1, 2),), 1)])
def test_shared_blocks_give_the_same_strip(edit: TensorEdit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = tiny()
    made.shards[FIRST]["model.layers.0.self_attn.q_proj.weight"] = (
        np.random.default_rng(5).standard_normal((300, 100)).astype("f4")
    )
    root = made.write(tmp_path / "model")
    plan = plan_of({HEAD: edit})
    copied = write_strip(read_contents(root), plan, tmp_path / "copied")
    monkeypatch.setattr(fcntl, "ioctl", shares)
    assert copied == write_strip(read_contents(root), plan, tmp_path / "shared")
    assert bytes_of(tmp_path / "copied") == bytes_of(tmp_path / "shared")


def test_a_file_that_may_not_grow_so_large_leaves_nothing(root: Path) -> None:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4000, limits[1]))
    try:
        with pytest.raises(StripError) as caught:
            write_strip(read_contents(root), PLAN, root.with_name("out"))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert caught.value.problems[0].what == "could not be written: File too large"
    assert [path.name for path in root.parent.iterdir()] == ["model"]


@contextmanager
def small_disk(folder: Path, size: int) -> Iterator[Path]:
    """A disk in memory that holds `size` bytes; for those who may mount one."""
    libc = ctypes.CDLL(None, use_errno=True)
    folder.mkdir()
    if libc.mount(b"tmpfs", str(folder).encode(), b"tmpfs", 0, f"size={size}".encode()):
        pytest.skip("mounting is not allowed here")
    try:
        yield folder
    finally:
        libc.umount2(str(folder).encode(), 2)


@pytest.mark.parametrize("sparse", [False, True])
def test_a_disk_that_fills_up_leaves_nothing(sparse: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: FBT001
    made = tiny()
    made.shards[SECOND]["model.layers.1.self_attn.q_proj.weight"] = np.ones((700, 500), "f4")
    root = made.write(tmp_path / "model")
    if sparse:
        with (root / SECOND).open("r+b") as file:  # a hole at the end of a tensor, so that no room is taken beforehand
            fcntl.flock(file, fcntl.LOCK_EX)
            size = os.fstat(file.fileno()).st_size
            file.truncate(size - 8192)
            file.truncate(size)
    usage = namedtuple("usage", "total used free")
    with small_disk(tmp_path / "small", 1 << 20) as disk:
        with pytest.raises(StripError, match="bytes free, and the strip needs"):
            write_strip(read_contents(root), PLAN, disk / "out")
        monkeypatch.setattr("shutil.disk_usage", lambda _: usage(0, 0, 1 << 40))
        with pytest.raises(StripError) as caught:
            write_strip(read_contents(root), PLAN, disk / "out")
        assert list(disk.iterdir()) == []
    (problem,) = caught.value.problems
    assert problem.what == "could not be written: No space left on device"
    assert problem.fix == "nothing was left behind; check the disk and try again"


def test_another_file_system_is_copied_to(root: Path) -> None:
    with small_disk(root.with_name("other"), 64 << 20) as disk:
        receipt = write_strip(read_contents(root), PLAN, disk / "out")
        assert verify_strip(disk / "out", receipt, root)


@pytest.mark.parametrize("change", ["longer", "shorter", "newer"])
def test_a_source_that_changes_meanwhile_is_noticed(change: str, root: Path) -> None:
    contents = read_contents(root)
    size = (root / SECOND).stat().st_size

    def meddle(_: int) -> None:
        with (root / SECOND).open("r+b") as file:
            if change == "newer":
                file.seek(-1, os.SEEK_END)
                file.write(b"?")
            else:
                file.truncate(size + (1 if change == "longer" else -1))

    with pytest.raises((StripError, CheckpointError)) as caught:
        write_strip(contents, PLAN, root.with_name("out"), meddle)
    noticed = {"changed since the checkpoint was opened", *(["ends 1 bytes too early"] if change == "shorter" else [])}
    assert caught.value.problems[0].what in noticed
    assert [path.name for path in root.parent.iterdir()] == ["model"]


def test_a_configuration_that_changed_since_the_plan_is_noticed(root: Path) -> None:
    contents = read_contents(root)
    (root / "config.json").write_text((root / "config.json").read_text().replace("false", "true "))
    with pytest.raises(StripError, match="changed since the checkpoint was opened"):
        write_strip(contents, PLAN, root.with_name("out"))


def test_many_strips_to_one_target_give_one_strip_with_its_own_receipt(root: Path) -> None:
    plans = [plan_of({HEAD: TensorEdit("rows_zeroed", ((row, row),))}) for row in range(4)]
    contents, errors = read_contents(root), []

    def one(plan: object) -> None:
        try:
            write_strip(contents, plan, root.with_name("out"))  # type: ignore[arg-type]
        except StripError as error:
            errors.append(error.problems[0].what)

    for _ in range(4):
        threads = [threading.Thread(target=one, args=(plan,)) for plan in plans]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert errors == ["exists already"] * 3
        assert verify_strip(root.with_name("out"), read_receipt(receipt_path(root.with_name("out"))), root)
        shutil.rmtree(root.with_name("out"))
        receipt_path(root.with_name("out")).unlink()
        errors.clear()
    assert [path.name for path in root.parent.iterdir()] == ["model"]


def test_a_lock_that_a_killed_strip_left_does_not_stand_in_the_way(root: Path) -> None:
    root.with_name(".out.lock").touch()
    checkpoint = open_checkpoint(root)
    write_strip(checkpoint, plan_strip(checkpoint, [chameleon_recipe()]), root.with_name("out"))
    assert not root.with_name(".out.lock").exists()


def test_memory_is_bounded_whatever_the_size(tmp_path: Path) -> None:
    with_holes(tmp_path / "model")
    with (tmp_path / "model" / "model.safetensors").open("r+b") as file:
        file.seek(1 << 20)
        for _ in range(28):
            file.write(b"\1" * (1 << 20))
    plan = plan_of({"a": TensorEdit("rows_zeroed", ((1, 3),), 1)})
    tracemalloc.start()
    write_strip(read_contents(tmp_path / "model"), plan, tmp_path / "out", verify_written=True)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 16 << 20
