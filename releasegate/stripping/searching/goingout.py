"""What goes out beside the numbers of tensors: texts, pictures, names, metadata. Each is of its kind, and none holds much.

What was to go could stand there in any code, which no search finds. So what is said there is bounded: over the bound a
strip is refused, under it the receipt states how much there is.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from releasegate.checkpoint import Header
from releasegate.checkpoint.files import MAX_JSON, open_regular
from releasegate.checkpoint.headers import MAX_METADATA
from releasegate.checkpoint.jsontext import parse_json
from releasegate.checkpoint.media import MOST_BESIDE, carried
from releasegate.checkpoint.plaintext import (
    BYTES_A_TENSOR,
    BYTES_A_TOKEN,
    MOST_CODE,
    MOST_TOLD,
    codes,
    decoded,
    is_sentencepiece,
    not_text,
    numbers_in,
    text_kind,
    told,
)
from releasegate.errors import Problem
from releasegate.stripping.searching.leftovers import Needles, search_held

MOST_NAMES = 8_192
"""Compressed bytes of the names of all tensors, each form once: 616 at most in the layouts of the tests."""
MOST_EMPTY = 16
"""Tensors without an element."""
MOST_SMALL = 64
"""Tensors of one element, and `SMALL_EACH` more for each larger one: scales of inputs and weights, and counts."""
SMALL_EACH = 2

LEAVE = "leave it out by the recipe (`drop_file`), or take it out of the checkpoint"
_NUMBER = re.compile(r"\d{1,4}(?!\d)")


@dataclass(frozen=True, slots=True)
class GoingOut:
    """What was looked at beside numbers: the first problem, if there is one, and how much there is.

    Attributes:
        problem: what is refused.
        texts: compressed bytes of all texts.
        names: compressed bytes of the names of tensors, each form once.
        metadata: bytes of `__metadata__` of all files.
        small: tensors of one element.
        empty: tensors without an element.
        beside: bytes in pictures and sounds that are not seen or heard.
    """

    problem: Problem | None
    texts: int
    names: int
    metadata: int
    small: int
    empty: int
    beside: int


def look_at_what_goes_out(
    root: Path, files: Sequence[str], headers: Mapping[str, Header], needles: Needles, tokens: int
) -> GoingOut:
    """What goes out beside the numbers of tensors.

    Args:
        root: the finished output.
        files: its files.
        headers: of those that hold tensors.
        needles: what was to go.
        tokens: entries of the vocabulary.

    Raises:
        CheckpointError: a file cannot be read.
    """
    looking = _Looking(root, headers, needles, tokens)
    problems = [*looking.tensors()]
    for name in files:
        if name not in headers:
            problems += looking.file(name)
    return GoingOut(
        next(iter(problems), None), looking.texts, looking.names, looking.metadata, looking.small, looking.empty,
        looking.beside,
    )  # fmt: skip


@dataclass(slots=True)
class _Looking:
    root: Path
    headers: Mapping[str, Header]
    needles: Needles
    tokens: int
    texts: int = 0
    names: int = 0
    metadata: int = 0
    small: int = 0
    empty: int = 0
    beside: int = 0

    def tensors(self) -> Iterator[Problem]:
        """What the headers of files of tensors say too much of."""
        entries = [entry for header in self.headers.values() for entry in header.entries.values()]
        plain = "\n".join(sorted(entry.name for entry in entries)).encode()
        self.names = told("\n".join(sorted({_NUMBER.sub("*", entry.name) for entry in entries})).encode())
        self.small = sum(entry.elements == 1 for entry in entries)
        self.empty = sum(not entry.elements for entry in entries)
        texts = [(key, value) for header in self.headers.values() for key, value in (header.metadata or {}).items()]
        self.metadata = sum(len(key.encode()) + len(value.encode("utf-8", "replace")) for key, value in texts)
        where, fix = str(self.root), "rename them as the model's class names them, or leave them out"
        yield from self._codes(where, "the names of its tensors", plain)
        for key, value in texts:
            yield from self._codes(where, f"`__metadata__` under {key[:80]!a}", value.encode("utf-8", "replace"))
        if self.names > MOST_NAMES:
            what = f"has names of tensors that say {self.names:,} bytes (compressed); at most {MOST_NAMES:,} go out"
            yield Problem(where, what, fix)
        if self.empty > MOST_EMPTY:
            yield Problem(where, f"has {self.empty:,} tensors without an element; at most {MOST_EMPTY} go out", fix)
        larger = len(entries) - self.small - self.empty
        most = MOST_SMALL + SMALL_EACH * larger
        if self.small > most:
            what = f"has {self.small:,} tensors of one element beside {larger:,} larger ones; at most {most:,} go out"
            yield Problem(where, what, fix)

    def file(self, name: str) -> Iterator[Problem]:
        """What is wrong with a file that holds no tensors."""
        path = self.root / name
        with open_regular(path) as opened:
            size = os.fstat(opened.fileno()).st_size
            content = opened.read(min(size, MAX_JSON))
        if size > MAX_JSON:
            yield Problem(str(path), f"has more than {MAX_JSON:,} bytes and holds no tensors", LEAVE)
            return
        media = carried(content)
        if media is not None:
            self.beside += media.size
            if media.broken:
                yield Problem(str(path), media.broken, LEAVE)
            for what, held in (*media.beside, ("its pixels", media.content)):
                yield from self._held(str(path), what, held)
            if media.size > MOST_BESIDE:
                names = ", ".join(dict.fromkeys(what for what, _ in media.beside))
                what = f"carries {media.size:,} bytes beside what it shows ({names}); at most {MOST_BESIDE:,} go out"
                yield Problem(str(path), what, "write it again without notes and metadata")
            return
        if name.endswith((".model", ".spm")) and is_sentencepiece(content):
            yield from self._amount(path, name, content, None)
            return
        wrong = not_text(name, content)
        if wrong is not None:
            yield Problem(str(path), wrong, LEAVE)
            return
        data = parse_json(content) if name.lower().endswith(".json") else None
        yield from self._codes(str(path), "it", content)
        yield from self._numbers(path, data)
        yield from self._amount(path, name, content, data)

    def _held(self, where: str, place: str, held: bytes) -> Iterator[Problem]:
        """A piece of what was to go in bytes that were taken out of something."""
        if held and self.needles.parts:
            for piece, _ in search_held(self.needles, np.frombuffer(held, dtype=np.uint8))[:1]:
                what = f"holds a piece of {self.needles.parts[piece][0]}, which was to go, in {place}"
                yield Problem(where, what, LEAVE)

    def _codes(self, where: str, place: str, content: bytes) -> Iterator[Problem]:
        for start, run in codes(content):
            for reading in decoded(run):
                yield from self._held(where, f"{place}, as base64 or hexadecimal digits, at byte {start:,}", reading)
            if len(run) > MOST_CODE:
                what = f"has {len(run):,} characters of base64 or hexadecimal digits in {place}, at byte {start:,}"
                yield Problem(where, f"{what}; at most {MOST_CODE:,} in a row go out", "take them out")

    def _numbers(self, path: Path, data: Any) -> Iterator[Problem]:
        floats, whole = numbers_in(data)
        with np.errstate(over="ignore"):
            values = np.array(floats, dtype="<f8")
            single = values.astype("<f4")
            readings = [values, single, values.astype("<f2"), (single.view("<u4") >> 16).astype("<u2")]
        small = [one for one in whole if 0 <= one < 1 << 16]
        readings.append(np.array(small, dtype="<u2"))
        readings.append(np.array([one for one in small if one < 256], dtype="u1"))
        for reading in readings:
            yield from self._held(str(path), "its numbers", reading.tobytes())

    def _amount(self, path: Path, name: str, content: bytes, data: Any) -> Iterator[Problem]:
        kind, size = text_kind(name), told(content)
        self.texts += size
        most = MOST_TOLD[kind]
        if kind == "vocabulary":
            most += BYTES_A_TOKEN * self.tokens
        elif kind == "index":
            most += BYTES_A_TENSOR * sum(len(header.entries) for header in self.headers.values())
            notes = json.dumps(data.get("metadata") if isinstance(data, dict) else None, ensure_ascii=False)
            if len(notes.encode("utf-8", "replace")) > MAX_METADATA:
                what = f"has {len(notes):,} characters of `metadata`; at most {MAX_METADATA:,} bytes go out"
                yield Problem(str(path), what, "take them out of the index")
        elif isinstance(data, dict) and isinstance(data.get("vocabulary_map"), dict):
            most += BYTES_A_TOKEN * len(data["vocabulary_map"])
        if size > most:
            what = f"says {size:,} bytes (compressed), which is more than a {kind} does; at most {most:,} go out"
            yield Problem(str(path), what, "take out what does not belong there, or leave the file out by the recipe")
