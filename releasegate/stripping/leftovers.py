"""The search of a finished strip for the bytes that were to go: in every file, at every offset, at disk speed.

Every removed row is a *piece* (long rows, and tensors of short rows, are cut into pieces of a fixed size), and 64 of
its bytes stand for it. The files are read as 8-byte words 32 bytes apart; a copy of those 64 bytes, wherever it begins,
covers at least one such word with one of its own first 32 shifts. All shifts of all pieces are in one sorted table, so
that one look-up for every 32 bytes finds any piece.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from releasegate.checkpoint import Contents, Watch
from releasegate.checkpoint.files import BLOCK, open_regular
from releasegate.checkpoint.headers import Entry, Header
from releasegate.receipt import Unsearched
from releasegate.stripping.plan import StripPlan
from releasegate.stripping.rows import row_spans
from releasegate.stripping.steps import places

WINDOW = 64
"""Bytes that stand for a piece. Shorter parts are not searched for: they would be found by chance."""
STRIDE = 32
CHUNK = 4096
"""Bytes of a piece where rows are shorter than `WINDOW`."""
LONGEST = 65536
"""Bytes of a piece at most."""
MAX_PIECES = 32768
"""Pieces searched for in one strip; where there are more, every k-th is taken."""

_TABLE_BITS = 22
_MIX = np.uint64(0x9E3779B97F4A7C15)

Words = NDArray[np.uint64]


@dataclass(frozen=True, slots=True)
class Span:
    """Bytes of a file of the source that must not be in the output, cut into pieces of `piece` bytes."""

    part: str
    file: str
    begin: int
    end: int
    piece: int

    @property
    def pieces(self) -> int:
        """How many pieces; the last may be shorter."""
        return -(-(self.end - self.begin) // self.piece)


@dataclass(frozen=True, slots=True)
class Needles:
    """What is searched for.

    Attributes:
        windows: 64 bytes for each piece, [pieces, 64].
        parts: the name of each piece's part.
        words: all shifts of all windows, sorted.
        owners: the piece that each word belongs to.
        shifts: where in its window each word begins.
        table: whether some word has a given hash.
        unsearched: parts that cannot be searched for.
    """

    windows: NDArray[np.uint8]
    parts: tuple[str, ...]
    words: Words
    owners: NDArray[np.int32]
    shifts: NDArray[np.uint8]
    table: NDArray[np.bool_]
    unsearched: tuple[Unsearched, ...]


@dataclass(frozen=True, slots=True)
class Finding:
    """A piece of `part` that stands in `file` at byte `offset`."""

    part: str
    file: str
    offset: int


def spans_to_search(checkpoint: Contents, plan: StripPlan) -> list[Span]:
    """Everything that the plan takes away, as spans of the source's files."""
    spans: list[Span] = []
    where = places(checkpoint, plan)
    headers = {**checkpoint.shards, **checkpoint.siblings}
    for name, edit in plan.tensors.items():
        place = where[name]
        start = headers[place.file].data_start + place.entry.begin
        inside = row_spans(place.entry, edit) if edit.partial else [(0, place.entry.size)]
        spans += [Span(name, place.file, start + a, start + b, _piece(place.entry)) for a, b in inside if b > a]
    for file in plan.dropped:
        if file in checkpoint.siblings:
            spans += _file_spans(file, checkpoint.siblings[file])
        elif checkpoint.sizes[file]:
            spans.append(Span(file, file, 0, checkpoint.sizes[file], CHUNK))
    return spans


def _file_spans(file: str, header: Header) -> Iterator[Span]:
    for name, entry in header.entries.items():
        if entry.size:
            start = header.data_start
            yield Span(f"{file}: {name}", file, start + entry.begin, start + entry.end, _piece(entry))


def _piece(entry: Entry) -> int:
    row = entry.row_size or 0
    return min(row, LONGEST) if row >= WINDOW else CHUNK


