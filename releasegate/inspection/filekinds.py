"""What a file of a checkpoint is, by its name and its first bytes."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from releasegate.checkpoint.files import open_regular
from releasegate.checkpoint.headers import MAX_HEADER
from releasegate.errors import CheckpointError
from releasegate.inspection.record import FileKind

_ENDINGS: Mapping[str, FileKind] = {
    **dict.fromkeys((".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle", ".ot", ".th", ".pyt"), "pickle"),
    ".gguf": "gguf",
    ".distcp": "distributed",
    **dict.fromkeys(
        (".ggml", ".onnx", ".onnx_data", ".h5", ".hdf5", ".keras", ".msgpack", ".npz", ".npy"), "second_form"
    ),
    **dict.fromkeys(
        (".tflite", ".pb", ".mlmodel", ".mar", ".nemo", ".engine", ".plan", ".pte", ".orbax"), "second_form"
    ),
    **dict.fromkeys((".tensors", ".llamafile", ".mlpackage", ".ftz", ".index", ".data-00000-of-00001"), "second_form"),
    **dict.fromkeys((".py", ".pyc", ".so", ".dll", ".dylib", ".exe", ".sh", ".ipynb", ".cu", ".js", ".jar"), "code"),
    **dict.fromkeys((".zip", ".tar", ".gz", ".tgz", ".xz", ".bz2", ".zst", ".7z", ".rar", ".whl"), "archive"),
    **dict.fromkeys((".jsonl", ".parquet", ".arrow", ".csv", ".tsv", ".tfrecord", ".lmdb", ".sqlite", ".db"), "data"),
    **dict.fromkeys((".json", ".yaml", ".yml", ".toml", ".ini", ".cfg", ".args"), "configuration"),
    **dict.fromkeys((".md", ".txt", ".jinja", ".html", ".xml", ".log", ".chk", ".rst", ".tex"), "text"),
    **dict.fromkeys((".model", ".tiktoken", ".spm"), "tokenizer"),
}
_TOKENIZERS = re.compile(
    r"(?:.*[._-])?(?:tokenizer(?:_config)?|vocab|merges|special_tokens_map|added_tokens|tokenizer_model)\.(?:json|txt|model)"
)
_SIGNATURES: Mapping[bytes, FileKind] = {
    b"PK\x03\x04": "archive",
    b"GGUF": "gguf",
    b"\x89HDF": "second_form",
    b"\x93NUMPY": "second_form",
    **{bytes([0x80, version]): "pickle" for version in range(2, 6)},
    b"\x1f\x8b": "archive",
    b"\xfd7zXZ": "archive",
    b"(\xb5/\xfd": "archive",
    b"\x7fELF": "code",
    b"MZ": "code",
    b"#!": "code",
    b"SQLite format 3": "data",
    b"PAR1": "data",
}
HOLDS_TEXT = frozenset[FileKind](("configuration", "tokenizer", "index", "text", "code", "other", "data"))
"""Kinds of files whose text is looked through."""


def kind_of(root: Path, name: str) -> FileKind:
    """What the file `name` in `root` is; a safetensors file counts as `beside` until the model's files are known.

    A file that only its first bytes give away (a zip archive called `notes.txt`, a safetensors file called `x.bin`) is
    what those say.
    """
    ending = PurePosixPath(name).suffix.lower()
    base = PurePosixPath(name).name
    if ending == ".safetensors":
        return "beside"
    by_name = _ENDINGS.get(ending, "other")
    if base.endswith(".index.json"):
        by_name = "index"
    elif _TOKENIZERS.fullmatch(base.lower()):
        by_name = "tokenizer"
    elif base == ".metadata":
        by_name = "distributed"
    if by_name in ("gguf", "distributed", "second_form", "code", "archive"):
        return by_name
    by_content = _by_content(root / name) or by_name
    return by_name if by_name == "pickle" and by_content not in ("beside", "gguf") else by_content


def _by_content(path: Path) -> FileKind | None:
    try:
        with open_regular(path) as file:
            first = os.pread(file.fileno(), 16, 0)
    except (CheckpointError, OSError):
        return None  # whoever reads it says so
    if first[8:9] == b"{" and 2 <= int.from_bytes(first[:8], "little") <= MAX_HEADER:
        return "beside"
    return next((kind for start, kind in _SIGNATURES.items() if first.startswith(start)), None)
