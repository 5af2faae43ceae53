"""Every way in which a torch file's archive can be bad has its own message; none of them needs torch to be told."""

from __future__ import annotations

import io
import os
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from releasegate.checkpoint.archive import MAX_PICKLE, read_archive
from releasegate.checkpoint.central import MAX_DIRECTORY, MAX_MEMBERS
from releasegate.errors import ArchiveError
from tests.measured_reading import measured
from tests.torch_archives import Entry, members, padding, pickled, tensor, torch_file, zipped

PICKLE = pickled({"w": tensor()})
DATA = bytes(24)


def changed(which: str, **changes: object) -> bytes:
    """A good file, one of whose members is changed."""
    made = members(PICKLE, {"0": DATA})
    for entry in made:
        if entry.name == f"archive/{which}":
            vars(entry).update(changes)
    return zipped(made)


def added(*entries: Entry) -> bytes:
    return zipped([*members(PICKLE, {"0": DATA}), *entries])


def without(which: str) -> bytes:
    return zipped([entry for entry in members(PICKLE, {"0": DATA}) if entry.name != f"archive/{which}"])


def deflated() -> bytes:
    """What Python's zipfile makes of 64 megabytes of zeros."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as file:
        file.writestr("archive/data.pkl", PICKLE)
        file.writestr("archive/version", b"3\n")
        with file.open("archive/data/0", "w", force_zip64=True) as member:
            for _ in range(64):
                member.write(bytes(1 << 20))
    return made.getvalue()


def compressed_claim() -> bytes:
    return changed("data/0", method=8, size=100 * 2**20, packed=24)


BAD: dict[str, tuple[Callable[[], bytes], str]] = {
    "empty": (lambda: b"", "does not begin as the zip archive that `torch.save` writes"),
    "text": (lambda: b"<!DOCTYPE html>" * 9, "does not begin as the zip archive that `torch.save` writes"),
    "prefixed": (lambda: b"#!/bin/sh\n" + torch_file(), "does not begin as the zip archive that `torch.save` writes"),
    "before_1_6": (
        lambda: b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19." + bytes(99),
        "is in the format that torch wrote before version 1.6, which is no zip archive",
    ),
    "bare_pickle": (lambda: PICKLE, "is a bare pickle, not a file that `torch.save` wrote"),
    "pointer": (
        lambda: b"version https://git-lfs.github.com/spec/v1\n",
        "is a Git LFS pointer, not the file itself",
    ),
    "cut_off": (
        lambda: torch_file()[:-40],
        "does not end as a zip archive does: it is cut off, or something was added to it",
    ),
    "bytes_at_the_end": (
        lambda: torch_file() + bytes(9),
        "does not end as a zip archive does: it is cut off, or something was added to it",
    ),
    "comment": (
        lambda: torch_file()[:-2] + b"\1\0",
        "has a zip comment or several parts, which torch does not write",
    ),
    "hidden_comment": (
        lambda: zipped(members(PICKLE, {"0": DATA}), comment=b"x" * 30),
        "does not end as a zip archive does: it is cut off, or something was added to it",
    ),
    "many_members": (
        lambda: zipped(members(PICKLE, {}), length=2**32 - 1),
        f"claims 3 members in a list of 4,294,967,295 bytes; at most {MAX_MEMBERS:,} and {MAX_DIRECTORY:,} are read",
    ),
    "wide_claim": (
        lambda: wide(count=2**60),
        f"claims {2**60:,} members in a list of 186 bytes; at most {MAX_MEMBERS:,} and {MAX_DIRECTORY:,} are read",
    ),
    "wide_elsewhere": (lambda: wide(at=7), "has a zip64 end that is not where its locator says"),
    "list_elsewhere": (
        lambda: zipped(members(PICKLE, {"0": DATA}), begin=0),
        "has a list of members that is not at its end",
    ),
    "another_number": (
        lambda: zipped(members(PICKLE, {"0": DATA}), count=3),
        "lists another number of members than the 3 it claims",
    ),
    "more_claimed": (
        lambda: zipped(members(PICKLE, {"0": DATA}), count=5),
        "lists another number of members than the 5 it claims",
    ),
    "malformed_list": (lambda: torch_file().replace(b"PK\1\2", b"PK\1\3"), "has a malformed list of members"),
    "encrypted": (lambda: changed("data/0", flags=0x0809), "has an encrypted member 'archive/data/0'"),
    "strange_flags": (
        lambda: changed("data/0", flags=0x2808),
        "has a member 'archive/data/0' with zip features that torch does not use",
    ),
    "hidden_in_the_time": (
        lambda: changed("data/0", clock=7),
        "has a member 'archive/data/0' with zip features that torch does not use",
    ),
    "hidden_in_the_attributes": (
        lambda: changed("data/0", attributes=7),
        "has a member 'archive/data/0' with zip features that torch does not use",
    ),
    "other_local_time": (
        lambda: changed("data/0", local_clock=7),
        "has a member 'data/0' whose own header says something else",
    ),
    "member_comment": (
        lambda: changed("data/0", comment=b"weights"),
        "has a member 'archive/data/0' with zip features that torch does not use",
    ),
    "deflated": (deflated, "has a member 'archive/data.pkl' with zip features that torch does not use"),
    "zip_bomb": (compressed_claim, "has a compressed member 'archive/data/0', which torch does not write"),
    "stored_claim": (
        lambda: changed("data/0", size=3 * 2**30),
        f"claims {3 * 2**30 + len(PICKLE) + 8:,} bytes of members in a file of 721 bytes",
    ),
    "wide_member_claim": (
        lambda: changed(
            "data/0", size=2**32 - 1, packed=2**32 - 1, central_extra=struct.pack("<HHQQ", 1, 16, 100 << 30, 100 << 30)
        ),
        f"claims {(100 << 30) + len(PICKLE) + 8:,} bytes of members in a file of 741 bytes",
    ),
    "central_extra": (
        lambda: changed("data/0", central_extra=struct.pack("<HH", 0x7075, 0)),
        "has a member 'archive/data/0' with extra fields in the list of members that torch does not write",
    ),
    "no_top": (lambda: added(Entry("x")), "has a member 'x' outside its one top folder"),
    "two_tops": (lambda: added(Entry("other/data/1")), "has a member 'other/data/1' outside its one top folder"),
    "parent": (
        lambda: added(Entry("archive/../data/1")),
        "has a member with an unusable name: 'archive/../data/1'",
    ),
    "absolute": (lambda: added(Entry("/archive/data/1")), "has a member with an unusable name: '/archive/data/1'"),
    "backslash": (
        lambda: added(Entry("archive\\data\\1")),
        r"has a member with an unusable name: 'archive\\data\\1'",
    ),
    "not_utf8": (lambda: added(Entry(b"archive/\xff")), r"has a member with an unusable name: 'archive/\ufffd'"),
    "folder": (lambda: added(Entry("archive/data/")), "has a member with an unusable name: 'archive/data/'"),
    "twice": (
        lambda: added(Entry("archive/data/0")),
        "has two members of one name: 'archive/data/0' and 'archive/data/0'",
    ),
    "case": (
        lambda: added(Entry("archive/DATA/0")),
        "has two members of one name: 'archive/data/0' and 'archive/DATA/0'",
    ),
    "overlap": (lambda: changed("data/0", offset=0), "has a member 'data/0' that overlaps the one before it"),
    "gap": (
        lambda: changed("data/0", before=b"weights!" * 8),
        "has 64 bytes that belong to no member, before 'data/0'",
    ),
    "gap_at_the_end": (
        lambda: zipped(members(PICKLE, {"0": DATA}), between=b"weights!"),
        "has 8 bytes that belong to no member, after the last",
    ),
    "bad_descriptor": (
        lambda: changed("data/0", descriptor=b"PK\7\x08" + bytes(12)),
        "has 16 bytes that belong to no member, before 'version'",
    ),
    "into_the_list": (
        lambda: changed("version", size=30, packed=30),
        "has a last member that runs into the list of members",
    ),
    "no_local_header": (
        lambda: torch_file().replace(b"PK\3\4", b"PK\3\5").replace(b"PK\3\5", b"PK\3\4", 1),
        "has no header where the list of members places 'byteorder'",
    ),
    "other_local_name": (
        lambda: changed("data/0", local_name=b"archive/data/1"),
        "has a member 'data/0' whose own header says something else",
    ),
    "other_local_flags": (
        lambda: changed("data/0", local_flags=0x0008),
        "has a member 'data/0' whose own header says something else",
    ),
    "other_local_size": (
        lambda: changed("data/0", local_size=12),
        "has a member 'data/0' whose own header says something else",
    ),
    "hidden_in_padding": (
        lambda: changed("data/0", extra=struct.pack("<HH", 0x4246, 8) + b"weights!"),
        "has bytes before member 'data/0' that are not torch's padding",
    ),
    "other_extra": (
        lambda: changed("data/0", extra=struct.pack("<HH", 0x7075, 8) + b"weights!"),
        "has bytes before member 'data/0' that are not torch's padding",
    ),
    "cut_extra": (
        lambda: changed("data/0", extra=padding(20)[:-3]),
        "has bytes before member 'data/0' that are not torch's padding",
    ),
    "torchscript": (lambda: added(Entry("archive/code/m.py")), "is a TorchScript archive, which is a program"),
    "constants": (lambda: added(Entry("archive/constants.pkl")), "is a TorchScript archive, which is a program"),
    "stranger": (
        lambda: added(Entry("archive/decoder.bin", DATA)),
        "has a member 'decoder.bin', which torch does not write",
    ),
    "strange_storage": (
        lambda: added(Entry("archive/data/01", DATA)),
        "has a member 'data/01', which torch does not write",
    ),
    "no_pickle": (lambda: without("data.pkl"), "has no member 'data.pkl'"),
    "no_version": (lambda: without("version"), "has no member 'version'"),
    "long_version": (
        lambda: changed("version", data=b"3" * 300),
        "has a member 'version' with something else in it than torch writes",
    ),
    "strange_byteorder": (
        lambda: changed("byteorder", data=b"middle"),
        "has a member 'byteorder' with something else in it than torch writes",
    ),
    "hidden_in_id": (
        lambda: added(Entry("archive/.data/serialization_id", b"weights")),
        "has a member '.data/serialization_id' with something else in it than torch writes",
    ),
    "big_endian": (
        lambda: changed("byteorder", data=b"big"),
        "holds tensors in big-endian order, which safetensors does not know",
    ),
    "large_pickle": (
        lambda: changed("data.pkl", data=bytes(MAX_PICKLE + 1)),
        f"has a pickle of {MAX_PICKLE + 1:,} bytes; at most {MAX_PICKLE:,} are read",
    ),
}


def wide(count: int = 3, at: int | None = None) -> bytes:
    """An archive with a zip64 end."""
    plain = zipped(members(PICKLE, {}))
    text, end = plain[:-22], plain[-22:]
    length, begin = struct.unpack("<II", end[12:20])
    record = struct.pack("<4sQHHIIQQQQ", b"PK\6\6", 44, 0, 0, 0, 0, count, count, length, begin)
    return text + record + struct.pack("<4sIQI", b"PK\6\7", 0, len(text) if at is None else at, 1) + end


def written(folder: Path, data: bytes) -> Path:
    path = folder / "model.pth"
    path.write_bytes(data)
    return path


def test_the_clean_control_is_read(tmp_path: Path) -> None:
    archive = read_archive(written(tmp_path, torch_file()))
    assert archive.pickle == PICKLE
    assert {key: member.size for key, member in archive.storages.items()} == {"0": 24}
    assert read_archive(written(tmp_path, wide())).pickle == PICKLE


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_archive_is_refused_by_its_own_message(kind: str, tmp_path: Path) -> None:
    make, what = BAD[kind]
    path = written(tmp_path, make())
    with pytest.raises(ArchiveError) as caught:
        read_archive(path)
    (problem,) = caught.value.problems
    assert (problem.where, problem.what) == (str(path), what)
    assert problem.fix


def test_a_symlink_or_a_folder_is_refused(tmp_path: Path) -> None:
    written(tmp_path, torch_file())
    (tmp_path / "link.pth").symlink_to("model.pth")
    for name in ("link.pth", "nothing.pth"):
        with pytest.raises(ArchiveError, match="cannot be opened"):
            read_archive(tmp_path / name)
    with pytest.raises(ArchiveError, match="is not a regular file"):
        read_archive(tmp_path)


def test_a_file_cut_anywhere_is_refused(tmp_path: Path) -> None:
    whole = torch_file()
    for length in range(0, len(whole), 7):
        with pytest.raises(ArchiveError):
            read_archive(written(tmp_path, whole[:length]))


HUGE = {
    "claimed": (
        lambda: BAD["wide_member_claim"][0](),
        "claims 107,374,182,555 bytes of members in a file of 741 bytes",
    ),
    "bomb": (deflated, "has a member 'archive/data.pkl' with zip features that torch does not use"),
    "holes": (
        lambda: torch_file()[:60],
        "does not end as a zip archive does: it is cut off, or something was added to it",
    ),
}


@pytest.mark.parametrize("kind", HUGE)
def test_huge_claims_are_refused_in_seconds_and_megabytes(kind: str, tmp_path: Path) -> None:
    """A file that claims 100 GB, a zip bomb, and one that is 100 GB long (all holes)."""
    make, what = HUGE[kind]
    path = written(tmp_path, make())
    if kind == "holes":
        os.truncate(path, 100 << 30)
    reading = measured("archive", "read_archive", path)
    assert (reading.error, reading.what) == ("ArchiveError", what)
    assert reading.seconds < 5
    assert reading.megabytes < 500