def read_needles(root: Path, spans: Sequence[Span]) -> Needles:
    """What to search for, from the files of the source `root`. Memory: about 500 bytes a piece.

    Raises:
        CheckpointError: a file cannot be read.
    """
    total = sum(span.pieces for span in spans)
    step = max(1, -(-total // MAX_PIECES))
    windows: dict[bytes, str] = {}
    missed: dict[tuple[str, str], int] = {}
    number = 0
    for span in spans:
        with open_regular(root / span.file) as file:
            for begin in range(span.begin, span.end, span.piece):
                number += 1
                if (number - 1) % step:
                    continue
                found = _window(file, begin, min(begin + span.piece, span.end))
                if isinstance(found, bytes):
                    windows.setdefault(found, span.part)
                else:
                    missed[span.part, found] = missed.get((span.part, found), 0) + 1
    unsearched = tuple(Unsearched(part=part, pieces=count, why=why) for (part, why), count in sorted(missed.items()))
    return _indexed(windows, unsearched)


def _window(file: BinaryIO, begin: int, end: int) -> bytes | str:
    """The first 64 bytes of the piece that are not too plain to search for, or `str`: why there are none."""
    piece = os.pread(file.fileno(), min(end - begin, CHUNK), begin)
    if len(piece) < WINDOW:
        return f"shorter than {WINDOW} bytes"
    for start in range(0, len(piece) - WINDOW + 1, WINDOW):
        window = piece[start : start + WINDOW]
        if all(window[k : k + 4] != window[k + 4 : k + 8] for k in range(STRIDE)):
            return window
    return "too plain: zeros, or one value over and over"


def _indexed(windows: dict[bytes, str], unsearched: tuple[Unsearched, ...]) -> Needles:
    stacked = np.array([np.frombuffer(window, dtype=np.uint8) for window in windows], dtype=np.uint8).reshape(
        -1, WINDOW
    )
    shifted = np.lib.stride_tricks.sliding_window_view(stacked, 8, axis=1)[:, :STRIDE]  # [pieces, 32, 8]
    words: Words = np.ascontiguousarray(shifted).view("<u8").reshape(-1)
    order = np.argsort(words, kind="stable")
    table = np.zeros(1 << _TABLE_BITS, dtype=np.bool_)
    table[_hash(words)] = True
    return Needles(
        windows=stacked,
        parts=tuple(windows.values()),
        words=words[order],
        owners=(order // STRIDE).astype(np.int32),
        shifts=(order % STRIDE).astype(np.uint8),
        table=table,
        unsearched=unsearched,
    )


def _hash(words: Words) -> NDArray[Any]:
    with np.errstate(over="ignore"):
        return (words * _MIX) >> np.uint64(64 - _TABLE_BITS)


def search(needles: Needles, root: Path, files: Iterable[str], watch: Watch | None = None) -> Finding | None:
    """The first piece that stands in one of `files` under `root`; `None` if none does.

    Args:
        needles: what to search for.
        root: the folder.
        files: names of files in it.
        watch: is told the number of bytes searched.
    """
    for name in files:
        with open_regular(root / name) as file:
            size = os.fstat(file.fileno()).st_size
            for base in range(0, size, BLOCK):
                found = _search_block(needles, file, base, size) if needles.parts else None
                if found is not None:
                    return Finding(needles.parts[found[0]], name, found[1])
                if watch:
                    watch(min(BLOCK, size - base))
    return None


def _search_block(needles: Needles, file: BinaryIO, base: int, size: int) -> tuple[int, int] | None:
    low, high = max(0, base - WINDOW), min(size, base + BLOCK + WINDOW)
    held = np.frombuffer(os.pread(file.fileno(), high - low, low), dtype=np.uint8)
    count = min(BLOCK, len(held) - (base - low)) // 8
    words = held[base - low : base - low + count * 8].view("<u8")[:: STRIDE // 8]
    hits = np.flatnonzero(needles.table[_hash(words)])
    if not len(hits):
        return None
    places = np.searchsorted(needles.words, words[hits])
    offsets = hits * STRIDE + (base - low)  # of each hit's word, in `held`
    while len(places):
        same = places < len(needles.words)
        same[same] = needles.words[places[same]] == _words_at(held, offsets[same])
        places, offsets = places[same], offsets[same]
        owner = _confirmed(needles, held, places, offsets)
        if owner is not None:
            return owner[0], low + owner[1]
        places = places + 1  # the next piece that has the same word
    return None


def _words_at(held: NDArray[np.uint8], offsets: NDArray[Any]) -> Words:
    """The 8-byte words that begin at `offsets` in `held`."""
    gathered: Words = np.ascontiguousarray(held[offsets[:, None] + np.arange(8)]).view("<u8").reshape(-1)
    return gathered


def _confirmed(
    needles: Needles, held: NDArray[np.uint8], places: NDArray[Any], offsets: NDArray[Any]
) -> tuple[int, int] | None:
    starts = offsets - needles.shifts[places]
    inside = (starts >= 0) & (starts + WINDOW <= len(held))
    starts, owners = starts[inside], needles.owners[places[inside]]
    equal = (held[starts[:, None] + np.arange(WINDOW)] == needles.windows[owners]).all(axis=1)
    if not equal.any():
        return None
    first = int(np.flatnonzero(equal)[0])
    return int(owners[first]), int(starts[first])
