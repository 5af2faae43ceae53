"""The files of a checkpoint folder: all of them, each read once, none that is not a plain file."""

from __future__ import annotations

import os
import stat
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

from pydantic import TypeAdapter, ValidationError

from releasegate.checkpoint.jsontext import parse_json
from releasegate.errors import CheckpointError, FileNameRefused, JsonMalformed, NotFound, NotPlainFile
from releasegate.manifest import RelativePath

ADAPTERS = ("adapter_config.json", "adapter_model.safetensors")
BLOCK = 1 << 20
"""Bytes that are held at once."""
MAX_JSON = 64 << 20
"""Bytes of a JSON file that is read as a whole; tokenizers reach some tens of millions."""

_AGAIN = "correct the file, or export it again"
NOWHERE = "check the path given for the model"

_PATH: TypeAdapter[str] = TypeAdapter(RelativePath)

CODE = "code, which a loader may run"
UNREADABLE: Mapping[str, str] = {
    **dict.fromkeys(
        (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle", ".ot", ".th", ".pyt", ".joblib", ".dill"),
        "a pickle, which runs code when it is loaded",
    ),
    **dict.fromkeys((".py", ".pyc", ".so", ".dll", ".dylib", ".exe", ".sh"), CODE),
    **dict.fromkeys((".gguf", ".ggml", ".onnx", ".h5", ".hdf5", ".keras"), "a second form of the weights"),
    **dict.fromkeys(
        (".msgpack", ".distcp", ".npz", ".npy", ".tflite", ".pb", ".mlmodel", ".mar", ".nemo"),
        "a second form of the weights",
    ),
    **dict.fromkeys(
        (".onnx_data", ".engine", ".plan", ".pte", ".orbax", ".tensors", ".llamafile", ".ftz"),
        "a second form of the weights",
    ),
    **dict.fromkeys(
        (".zip", ".tar", ".gz", ".tgz", ".xz", ".bz2", ".zst", ".7z", ".rar", ".lz4", ".whl", ".jar"),
        "an archive, in which weights can hide",
    ),
}
"""Endings of files that no checkpoint may hold, and what they are."""

SIGNATURES: Mapping[bytes, str] = {
    b"PK\x03\x04": "an archive (or a torch pickle), in which weights can hide",
    b"GGUF": "a second form of the weights",
    b"\x89HDF": "a second form of the weights",
    b"\x93NUMPY": "a second form of the weights",
    b"\x80\x02": "a pickle, which runs code when it is loaded",
    b"\x80\x03": "a pickle, which runs code when it is loaded",
    b"\x80\x04": "a pickle, which runs code when it is loaded",
    b"\x80\x05": "a pickle, which runs code when it is loaded",
    **dict.fromkeys(
        (b"\x1f\x8b", b"\xfd7zXZ", b"BZh", b"(\xb5/\xfd", b"7z\xbc\xaf", b"Rar!", b"\x04\x22\x4d\x18"),
        "an archive, in which weights can hide",
    ),
    b"\x7fELF": CODE,
}
"""First bytes of such files, whatever they are called."""


def list_files(folder: Path) -> list[str]:
    """The path of every file under `folder`, dot-files included, sorted.

    Raises:
        NotFound: there is no such folder.
        CheckpointError: a symlink, something that is not a regular file, a name that cannot be carried to another
            machine, two names that differ only in case, or an empty folder.
    """
    if not folder.exists():
        fix = "check the path given for the model; of a server, give the folder that holds its endpoint.json"
        raise NotFound(str(folder), "there is no such checkpoint folder", fix if _is_address(folder) else NOWHERE)
    if not folder.is_dir():
        raise CheckpointError(str(folder), "is not a folder", f"give the folder that holds {_held(folder)}")
    names = sorted(_file_names(folder))
    if not names:
        raise CheckpointError(str(folder), "is empty", "give the folder that holds config.json and the weights")
    _refuse_case_collisions(folder, names)
    return names


def _held(file: Path) -> str:
    """What a folder of weights holds, for somebody who gave a file instead."""
    return "it, and nothing else" if file.suffix.lower() == ".gguf" else "config.json and the weights"


def _is_address(path: Path) -> bool:
    """Whether somebody gave the address of a server in place of a folder."""
    return path.parts[:1] in (("http:",), ("https:",))


def _file_names(root: Path, below: str = "") -> Iterator[str]:
    with os.scandir(root / below) as found:
        for item in found:
            name = f"{below}{item.name}"
            try:
                _PATH.validate_python(name)
            except ValidationError:
                what = f"has a file with an unusable name: {name!a}"
                raise FileNameRefused(str(root), what, "rename it: printable characters, no backslash") from None
            if item.is_symlink():
                raise NotPlainFile(str(root / name), "is a symlink", "put the file itself in the folder")
            if item.is_dir():
                yield from _file_names(root, f"{name}/")
            elif item.is_file():
                yield name
            else:
                raise NotPlainFile(str(root / name), "is not a regular file", "take it out of the folder")


def _refuse_case_collisions(root: Path, names: list[str]) -> None:
    seen: dict[str, str] = {}
    for name in names:
        folded = unicodedata.normalize("NFC", name).casefold()
        if folded in seen:
            what = f"has two names that some file systems cannot tell apart: {seen[folded]!r} and {name!r}"
            raise FileNameRefused(str(root), what, "rename or remove one of them")
        seen[folded] = name


def open_regular(path: Path) -> BinaryIO:
    """The file at `path`, open for reading; never through a symlink.

    Raises:
        NotPlainFile: it cannot be opened or is not a regular file.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        raise NotPlainFile(
            str(path), f"cannot be opened: {error.strerror}", "check that it exists and is readable"
        ) from None
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise NotPlainFile(str(path), "is not a regular file", "put the file itself in the folder")
    return os.fdopen(descriptor, "rb", buffering=0)


def blocks(file: BinaryIO, size: int, where: str) -> Iterator[memoryview]:
    """The next `size` bytes of `file`, in pieces of at most `BLOCK`; each is valid until the next is asked for.

    Raises:
        CheckpointError: the file ends before.
    """
    buffer = memoryview(bytearray(min(BLOCK, size)))
    left = size
    while left:
        count = file.readinto(buffer[: min(left, len(buffer))])  # type: ignore[attr-defined]
        if not count:
            raise CheckpointError(where, f"ends {left:,} bytes too early", "is something else writing to it? try again")
        left -= count
        yield buffer[:count]


def foreign_files(root: Path, names: Iterable[str]) -> dict[str, str]:
    """Files that no published checkpoint may hold, with what each is: pickles, code, archives, other forms of weights.

    Such a file cannot be accounted for as it is, and may hold a copy of what a strip removes.
    """
    found = {name: _foreign(root, name) for name in names}
    return {name: what for name, what in found.items() if what is not None}


def _foreign(root: Path, name: str) -> str | None:
    if Path(name).name in ADAPTERS:
        return "an adapter, which a loader would apply to the model unasked"
    ending = Path(name).suffix.lower()
    if ending in UNREADABLE:
        return UNREADABLE[ending]
    if ending == ".safetensors":
        return None
    with open_regular(root / name) as file:
        first, then, size = file.read(8), file.read(1), os.fstat(file.fileno()).st_size
    if then == b"{" and int.from_bytes(first, "little") <= size - 8:  # of a text, these bytes are a far larger number
        return "a second form of the weights: a safetensors file under another name"
    return next((what for start, what in SIGNATURES.items() if first.startswith(start)), None)


def read_json_object(path: Path) -> dict[str, Any]:
    """The object that the JSON file at `path` holds.

    Raises:
        NotPlainFile: it is missing or not a file.
        JsonMalformed: it is too large, not UTF-8, not JSON, not an object, or has a key twice.
    """
    return parse_json_object(read_json_text(path), str(path))


def read_json_text(path: Path) -> bytes:
    """The bytes of the JSON file at `path`.

    Raises:
        NotPlainFile: it is missing or not a file.
        JsonMalformed: it is too large.
    """
    with open_regular(path) as file:
        size = os.fstat(file.fileno()).st_size
        if size > MAX_JSON:
            what = f"is a JSON file of {size:,} bytes; at most {MAX_JSON:,} are read"
            raise JsonMalformed(str(path), what, "what is in it? weights belong in safetensors files")
        return b"".join(map(bytes, blocks(file, size, str(path))))


def parse_json_object(text: bytes, where: str) -> dict[str, Any]:
    """The object that the JSON `text` holds.

    Raises:
        JsonMalformed: it is not UTF-8, not JSON, not an object, or has a key twice.
    """
    data = parse_json_text(text, where)
    if not isinstance(data, dict):
        raise JsonMalformed(where, "is not a JSON object", _AGAIN)
    return data


def parse_json_text(text: bytes, where: str) -> Any:
    """What the JSON `text` holds.

    Raises:
        JsonMalformed: it is not UTF-8, not JSON, or has a key twice.
    """
    try:
        return parse_json(text)
    except UnicodeDecodeError:
        raise JsonMalformed(where, "is not UTF-8", "save it as UTF-8") from None
    except ValueError as error:
        raise JsonMalformed(where, f"is not valid JSON: {error}", _AGAIN) from None
