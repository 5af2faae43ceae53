"""Files that are not of the kind that their name says, pictures that carry more than they show, and folders without weights."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from releasegate.checkpoint.files import open_regular
from releasegate.checkpoint.media import MOST_BESIDE, carried
from releasegate.checkpoint.plaintext import MOST_CODE, codes, is_sentencepiece, not_text
from releasegate.errors import CheckpointError
from releasegate.inspection.record import FileKind, Finding
from releasegate.inspection.stored import Held

MOST = 8 << 20
"""Bytes of a file that are looked at; a larger one is not."""
_LOOKED_AT = frozenset[FileKind](("text", "configuration", "tokenizer", "index", "other"))


def weight_findings(kinds: Mapping[str, FileKind], held: Mapping[str, Held]) -> Iterator[Finding]:
    """That a folder has no weights at all, in any form that is known."""
    forms = {"model", "beside", "pickle", "gguf", "distributed", "second_form", "archive"}
    if kinds and not any(found.tensors for found in held.values()) and not forms.intersection(kinds.values()):
        what, fix = (
            "holds no weights",
            "fetch the whole checkpoint: of large files, a hub's repository may hold pointers alone",
        )
        yield Finding(kind="no_weights", level="concern", where=".", what=what, fix=fix)


def carrying_findings(root: Path, kinds: Mapping[str, FileKind]) -> Iterator[Finding]:
    """What texts and pictures carry that nobody sees who reads or looks at them."""
    for name, kind in kinds.items():
        if kind in _LOOKED_AT and name.split("/")[0] not in (".git", ".cache"):
            try:
                with open_regular(root / name) as file:
                    size = os.fstat(file.fileno()).st_size
                    content = file.read(size) if size <= MOST else b""
            except (CheckpointError, OSError):
                continue  # whoever reads it says so
            yield from _of_file(name, content)


def _of_file(name: str, content: bytes) -> Iterator[Finding]:
    fix = "look at it: weights can hide in it, and a strip refuses it"
    media = carried(content)
    if media is not None:
        if media.broken or media.size > MOST_BESIDE:
            what = media.broken or f"carries {media.size:,} bytes beside what it shows"
            names = tuple(dict.fromkeys(what for what, _ in media.beside))[:10]
            yield Finding(kind="carried", level="concern", where=name, what=what, fix=fix, names=names)
        return
    if is_sentencepiece(content):
        return
    wrong = not_text(name, content)
    if wrong is not None:
        if not name.lower().endswith(".json"):  # of which another finding says so
            yield Finding(kind="not_text", level="concern", where=name, what=wrong, fix=fix)
        return
    for start, run in codes(content):
        if len(run) > MOST_CODE:
            what = f"has {len(run):,} characters of base64 or hexadecimal digits, at byte {start:,}"
            yield Finding(kind="carried", level="concern", where=name, what=what, fix=fix)
            return
