"""Every file of a folder is read once, whole, and nothing that is no plain file is opened."""

from __future__ import annotations

import hashlib
import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from releasegate.attesting import hashing
from releasegate.attesting.hashing import Odd, hash_folder
from releasegate.errors import NotFound, VerifyError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Small files, a hidden one, an empty one, and one of several blocks."""
    made = tmp_path / "release"
    (made / "deep" / "er").mkdir(parents=True)
    (made / "config.json").write_text("{}")
    (made / ".gitattributes").write_text("*.safetensors filter=lfs\n")
    (made / "empty").write_bytes(b"")
    (made / "deep" / "er" / "model.safetensors").write_bytes(os.urandom(2 * hashing.BLOCK + 5))
    return made


def test_every_file_has_its_size_and_the_digest_that_sha256sum_prints(folder: Path) -> None:
    told: list[int] = []
    hashed = hash_folder(folder, told.append)
    assert [file.path for file in hashed.files] == [
        ".gitattributes",
        "config.json",
        "deep/er/model.safetensors",
        "empty",
    ]
    for file in hashed.files:
        data = (folder / file.path).read_bytes()
        assert (file.size, file.sha256) == (len(data), f"sha256:{hashlib.sha256(data).hexdigest()}")
    assert hashed.odd == ()
    assert sum(told) == sum(file.size for file in hashed.files)


def listen(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(path))


NAME = "has a name that is too long, is no text, or holds a backslash or an unprintable character"


@pytest.mark.parametrize(
    ("make", "odd"),
    [
        (lambda f: (f / "a").symlink_to(f / "config.json"), Odd("a", "is a symlink")),
        (lambda f: (f / "a").symlink_to("/nowhere"), Odd("a", "is a symlink")),
        (lambda f: (f / "a").symlink_to(f.parent), Odd("a", "is a symlink")),
        (lambda f: os.mkfifo(f / "a"), Odd("a", "is a pipe")),
        (lambda f: listen(f / "a"), Odd("a", "is a socket")),
        (lambda f: (f / "a" / "b").mkdir(parents=True), Odd("a/b/", "is an empty folder")),
        (lambda f: (f / "a\\b").write_text(""), Odd("a\\b", NAME)),
        (lambda f: (f / "a\u202etxt").write_text(""), Odd("a\\u202etxt", NAME)),
        (lambda f: Path(os.fsdecode(os.fsencode(f) + b"/\xff")).write_text(""), Odd("\\udcff", NAME)),
    ],
)
def test_what_is_no_plain_file_is_named_and_not_opened(folder: Path, make: Callable[[Path], None], odd: Odd) -> None:
    make(folder)
    hashed = hash_folder(folder)
    assert hashed.odd == (odd,)
    assert len(hashed.files) == 4


def test_a_file_that_grows_while_it_is_read_is_refused(folder: Path) -> None:
    grown = folder / "deep" / "er" / "model.safetensors"

    def grow(_: int) -> None:
        with grown.open("ab") as file:
            file.write(b"more")

    with pytest.raises(VerifyError, match="changed"):
        hash_folder(folder, grow)


@pytest.mark.parametrize(
    "change",
    [
        lambda f: (f / "late").write_text("x"),
        lambda f: (f / "late").symlink_to("/nowhere"),
        lambda f: (f / "empty").unlink(),
        lambda f: (f / "config.json").write_text("[]"),
        lambda f: os.replace(f / "config.json", f / "empty"),
    ],
)
def test_what_comes_goes_or_changes_meanwhile_is_refused(folder: Path, change: Callable[[Path], object]) -> None:
    done: list[int] = []

    def once(count: int) -> None:
        if count >= hashing.BLOCK and not done:
            done.append(count)
            change(folder)

    with pytest.raises(VerifyError, match=r"changed|cannot be opened"):
        hash_folder(folder, once)
    assert done


def test_a_folder_is_wanted(folder: Path) -> None:
    with pytest.raises(NotFound, match="there is no such folder"):
        hash_folder(folder / "nothing")
    with pytest.raises(NotFound, match="is a file"):
        hash_folder(folder / "empty")
