"""Metadata of distributed checkpoints that holds code, is malformed, or does not agree with the files."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from releasegate.checkpoint.distributed import MAX_METADATA, read_distributed
from releasegate.checkpoint.inert import MAX_OPCODES, Made, Pairs, read_inert
from releasegate.errors import CheckpointError, DistributedError, NotFound, PickledError
from tests.measured_reading import measured
from tests.torch_archives import named, number, numbers, text

HOME = "torch.distributed.checkpoint.metadata."
FILE = "__0_0.distcp"


def made(name: str, **state: bytes) -> bytes:
    """The opcodes of a data class with this state."""
    inner = b"".join(text(key) + value for key, value in state.items())
    return named(name) + b")\x81}(" + inner + b"ub"


def size(*values: int) -> bytes:
    return named("torch.Size") + numbers(values) + b"\x85R"


def properties(dtype: str = "torch.float32") -> bytes:
    layout = named("torch.serialization._get_layout") + text("torch.strided") + b"\x85R"
    state = b"(" + named(dtype) + layout + b"\x89" + named(HOME + "_MEM_FORMAT_ENCODING") + b"K\0\x85R" + b"\x89t"
    return named(HOME + "TensorProperties") + b")\x81" + state + b"b"


def chunk(offsets: bytes, sizes: bytes) -> bytes:
    return made(HOME + "ChunkStorageMetadata", offsets=offsets, sizes=sizes)


WHOLE = chunk(size(0, 0), size(4, 6))


def tensor(whole: bytes | None = None, chunks: bytes = b"](" + WHOLE + b"e", kind: bytes | None = None) -> bytes:
    shape = size(4, 6) if whole is None else whole
    return made(HOME + "TensorStorageMetadata", properties=kind or properties(), size=shape, chunks=chunks)


def index(name: str = "w", offset: bytes | None = None) -> bytes:
    return made(HOME + "MetadataIndex", fqn=text(name), offset=size(0, 0) if offset is None else offset, index=b"K\0")


def info(file: str = FILE, offset: bytes = b"K\0", length: bytes = b"K\x60") -> bytes:
    return made(
        "torch.distributed.checkpoint.filesystem._StorageInfo", relative_path=text(file), offset=offset, length=length
    )


def pairs(*items: bytes) -> bytes:
    return b"}(" + b"".join(items) + b"u"


def metadata(tensors: bytes | None = None, places: bytes | None = None) -> bytes:
    described = pairs(text("w"), tensor()) if tensors is None else tensors
    placed = pairs(index(), info()) if places is None else places
    return b"\x80\x02" + made(HOME + "Metadata", state_dict_metadata=described, storage_data=placed) + b"."


def written(folder: Path, pickle: bytes) -> Path:
    (folder / FILE).write_bytes(bytes(96))
    (folder / ".metadata").write_bytes(pickle)
    return folder


DISAGREES = {
    "other_class": (b"\x80\x02}.", "is malformed: the whole is not a torch.distributed.checkpoint.metadata.Metadata"),
    "no_state": (
        b"\x80\x02" + named(HOME + "Metadata") + b")\x81.",
        "is malformed: the whole is not complete: storage_data is missing",
    ),
    "a_list": (metadata(tensors=b"]"), "is malformed: state_dict_metadata of the whole is not a dictionary"),
    "places_in_a_list": (metadata(places=b"]"), "is malformed: storage_data of the whole is not a dictionary"),
    "numbered": (
        metadata(pairs(b"K\1", tensor())),
        "is malformed: state_dict_metadata of the whole is not named by texts",
    ),
    "no_name": (metadata(pairs(text(""), tensor())), "has an empty, too long or unprintable name: ''"),
    "twice": (metadata(pairs(text("w"), tensor(), text("w"), tensor())), "names 'w' twice"),
    "no_tensor": (
        metadata(pairs(text("w"), b"N")),
        "is malformed: 'w' is not a torch.distributed.checkpoint.metadata.TensorStorageMetadata",
    ),
    "placed_nowhere": (metadata(places=b"}"), "does not say where 'w' at (0, 0) is kept"),
    "placed_twice": (metadata(places=pairs(index(), info(), index(), info())), "places 'w' twice"),
    "placed_alone": (
        metadata(places=pairs(index(), info(), index("v"), info())),
        "places something that it does not describe: 'v' at (0, 0)",
    ),
    "other_key": (
        metadata(places=pairs(text("w"), info())),
        "is malformed: a key of storage_data is not a torch.distributed.checkpoint.metadata.MetadataIndex",
    ),
    "parent": (
        metadata(places=pairs(index(), info("../secret.distcp"))),
        "keeps 'w' in '../secret.distcp', which is not a .distcp file of the folder",
    ),
    "absolute": (
        metadata(places=pairs(index(), info("/etc/passwd"))),
        "keeps 'w' in '/etc/passwd', which is not a .distcp file of the folder",
    ),
    "beyond_the_file": (
        metadata(places=pairs(index(), info(length=b"K\x61"))),
        "places bytes 0 to 97 in __0_0.distcp, which has 96",
    ),
    "huge": (
        metadata(places=pairs(index(), info(length=number(2**62)))),
        f"places bytes 0 to {2**62:,} in __0_0.distcp, which has 96",
    ),
    "negative": (
        metadata(places=pairs(index(), info(offset=number(-1)))),
        "is malformed: offset of the place of 'w' is not a whole number from 0",
    ),
    "truth": (
        metadata(places=pairs(index(), info(offset=b"\x88"))),
        "is malformed: offset of the place of 'w' is not a whole number from 0",
    ),
    "file_number": (
        metadata(places=pairs(index(), info().replace(text(FILE), b"K\1"))),
        "is malformed: relative_path of the place of 'w' is not a text",
    ),
    "shape": (metadata(pairs(text("w"), tensor(b"K\4"))), "is malformed: size of 'w' is not a torch.Size"),
    "negative_shape": (
        metadata(pairs(text("w"), tensor(size(-4, -6)))),
        "is malformed: size of 'w' is not a torch.Size",
    ),
    "chunks": (metadata(pairs(text("w"), tensor(chunks=b"N"))), "is malformed: chunks of 'w' is not a list"),
    "chunk_outside": (
        metadata(pairs(text("w"), tensor(chunks=b"](" + chunk(size(1, 0), size(4, 6)) + b"e"))),
        "has a chunk of 'w' that lies outside the tensor",
    ),
    "chunk_of_other_rank": (
        metadata(pairs(text("w"), tensor(chunks=b"](" + chunk(size(0), size(4)) + b"e"))),
        "has a chunk of 'w' that lies outside the tensor",
    ),
    "chunk_missing": (
        metadata(pairs(text("w"), tensor(chunks=b"](" + chunk(size(0, 0), size(3, 6)) + b"e"))),
        "has chunks of 'w' that do not make up the tensor",
    ),
    "same_bytes": (
        metadata(
            pairs(text("w"), tensor(), text("v"), tensor()),
            pairs(index(), info(), index("v"), info(offset=b"K\x08", length=b"K\x08")),
        ),
        "gives the same bytes of __0_0.distcp to two things",
    ),
    "dtype": (
        metadata(pairs(text("w"), tensor(kind=properties("torch.Size")))),
        "is malformed: properties of 'w' is not the properties of a tensor of a known dtype",
    ),
}

CODE = {
    "call": (b"\x80\x02" + named("os.system") + text("id") + b"\x85R.", "holds code: os.system"),
    "stack_global": (b"\x80\x04\x8c\x02os\x94\x8c\x06system\x94\x93.", "holds code: os.system"),
    "by_memo": (b"\x80\x04\x8c\x06system\x94\x8c\x02os\x94h\x01h\x00\x93.", "holds code: os.system"),
    "inst": (b"\x80\x02(ios\nsystem\n.", "has a pickle with the opcode INST, which its writer does not use"),
    "ext": (b"\x80\x02\x82\x01.", "has a pickle with the opcode EXT1, which its writer does not use"),
    "no_opcode": (b"\x80\x02\xff.", "has a pickle with the opcode unknown, which its writer does not use"),
    "persistent": (b"\x80\x02NQ.", "has a pickle with the opcode BINPERSID, which its writer does not use"),
    "name_of_numbers": (b"\x80\x04K\1K\2\x93.", "has a malformed pickle, at the opcode STACK_GLOBAL"),
    "call_of_a_text": (b"\x80\x02" + text("os.system") + b")R.", "has a malformed pickle, at the opcode REDUCE"),
    "state_of_a_list": (b"\x80\x02]}b.", "has a malformed pickle, at the opcode BUILD"),
    "no_mark": (b"\x80\x02t.", "has a malformed pickle, at the opcode TUPLE"),
    "no_memo": (b"\x80\x02h\7.", "has a malformed pickle, at the opcode BINGET"),
    "underflow": (b"\x80\x02N\x86.", "has a malformed pickle, at the opcode TUPLE2"),
    "append_to_nothing": (b"\x80\x02Na.", "has a malformed pickle, at the opcode APPEND"),
    "odd_items": (b"\x80\x02}(Nu.", "has a malformed pickle, at the opcode SETITEMS"),
    "not_utf8": (b"\x80\x02X\1\0\0\0\xff.", "has a malformed pickle, at the opcode BINUNICODE"),
    "nothing": (b"\x80\x02.", "has a malformed pickle, which leaves more than one thing or none"),
    "two_things": (b"\x80\x02NN.", "has a malformed pickle, which leaves more than one thing or none"),
    "open_mark": (b"\x80\x02(N.", "has a malformed pickle, which leaves more than one thing or none"),
    "cut_off": (metadata()[:-30], "has a pickle that is cut off"),
    "something_after": (metadata() + b"x", "has 1 bytes after the end of its pickle"),
    "many_opcodes": (b"\x80\x02" + b"N" * MAX_OPCODES, f"has a pickle of more than {MAX_OPCODES:,} opcodes"),
    "text_of_2_to_the_63": (b"\x80\x04\x8d" + struct.pack("<Q", 2**63) + b".", "has a pickle that is cut off"),
}


def test_the_clean_control_is_read(tmp_path: Path) -> None:
    found = read_distributed(written(tmp_path, metadata()))
    assert {name: (t.dtype, t.shape) for name, t in found.tensors.items()} == {"w": ("F32", (4, 6))}
    assert found.slack == {}


@pytest.mark.parametrize("kind", DISAGREES)
def test_metadata_that_does_not_agree_is_refused_by_its_own_message(kind: str, tmp_path: Path) -> None:
    pickle, what = DISAGREES[kind]
    with pytest.raises(DistributedError) as caught:
        read_distributed(written(tmp_path, pickle))
    (problem,) = caught.value.problems
    assert (problem.where, problem.what) == (str(tmp_path / ".metadata"), what)
    assert problem.fix


@pytest.mark.parametrize("kind", CODE)
def test_metadata_with_code_or_a_broken_pickle_is_refused_by_its_own_message(kind: str, tmp_path: Path) -> None:
    pickle, what = CODE[kind]
    with pytest.raises(PickledError) as caught:
        read_distributed(written(tmp_path, pickle))
    assert caught.value.problems[0].what == what


def test_nothing_is_made_of_what_a_pickle_names() -> None:
    made_of = read_inert(b"\x80\x02" + named("no.such.module") + b")R}(" + text("a") + b"Nub.", {"no.such.module"}, "x")
    assert isinstance(made_of, Made)
    assert (made_of.name, made_of.arguments) == ("no.such.module", ())
    assert isinstance(made_of.state, Pairs)
    assert made_of.state == [("a", None)]


def test_a_folder_without_metadata_or_with_too_much_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        read_distributed(tmp_path / "nothing")
    (tmp_path / FILE).write_bytes(bytes(8))
    with pytest.raises(DistributedError, match="is not there, so that nobody can tell what the files hold"):
        read_distributed(tmp_path)
    with (tmp_path / ".metadata").open("wb") as file:
        file.truncate(100 << 30)
    with pytest.raises(DistributedError, match=f"is {100 << 30:,} bytes long; at most {MAX_METADATA:,} are read"):
        read_distributed(tmp_path)
    (tmp_path / ".metadata").unlink()
    (tmp_path / ".metadata").symlink_to("elsewhere")
    with pytest.raises(CheckpointError, match="is a symlink"):
        read_distributed(tmp_path)


BOMBS = {
    "nested": (b")q\0" + b"h\0\x86q\0" * 900_000, "DistributedError"),
    "dictionaries": (b"(" + b"}" * 2_900_000 + b"t", "DistributedError"),
    "text": (b"X" + struct.pack("<I", 60 << 20) + b"a" * (60 << 20), "DistributedError"),
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", BOMBS)
def test_bombs_cost_little_time_and_memory(kind: str, tmp_path: Path) -> None:
    inner, error = BOMBS[kind]
    reading = measured("distributed", "read_distributed", written(tmp_path, b"\x80\x02" + inner + b"."))
    assert reading.error == error
    assert reading.what.startswith("is malformed: the whole is not a torch.distributed.checkpoint.metadata.Metadata")
    assert reading.seconds < 10  # 5 on a machine that does nothing else
    assert reading.megabytes < 500
    assert "torch" not in reading.modules
