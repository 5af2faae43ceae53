"""Every way in which a GGUF file can be bad has its own message."""

from __future__ import annotations

import struct
import time
import tracemalloc
from pathlib import Path

import pytest

from releasegate.checkpoint.gguf import MAX_ELEMENTS, MAX_HEADER, MAX_KEYS, MAX_TENSORS, read_gguf
from releasegate.errors import GgufError


def text(value: str | bytes) -> bytes:
    raw = value.encode() if isinstance(value, str) else value
    return struct.pack("<Q", len(raw)) + raw


def key(name: str | bytes, kind: int, value: bytes) -> bytes:
    return text(name) + struct.pack("<I", kind) + value


def array(kind: int, count: int, values: bytes = b"") -> bytes:
    return struct.pack("<IQ", kind, count) + values


def tensor(name: str | bytes = "w", shape: tuple[int, ...] = (4,), kind: int = 0, offset: int = 0) -> bytes:
    dims = struct.pack(f"<I{len(shape)}Q", len(shape), *shape)
    return text(name) + dims + struct.pack("<IQ", kind, offset)


def file(
    keys: tuple[bytes, ...] = (),
    tensors: tuple[bytes, ...] = (tensor(),),
    data: bytes = bytes(16),
    *,
    version: int = 3,
    counts: tuple[int, int] | None = None,
    magic: bytes = b"GGUF",
) -> bytes:
    tensor_count, key_count = counts or (len(tensors), len(keys))
    head = magic + struct.pack("<IQQ", version, tensor_count, key_count) + b"".join(keys) + b"".join(tensors)
    return head.ljust(-(-len(head) // 32) * 32, b"\0") + data


DEEP = array(9, 1) * 4 + array(4, 0)
BAD = {
    "empty": (b"", "is not a GGUF file: it does not begin with `GGUF` and a header"),
    "short": (b"GGUF" + bytes(8), "is not a GGUF file: it does not begin with `GGUF` and a header"),
    "other_magic": (file(magic=b"GGML"), "is not a GGUF file: it does not begin with `GGUF` and a header"),
    "version_1": (file(version=1), "is of version 1; versions 2 and 3 are read"),
    "version_0": (file(version=0), "is of version 0; versions 2 and 3 are read"),
    "version_9": (file(version=9), "is of version 9; versions 2 and 3 are read"),
    "big_endian": (b"GGUF" + struct.pack(">IQQ", 3, 1, 0) + bytes(99), "is in big-endian order"),
    "many_tensors": (
        file(counts=(2**60, 0)),
        f"claims {2**60:,} tensors; at most {MAX_TENSORS:,} are read",
    ),
    "many_keys": (file(counts=(0, 2**63)), f"claims {2**63:,} keys; at most {MAX_KEYS:,} are read"),
    "long_key": (
        file((struct.pack("<Q", 2**63),)),
        f"claims a key of {2**63:,} bytes; at most 65,535 are read",
    ),
    "long_text": (
        file((key("a", 8, struct.pack("<Q", 2**63)),)),
        f"claims a value of 'a' of {2**63:,} bytes; at most {MAX_HEADER:,} are read",
    ),
    "cut_text": (
        file((key("a", 8, struct.pack("<Q", 10**6)),), ()),
        "is cut off inside its header: it claims 1,000,000 bytes and 35 follow",
    ),
    "cut": (file()[:30], "is cut off inside its header: it claims 8 bytes and 6 follow"),
    "key_not_utf8": (file((key(b"\xff", 0, b"\0"),)), "has a key that is not UTF-8"),
    "text_not_utf8": (file((key("a", 8, text(b"\xff")),)), "has a value of 'a' that is not UTF-8"),
    "empty_key": (file((key("", 0, b"\0"),)), "has a key that is empty or unprintable: ''"),
    "control_key": (file((key("a\n", 0, b"\0"),)), r"has a key that is empty or unprintable: 'a\n'"),
    "key_twice": (file((key("a", 0, b"\0"), key("a", 0, b"\1"))), "has the key 'a' twice"),
    "unknown_type": (file((key("a", 13, b"\0"),)), "has a value of the unknown type 13, under 'a'"),
    "maybe": (file((key("a", 7, b"\2"),)), "has a truth value that is neither 0 nor 1, under 'a'"),
    "array_of_unknown": (file((key("a", 9, array(99, 0)),)), "has an array of the unknown type 99, under 'a'"),
    "long_array": (
        file((key("a", 9, array(0, 2**60)),)),
        f"has arrays of more than {MAX_ELEMENTS:,} elements, with 'a'",
    ),
    "cut_array": (
        file((key("a", 9, array(12, 10**6)),), (), b""),
        "is cut off inside its header: it claims 8,000,000 bytes and 15 follow",
    ),
    "cut_array_of_texts": (
        file((key("a", 9, array(8, 10**6)),), (), b""),
        "is cut off inside its header: it claims 8,000,000 bytes and 15 follow",
    ),
    "nested": (file((key("a", 9, DEEP),)), "has arrays nested deeper than 4, under 'a'"),
    "alignment_0": (
        file((key("general.alignment", 4, struct.pack("<I", 0)),)),
        "has an alignment that is not a power of two from 8 to 65,536: 0",
    ),
    "alignment_33": (
        file((key("general.alignment", 4, struct.pack("<I", 33)),)),
        "has an alignment that is not a power of two from 8 to 65,536: 33",
    ),
    "alignment_huge": (
        file((key("general.alignment", 10, struct.pack("<Q", 2**63)),)),
        f"has an alignment that is not a power of two from 8 to 65,536: {2**63}",
    ),
    "alignment_text": (
        file((key("general.alignment", 8, text("32")),)),
        "has an alignment that is not a power of two from 8 to 65,536: '32'",
    ),
    "long_name": (
        file(tensors=(struct.pack("<Q", 2**40),)),
        f"claims a tensor's name of {2**40:,} bytes; at most 1,024 are read",
    ),
    "empty_name": (file(tensors=(tensor(""),)), "has a tensor whose name is empty or unprintable: ''"),
    "rank": (
        file(tensors=(text("w") + struct.pack("<I", 2**31),)),
        "has a tensor 'w' of 2,147,483,648 dimensions; GGUF knows at most 4",
    ),
    "unknown_tensor_type": (file(tensors=(tensor(kind=4),)), "has a tensor 'w' of the unknown type 4"),
    "half_a_block": (
        file(tensors=(tensor(shape=(33,), kind=8),)),
        "has a tensor 'w' whose rows are not whole blocks of 32 elements",
    ),
    "tensor_twice": (
        file(tensors=(tensor(), tensor(offset=32)), data=bytes(64)),
        "has the tensor 'w' twice",
    ),
    "off_the_grid": (
        file(tensors=(tensor(offset=4),), data=bytes(64)),
        "has a tensor 'w' that does not begin at a multiple of 32 bytes",
    ),
    "outside": (file(data=bytes(15)), "is cut off: tensor 'w' ends at byte 80 of 79"),
    "hundred_gigabytes": (
        file(tensors=(tensor(shape=(25 << 30,)),)),
        f"is cut off: tensor 'w' ends at byte {(100 << 30) + 64:,} of 80",
    ),
    "overflow": (
        file(tensors=(tensor(shape=(2**62, 2**62, 2**62, 2**62), offset=2**63),)),
        f"is cut off: tensor 'w' ends at byte {96 + 2**63 + 2**250:,} of 112",
    ),
    "overlap": (
        file(tensors=(tensor("a", (16,)), tensor("b", offset=32)), data=bytes(64)),
        "has a tensor 'b' that overlaps the one before it",
    ),
    "same_bytes": (
        file(tensors=(tensor("a"), tensor("b"))),
        "has a tensor 'b' that overlaps the one before it",
    ),
}


def written(folder: Path, data: bytes) -> Path:
    path = folder / "model.gguf"
    path.write_bytes(data)
    return path


def test_the_clean_control_is_read(tmp_path: Path) -> None:
    found = read_gguf(written(tmp_path, file((key("a", 0, b"\7"),))))
    assert (found.values, found.version, found.slack) == ({"a": 7}, 3, ())
    assert read_gguf(written(tmp_path, file(version=2))).version == 2


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_file_is_refused_by_its_own_message(kind: str, tmp_path: Path) -> None:
    data, what = BAD[kind]
    path = written(tmp_path, data)
    with pytest.raises(GgufError) as caught:
        read_gguf(path)
    (problem,) = caught.value.problems
    assert (problem.where, problem.what) == (str(path), what)
    assert problem.fix


def test_a_symlink_is_refused(tmp_path: Path) -> None:
    written(tmp_path, file())
    (tmp_path / "link.gguf").symlink_to("model.gguf")
    with pytest.raises(GgufError, match="cannot be opened"):
        read_gguf(tmp_path / "link.gguf")


def test_a_file_cut_anywhere_is_refused(tmp_path: Path) -> None:
    whole = file((key("a", 9, array(8, 2, text("x") + text("y"))),))
    for length in range(len(whole)):
        with pytest.raises(GgufError):
            read_gguf(written(tmp_path, whole[:length]))


def test_bytes_that_belong_to_no_tensor_are_reported(tmp_path: Path) -> None:
    padded = file(tensors=(tensor("a", (1,)), tensor("b", (1,), offset=32)), data=bytes(36))
    assert read_gguf(written(tmp_path, padded)).slack == ()
    hidden = bytearray(padded)
    hidden[-10] = 1
    assert read_gguf(written(tmp_path, bytes(hidden))).slack == ((len(padded) - 32, len(padded) - 4),)
    assert read_gguf(written(tmp_path, padded + bytes(64))).slack == ((len(padded), len(padded) + 64),)


def test_huge_claims_take_no_memory_and_no_time(tmp_path: Path) -> None:
    tracemalloc.start()
    begin = time.monotonic()
    for kind in ("many_tensors", "many_keys", "long_text", "long_array", "cut_array_of_texts", "overflow"):
        with pytest.raises(GgufError):
            read_gguf(written(tmp_path, BAD[kind][0]))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 10 << 20
    assert time.monotonic() - begin < 5
