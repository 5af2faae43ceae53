"""Pickles with code, and pickles that need none to do harm: each is refused by its own message, within limits."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from releasegate.checkpoint import child, unpickler
from releasegate.checkpoint.child import unpickled_rows
from releasegate.checkpoint.dtypes import TORCH_DTYPES
from releasegate.checkpoint.opcodes import MAX_OPCODES
from releasegate.checkpoint.pickled import read_pickled
from releasegate.errors import CheckpointError, ChildError, PickledError
from tests.measured_reading import measured, torch_megabytes
from tests.torch_archives import members, named, number, numbers, pickled, storage, tensor, text, torch_file, zipped

EMPTY = named("collections.OrderedDict") + b")R"
CALL = b"(" + text("touch /tmp/owned") + b"tR"


def read(folder: Path, data: bytes) -> None:
    path = folder / "model.pth"
    path.write_bytes(data)
    read_pickled(path)


def raw(pickle: bytes) -> bytes:
    return zipped(members(pickle, {"0": bytes(24)}))


# What is refused before any process is started.

CODE = {
    "call": (named("os.system") + CALL, "os.system"),
    "python_2": (named("__builtin__.eval") + CALL, "builtins.eval"),
    "renamed": (named("copy_reg._reconstructor") + CALL, "copyreg._reconstructor"),
    "attribute_path": (named("torch.os.system") + CALL, "torch.os.system"),
    "near_miss": (named("torch._utils._rebuild_tensor_v22") + CALL, "torch._utils._rebuild_tensor_v22"),
    "loader": (named("torch.load") + CALL, "torch.load"),
    "hub": (named("torch.hub.load") + CALL, "torch.hub.load"),
    "numpy": (named("numpy.core.multiarray._reconstruct") + CALL, "numpy.core.multiarray._reconstruct"),
    "stack_global": (text("os") + text("system") + b"\x93" + CALL, "os.system"),
    "short_texts": (b"\x8c\x02os\x94\x8c\x06system\x94\x93" + CALL, "os.system"),
    "inst": (b"(" + text("id") + b"ios\nsystem\n", "os.system"),
    "after_an_odd_opcode": (b"\x82\x01" + named("os.system") + CALL, "os.system"),
    "unprintable": (b"co\x1bs\nsys\ttem\n", "o\\x1bs.sys\\ttem"),
}


@pytest.mark.parametrize("kind", CODE)
def test_code_is_refused_by_its_name(kind: str, tmp_path: Path) -> None:
    value, name = CODE[kind]
    with pytest.raises(PickledError) as caught:
        read(tmp_path, torch_file({"w": tensor(), "x": value}))
    assert caught.value.problems[0].what == f"holds code: {name}"


UNFIT = {
    "torch._utils._rebuild_qtensor": "a quantised tensor",
    "torch._utils._rebuild_sparse_tensor": "a sparse tensor",
    "torch._utils._rebuild_nested_tensor": "a nested tensor",
    "torch._utils._rebuild_wrapper_subclass": "a tensor of a class of its own",
    "torch._utils._rebuild_meta_tensor_no_storage": "a tensor without data",
    "torch._utils._rebuild_device_tensor_from_numpy": "a tensor of a device that torch itself does not know",
    "torch.QInt8Storage": "a quantised tensor",
}


@pytest.mark.parametrize("name", UNFIT)
def test_a_tensor_that_cannot_be_copied_as_bytes_is_refused_by_its_kind(name: str, tmp_path: Path) -> None:
    with pytest.raises(PickledError) as caught:
        read(tmp_path, torch_file({"w": tensor(), "layers.0.weight": named(name) + b")R"}))
    assert caught.value.problems[0].what == f"holds {UNFIT[name]} ({name}), near 'layers.0.weight'"


TORCH_ALONE = "which torch does not execute where no code may run"
STRUCTURE = {
    "cut_off": (b"\x80\x02}(", "has a pickle that is cut off"),
    "cut_in_a_name": (b"\x80\x02cos\nsyst", "has a pickle that is cut off"),
    "cut_in_a_number": (b"\x80\x02J\0", "has a pickle that is cut off"),
    "text_of_two_gigabytes": (
        b"\x80\x02X" + struct.pack("<I", 2**31) + b"a.",
        "has a pickle that is cut off",
    ),
    "bytes_of_2_to_the_63": (
        b"\x80\x04\x8e" + struct.pack("<Q", 2**63) + b".",
        f"has a pickle with the opcode BINBYTES8, {TORCH_ALONE}",
    ),
    "empty": (b"", "has a pickle that is cut off"),
    "something_after": (b"\x80\x02}.weights", "has 7 bytes after the end of its pickle"),
    "a_second_pickle": (b"\x80\x02}.\x80\x02}.", "has 4 bytes after the end of its pickle"),
    "protocol_4": (
        b"\x80\x04\x95\x02\0\0\0\0\0\0\0}.",
        "is pickled by protocol 4 or later; torch reads protocol 2 alone where no code may run",
    ),
    "ext": (
        b"\x80\x02\x82\x01.",
        "names a class or function by a number (EXT1), so that nobody can tell what it is",
    ),
    "text_persistent_id": (b"\x80\x02Pmodule\n.", f"has a pickle with the opcode PERSID, {TORCH_ALONE}"),
    "obj": (b"\x80\x02(No.", f"has a pickle with the opcode OBJ, {TORCH_ALONE}"),
    "dup": (b"\x80\x02}2.", f"has a pickle with the opcode DUP, {TORCH_ALONE}"),
    "buffers": (b"\x80\x05\x97.", f"has a pickle with the opcode NEXT_BUFFER, {TORCH_ALONE}"),
    "no_opcode": (b"\x80\x02\xff.", f"has a pickle with the opcode 0xff, {TORCH_ALONE}"),
    "long4": (b"\x80\x02\x8b\x01\0\0\0\x05.", f"has a pickle with the opcode LONG4, {TORCH_ALONE}"),
    "many_opcodes": (
        b"\x80\x02" + b"N" * MAX_OPCODES + b".",
        f"has a pickle of more than {MAX_OPCODES:,} opcodes",
    ),
}


@pytest.mark.parametrize("kind", STRUCTURE)
def test_a_pickle_that_torch_would_not_have_written_is_refused(kind: str, tmp_path: Path) -> None:
    pickle, what = STRUCTURE[kind]
    with pytest.raises(PickledError) as caught:
        read(tmp_path, raw(pickle))
    assert caught.value.problems[0].what == what
    assert caught.value.problems[0].fix


# What the child's program says of what it loaded; in this process, for speed.


def told(value: bytes) -> list[Any]:
    """The last row about a pickle of one thing under `w`."""
    unpickler.SPELLING.update(TORCH_DTYPES)
    archive, keys = unpickler.skeleton(pickled({"w": value}), ["0"])
    *_, last = unpickler.described(unpickler.load(archive, unpickler.nullcontext()), keys, 10_000)
    return last


def rebuilt(kind: str, elements: int, *more: bytes) -> bytes:
    arguments = storage(kind=kind, elements=elements) + number(0) + numbers((elements,)) + numbers((1,)) + b"\x89"
    return named("torch._utils._rebuild_tensor_v2") + b"(" + arguments + EMPTY + b"".join(more) + b"tR"


def flagged(flag: str) -> bytes:
    return rebuilt("ComplexFloatStorage", 3, b"}" + text(flag) + b"\x88s")


PARAMETER = named("torch._utils._rebuild_parameter_with_state")
STATE = b"}" + text("hidden") + tensor() + b"s"
REFUSED = {
    "function": (named("torch._utils._rebuild_tensor_v2"), "a builtins.function"),
    "class": (named("collections.OrderedDict"), "a builtins.type"),
    "storage": (storage(), "a torch.storage.TypedStorage"),
    "own_data": (named("torch.Tensor") + number(4) + b"\x85R", "a tensor without data in the file"),
    "conjugated": (flagged("conj"), "a tensor that is read with its values negated or conjugated"),
    "negated": (flagged("neg"), "a tensor that is read with its values negated or conjugated"),
    "attributes": (
        PARAMETER + b"(" + tensor() + b"\x89" + EMPTY + STATE + b"tR",
        "a tensor with attributes of its own (hidden)",
    ),
    "hooks": (
        tensor().replace(named("collections.OrderedDict") + b")R", b"}" + text("hook") + b"Ns"),
        "a tensor with attributes of its own (hooks)",
    ),
    "dtype": (
        rebuilt("ComplexDoubleStorage", 1),
        "a tensor of dtype complex128, which safetensors does not know",
    ),
    "set_of_tensors": (named("builtins.set") + b"]" + tensor() + b"a\x85R", "a builtins.set"),
    "key": (
        b"}" + number(1) + b"\x85Ns",
        "a dictionary with a key that is neither text nor a number, but a builtins.tuple",
    ),
    "tensor_as_key": (
        b"}" + tensor() + b"Ns",
        "a dictionary with a key that is neither text nor a number, but a torch.Tensor",
    ),
    "list_in_itself": (b"]q\0h\0a", "containers nested deeper than 100"),
    "deep": (b"]" * 5000 + b"a" * 4999, "containers nested deeper than 100"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_is_neither_tensor_nor_plain_value_is_refused_in_words(kind: str) -> None:
    value, what = REFUSED[kind]
    row = told(value)
    assert (row[0], row[1][0], row[2]) == ("refused", "w", what)


def test_texts_that_are_not_unicode_are_told_with_escapes() -> None:
    half = b"X\3\0\0\0\xed\xa0\x80"
    assert told(b"}" + half + half + b"s") == ["value", ["w", "\\ud800"], {"type": "str", "text": "\\ud800"}]


def test_tensors_in_the_attributes_of_a_dictionary_are_found() -> None:
    row = told(EMPTY + b"}" + text("hidden") + tensor() + b"sb")
    assert row[:2] == ["tensor", ["w", "hidden"]]


def test_a_torch_that_tells_places_by_fake_tensors_alone_gives_the_same_rows() -> None:
    unpickler.SPELLING.update(TORCH_DTYPES)
    rows = []
    for mode in (unpickler.nullcontext(), unpickler.warm((unpickler.fake,))):
        archive, keys = unpickler.skeleton(pickled({"w": tensor(), "v": tensor("7", (2,), (3,), 1)}), ["0", "7"])
        rows.append(list(unpickler.described(unpickler.load(archive, mode), keys, 10_000)))
    assert rows[0] == rows[1]
    assert [row[6] for row in rows[0]] == ["0", "7"]


# What only the process itself shows.

TUPLES = b")q\0" + b"h\0\x86q\0" * 60
COPIES = b"](" + (text("a" * 1_000_000) + b"q\0") + b"](h\0e" * 40 + b"e"


def doubled(times: int) -> bytes:
    """A list that unfolds to 2^times things."""
    return b"](" + b"]q\0" + b"](h\0h\0eq\0" * times + b"e"


IN_THE_CHILD = {
    "storage_that_is_not_there": (
        {"w": tensor("7")},
        PickledError,
        "has a tensor whose storage is not in the archive",
    ),
    "hundred_gigabytes": (
        {"w": tensor(elements=25 * 2**30, shape=(25 * 2**30,), strides=(1,))},
        PickledError,
        "has a storage data/0 of 24 bytes, which its pickle takes for 107,374,182,400",
    ),
    "outside": (
        {"w": tensor(shape=(9, 9), strides=(9, 1))},
        PickledError,
        "has a storage data/0 of 24 bytes, which its pickle takes for 324",
    ),
    "scattered": (
        {"w": tensor(elements=600_000, shape=(300_000,), strides=(2,))},
        PickledError,
        "has tensors in 300,000 pieces, most of them of 'w'; at most 250,000 are counted",
    ),
    "one_name_twice": (
        {"a.b": b"N", "a": b"}" + text("b") + b"Ns"},
        PickledError,
        "has two things that come to the name 'a.b'",
    ),
    "unprintable": (
        {"a\n": tensor()},
        PickledError,
        r"holds something under an empty, too long or unprintable name: 'a\n'",
    ),
    "senseless_call": (
        {"w": named("collections.OrderedDict") + b"K\1\x85R"},
        PickledError,
        "is refused by torch.load(weights_only=True): TypeError: 'int' object is not iterable",
    ),
    "persistent_id": (
        {"w": number(3) + b"Q"},
        PickledError,
        "is refused by torch.load(weights_only=True): AssertionError: saved_id must be a tuple, got int",
    ),
    "a_terabyte": (
        {"w": named("builtins.bytearray") + number(2**40) + b"\x85R"},
        ChildError,
        "has a pickle that needs more than 240 MB to read",
    ),
    "a_large_tensor": (
        {"w": named("torch.Tensor") + number(2**36) + b"\x85R"},
        ChildError,
        "has a pickle that needs more than 240 MB to read",
    ),
    "endless_hash": (
        {"w": b"}" + b"(" + TUPLES + b"t" + b"Ns"},
        ChildError,
        "has a pickle that takes more than 2 s of processor time to read",
    ),
    "unfolds": ({"w": COPIES}, ChildError, "has a pickle that unfolds to far more than stands in it"),
    "unfolds_for_ever": (
        {"w": doubled(60)},
        ChildError,
        "has a pickle that unfolds to far more than stands in it",
    ),
}


QUICK = ("storage_that_is_not_there", "hundred_gigabytes", "senseless_call", "a_terabyte")
"""Of those, the ones that every change is held against; each costs an import of torch."""


@pytest.mark.parametrize(
    "kind", [pytest.param(kind, marks=() if kind in QUICK else pytest.mark.slow) for kind in IN_THE_CHILD]
)
def test_the_process_refuses_within_seconds_and_megabytes(kind: str, tmp_path: Path) -> None:
    items, error, what = IN_THE_CHILD[kind]
    path = tmp_path / "model.pth"
    path.write_bytes(torch_file(items, {"0": bytes(2_400_000)} if kind == "scattered" else None))
    reading = measured("pickled", "read_pickled", path)
    assert (reading.error, reading.what) == (error.__name__, what)
    assert reading.fix
    assert reading.seconds < 20  # 5 on a machine that does nothing else
    assert reading.megabytes < max(500, torch_megabytes() + 250)


PROGRAMS = {
    "aborts": ("import os; os.abort()", "by signal 6 without an answer"),
    "exits": ("raise SystemExit(3)", "with exit code 3 without an answer"),
    "talks_nonsense": ("print('[\"tensor\", 1]')", "with exit code 0 without an answer"),
    "stops_halfway": ('print(\'["value", ["w"], 1]\')', "with exit code 0 without an answer"),
}


@pytest.mark.parametrize("kind", PROGRAMS)
def test_a_process_that_dies_or_says_nonsense_is_an_error(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program, how = PROGRAMS[kind]
    (tmp_path / "program.py").write_text(program)
    monkeypatch.setattr(child, "PROGRAM", tmp_path / "program.py")
    with pytest.raises(ChildError) as caught:
        unpickled_rows(b"\x80\x02}.", [], 3, "a.pth")
    assert caught.value.problems[0].what == f"could not be read: the process that reads pickles ended {how}"


def test_a_process_that_does_not_end_is_killed_with_all_that_it_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "program.py"
    program.write_text(
        f"import os, time\nif not os.fork(): open({str(tmp_path / 'pid')!r}, 'w').write(str(os.getpid()))\ntime.sleep(60)"
    )
    monkeypatch.setattr(child, "PROGRAM", program)
    monkeypatch.setattr(child, "MAX_WAIT", 0.5)
    with pytest.raises(ChildError, match=r"was not read within 0\.5 seconds"):
        unpickled_rows(b"\x80\x02}.", [], 3, "a.pth")
    time.sleep(0.05)
    stat = Path(f"/proc/{(tmp_path / 'pid').read_text()}/stat")
    assert not stat.exists() or stat.read_text().split()[2] == "Z"


def test_the_process_can_open_write_and_start_nothing_once_it_is_restricted() -> None:
    script = (
        "import os, subprocess, sys\n"
        "sys.path.insert(0, sys.argv[1])\n"
        "import unpickler\n"
        "unpickler.restrict(1 << 20, 5)\n"
        "for what in (lambda: open('/etc/passwd'), lambda: __import__('socket').socket(),\n"
        "             lambda: os.pipe(), lambda: bytearray(64 << 20)):\n"
        "    try: what()\n"
        "    except (OSError, MemoryError, ImportError) as error: print(type(error).__name__)\n"
    )
    folder = str(Path(unpickler.__file__).parent)
    done = subprocess.run([sys.executable, "-c", script, folder], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["OSError", "OSError", "OSError", "MemoryError"]


def test_reading_imports_no_torch_into_this_process_whatever_the_environment_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "1")
    (tmp_path / "model.pth").write_bytes(torch_file())
    reading = measured("pickled", "read_pickled", tmp_path / "model.pth")
    assert reading.error == ""
    assert not {"torch", "numpy", "safetensors"} & reading.modules


def test_a_real_file_with_code_runs_nothing(tmp_path: Path) -> None:
    class Hostile:
        def __reduce__(self) -> tuple[Any, ...]:
            return os.mkdir, (str(tmp_path / "owned"),)

    torch.save({"w": torch.zeros(2), "x": Hostile()}, tmp_path / "model.pth")
    with pytest.raises(CheckpointError, match=r"holds code: posix\.mkdir"):
        read_pickled(tmp_path / "model.pth")
    assert not (tmp_path / "owned").exists()
