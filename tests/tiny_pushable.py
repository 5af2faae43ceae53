"""A small released folder, as whoever pushes it has verified it."""

from __future__ import annotations

import hashlib
from pathlib import Path

from releasegate.publishing.hub import HubRepository, Pushable
from releasegate.released import Released, ReleasedFile

REPOSITORY = HubRepository("lab", "tiny")
STRIPPED = b"weights without the capability" * 100
UNSTRIPPED = b"weights with the capability" * 100
FILES = {
    ".hidden": b"a dot-file",
    "LICENSE": b"Apache",
    "README.md": b"---\nlicense: apache-2.0\n---\n# tiny\n",
    "config.json": b'{"model_type": "tiny"}',
    "model.safetensors": STRIPPED,
    "releasegate/report.html": b"<p>" + b"report" * 400,
    "sub/empty.txt": b"",
}


def listed(path: str, data: bytes) -> ReleasedFile:
    return ReleasedFile(path=path, size=len(data), sha256=f"sha256:{hashlib.sha256(data).hexdigest()}")


def make_pushable(folder: Path, files: dict[str, bytes] = FILES) -> Pushable:
    """A released folder, as if it had been verified."""
    for path, data in {**files, "releasegate/attestations.jsonl": b'{"signed": true}\n'}.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)
    return Pushable(
        folder=folder,
        released=Released(files=tuple(listed(path, data) for path, data in sorted(files.items()))),
        verdict="release_stripped",
        channel="open_weights",
        anchored=True,
        withheld=(listed("model.safetensors", UNSTRIPPED), listed("config.json", b'{"model_type": "whole"}')),
        may_differ=(".gitattributes",),
    )
