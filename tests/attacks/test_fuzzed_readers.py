"""Whatever the bytes, the readers of foreign files answer with what is there or with one of their errors."""

from __future__ import annotations

import pickletools
import zipfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

import pytest
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from releasegate.checkpoint.archive import read_archive
from releasegate.checkpoint.distributed import ALLOWED as ALLOWED_IN_METADATA
from releasegate.checkpoint.gguf import read_gguf
from releasegate.checkpoint.inert import read_inert
from releasegate.checkpoint.opcodes import refuse_code
from releasegate.checkpoint.pickled import ALLOWED, UNFIT
from releasegate.errors import CheckpointError
from tests.attacks.test_hostile_distributed import metadata
from tests.attacks.test_hostile_gguf import array, file, key, tensor
from tests.attacks.test_hostile_gguf import text as gguf_text
from tests.torch_archives import named, pickled, torch_file
from tests.torch_archives import tensor as torch_tensor
from tests.torch_archives import text as pickle_text

T = TypeVar("T")

ARCHIVE = torch_file(storages={"0": bytes(24), "1": bytes(range(40))})
PICKLE = pickled({"w": torch_tensor(), "n": b"K\1", "d": named("collections.OrderedDict") + b")R"})
GGUF = file(
    (key("general.alignment", 4, b"\x20\0\0\0"), key("a", 9, array(8, 2, gguf_text("x") + gguf_text("y")))),
    (tensor("a"), tensor("b", (32,), 8, 32)),
    bytes(66),
)

EDITS = st.lists(
    st.tuples(
        st.sampled_from(["set", "insert", "delete", "copy"]), st.integers(0, 2**16), st.binary(min_size=1, max_size=9)
    ),
    min_size=1,
    max_size=6,
)
HUGE = st.sampled_from([b"\xff" * 8, b"\0" * 8, b"\xff\xff\xff\x7f", b"\0\0\0\0\0\0\0\x80", b"PK\3\4", b"PK\1\2", b"."])


def edited(good: bytes, edits: list[tuple[str, int, bytes]]) -> bytes:
    """`good` with bytes set, inserted, deleted or copied from elsewhere."""
    data = bytearray(good)
    for kind, place, given_bytes in edits:
        at = place % (len(data) + 1)
        if kind == "set":
            data[at : at + len(given_bytes)] = given_bytes
        elif kind == "insert":
            data[at:at] = given_bytes
        elif kind == "delete":
            del data[at : at + len(given_bytes)]
        else:
            data[at:at] = data[: len(given_bytes) * 16]
    return bytes(data)


def answered(read: Callable[[], T]) -> T | None:
    try:
        return read()
    except CheckpointError as error:
        complete = all(problem.what and problem.fix for problem in error.problems)
    assert complete
    return None


def stored(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    """The data of a member, its checksum left aside: torch can be told not to write any."""
    with archive.open(info) as member:
        member._expected_crc = None  # type: ignore[attr-defined]
        return member.read()


def check_archive(path: Path, data: bytes) -> None:
    path.write_bytes(data)
    found = answered(lambda: read_archive(path))
    if found is None:
        return
    with zipfile.ZipFile(path) as oracle:
        infos = {info.filename.partition("/")[2]: info for info in oracle.infolist()}
        assert stored(oracle, infos["data.pkl"]) == found.pickle
        assert {name.removeprefix("data/") for name in infos if name.startswith("data/")} == set(found.storages)
        for name, member in found.storages.items():
            assert stored(oracle, infos[f"data/{name}"]) == data[member.begin : member.end]


def check_pickle(data: bytes) -> None:
    if answered(lambda: refuse_code(data, ALLOWED, UNFIT, "fuzz")) is None:
        return
    with suppress(ValueError):  # a text that is not UTF-8, at which every unpickler stops
        for opcode, argument, _ in pickletools.genops(data):
            assert opcode.name not in ("STACK_GLOBAL", "INST", "EXT1", "EXT2", "EXT4", "PERSID", "OBJ", "NEWOBJ_EX")
            if opcode.name == "GLOBAL":
                assert str(argument).replace(" ", ".").replace("__builtin__", "builtins") in ALLOWED


def check_inert(data: bytes) -> None:
    answered(lambda: read_inert(data, ALLOWED_IN_METADATA, "fuzz"))


def check_gguf(path: Path, data: bytes) -> None:
    path.write_bytes(data)
    found = answered(lambda: read_gguf(path))
    for held in () if found is None else found.tensors.values():
        assert found is not None
        assert found.data_start <= held.begin <= held.end <= len(data)


QUICK = settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
LONG = settings(QUICK, max_examples=30_000, database=None)
BYTES = st.one_of(EDITS, st.lists(st.tuples(st.just("set"), st.integers(0, 2**16), HUGE), min_size=1, max_size=3))
OPCODES = st.lists(
    st.one_of(
        st.sampled_from([opcode.code.encode("latin-1") for opcode in pickletools.opcodes]),
        st.binary(max_size=3),
        st.sampled_from(
            [named("os.system"), named("torch.Size"), pickle_text("os"), pickle_text("system"), b"K\1", b"q\0", b"h\0"]
        ),
    ),
    max_size=30,
).map(lambda parts: b"\x80\x02" + b"".join(parts) + b".")


def check_everything(folder: Path, edits: list[tuple[str, int, bytes]], opcodes: bytes) -> None:
    check_archive(folder / "a.pth", edited(ARCHIVE, edits))
    check_pickle(edited(PICKLE, edits))
    check_pickle(opcodes)
    check_inert(edited(metadata(), edits))
    check_inert(opcodes)
    check_gguf(folder / "a.gguf", edited(GGUF, edits))


def test_the_fuzzed_files_are_good_before_they_are_edited(tmp_path: Path) -> None:
    for name, data in (("a.pth", ARCHIVE), ("a.gguf", GGUF)):
        (tmp_path / name).write_bytes(data)
    assert read_archive(tmp_path / "a.pth").storages["1"].size == 40
    assert set(read_gguf(tmp_path / "a.gguf").tensors) == {"a", "b"}
    assert refuse_code(PICKLE, ALLOWED, UNFIT, "good") > 30
    assert read_inert(metadata(), ALLOWED_IN_METADATA, "good")


@QUICK
@given(BYTES, OPCODES)
def test_edited_bytes_give_an_answer_or_an_error(
    tmp_path: Path, edits: list[tuple[str, int, bytes]], opcodes: bytes
) -> None:
    check_everything(tmp_path, edits, opcodes)


@pytest.mark.slow
@seed(4)
@LONG
@given(BYTES, OPCODES)
def test_many_edited_bytes_give_an_answer_or_an_error(
    tmp_path: Path, edits: list[tuple[str, int, bytes]], opcodes: bytes
) -> None:
    """About ten minutes."""
    check_everything(tmp_path, edits, opcodes)
