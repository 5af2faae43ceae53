"""The search of a finished strip for the bytes that were to go: in every file, at every offset, at disk speed.

Every removed row is a *piece* (long rows, and tensors of short rows, are cut into pieces of a fixed size), and a window
of its bytes stands for it: 256, or 128 or 64 where some piece is too short or too plain for more, or pieces are very
many. The files are read as 8-byte words half a window apart; a copy of a window, wherever it begins, covers at least one
such word with one of its own shifts below half a window. All shifts of all windows are in one sorted table, so that
looking up the words finds any piece.

Measured on 1 GiB of random bytes, in CPU seconds: .2 for 8,192 pieces, .45 for 32,768 (sha256: .55 to .6).
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from releasegate.checkpoint import Contents, Watch
from releasegate.checkpoint.files import BLOCK, open_regular
from releasegate.checkpoint.headers import BITS, Entry, Header
from releasegate.receipt import Unsearched
from releasegate.stripping.edits import TensorEdit
from releasegate.stripping.planning.plan import StripPlan
from releasegate.stripping.rows import rows_of
from releasegate.stripping.searching.shares import steps
from releasegate.stripping.writing.steps import places

WINDOW = 64
"""Bytes that stand for a piece, at least. Shorter parts are not searched for: they would be found by chance."""
TOO_MANY = "one of so many parts that only some are searched for"
TOO_SHORT = f"shorter than {WINDOW} bytes"
WINDOWS = (256, 128, WINDOW)
"""Bytes that may stand for a piece; the longer, the fewer words are looked up."""
CHUNK = 4096
"""Bytes of a piece where rows are shorter than `WINDOW`."""
LONGEST = 65536
"""Bytes of a piece at most."""
MAX_PIECES = 32768
"""Pieces searched for in one strip; where there are more, every k-th is taken, of large parts alone if that suffices."""

MAX_FORMS = 1024
"""Pieces that are searched for in another order of bytes too, and by the lowest bytes of their numbers: every k-th."""

_MAX_WORDS = 1 << 20
_LOAD = 16
"""Places of the table for each word."""
_MIXERS = (np.uint64(0x9E3779B97F4A7C15), np.uint64(0xD6E8FEB86659FD93))

Words = NDArray[np.uint64]


@dataclass(frozen=True, slots=True)
class Span:
    """Bytes of a file of the source that must not be in the output, cut into pieces of `piece` bytes.

    Where a tensor has very many spans, one of them stands for `times` of the same length. Its numbers have `item` bytes.
    """

    part: str
    file: str
    begin: int
    end: int
    piece: int
    times: int = 1
    item: int = 1

    @property
    def pieces(self) -> int:
        """How many pieces; the last may be shorter."""
        return -(-(self.end - self.begin) // self.piece)


@dataclass(frozen=True, slots=True)
class Needles:
    """What is searched for.

    Attributes:
        windows: the bytes that stand for each piece, [pieces, 64 to 256].
        parts: the names of each piece's parts: more than one where parts begin with the same bytes.
        words: all shifts of all windows, sorted.
        owners: the piece that each word belongs to.
        shifts: where in its window each word begins.
        table: whether some word has a given hash, one bit each; every word sets two.
        unsearched: parts that cannot be searched for.
        pieces: how many pieces the windows stand for; those after them are of other forms of the same pieces.
    """

    windows: NDArray[np.uint8]
    parts: tuple[tuple[str, ...], ...]
    words: Words
    owners: NDArray[np.int32]
    shifts: NDArray[np.uint8]
    table: NDArray[np.uint8]
    unsearched: tuple[Unsearched, ...]
    pieces: int

    @property
    def window(self) -> int:
        """Bytes of a window."""
        return int(self.windows.shape[1])

    @property
    def stride(self) -> int:
        """Bytes from one word that is looked up to the next."""
        return self.window // 2


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
        inside, times = _inside(place.entry, edit)
        item = max(1, BITS[place.entry.dtype] // 8)
        spans += [
            Span(name, place.file, start + a, start + b, _piece(place.entry), times, item) for a, b in inside if b > a
        ]
    for file in plan.dropped:
        if file in checkpoint.siblings:
            spans += _file_spans(file, checkpoint.siblings[file])
        elif checkpoint.sizes[file]:
            spans.append(Span(file, file, 0, checkpoint.sizes[file], CHUNK))
    return spans


def _inside(entry: Entry, edit: TensorEdit) -> tuple[Iterable[tuple[int, int]], int]:
    """Where the edit takes something away, in bytes from the tensor's beginning; and how many each of these stands for."""
    if not edit.partial:
        return [(0, entry.size)], 1
    rows = rows_of(entry, edit)
    step = max(1, -(-rows.slabs * len(rows.first) // MAX_PIECES))
    return rows.spans(step), step


def _file_spans(file: str, header: Header) -> Iterator[Span]:
    for name, entry in header.entries.items():
        if entry.size:
            start = header.data_start
            item = max(1, BITS[entry.dtype] // 8)
            yield Span(f"{file}:{name}", file, start + entry.begin, start + entry.end, _piece(entry), item=item)


def _piece(entry: Entry) -> int:
    row = entry.row_size or 0
    return min(row, LONGEST) if row >= WINDOW else CHUNK


def read_needles(root: Path, spans: Sequence[Span]) -> Needles:
    """What to search for, from the files of the source `root`. Memory: up to 40 MiB.

    Raises:
        CheckpointError: a file cannot be read.
    """
    missed: Counter[tuple[str, str]] = Counter()
    pieces: Counter[str] = Counter()
    for span in spans:
        if span.end - span.begin < WINDOW:
            missed[span.part, TOO_SHORT] += span.times
        else:
            pieces[span.part] += span.pieces
    every = steps(pieces, MAX_PIECES)
    total = sum(-(-count // every[part]) for part, count in pieces.items() if every[part])
    sizes = [size for size in WINDOWS if total * size // 2 <= _MAX_WORDS]
    windows: dict[bytes, tuple[str, ...]] = {}
    forms: dict[bytes, tuple[str, ...]] = {}
    numbers: Counter[str] = Counter()
    apart = max(1, -(-total // MAX_FORMS))
    for name, some in groupby((s for s in spans if s.end - s.begin >= WINDOW), key=attrgetter("file")):
        with open_regular(root / name) as file:
            for span in some:
                if not every[span.part]:
                    missed[span.part, TOO_MANY] += span.pieces
                    continue
                for begin in _begins(span, every[span.part], numbers[span.part]):
                    found = _window(file, begin, min(begin + span.piece, span.end), sizes)
                    if isinstance(found, bytes):
                        _add(windows, found, (span.part,))
                        if len(windows) % apart == 0:
                            for form in _other_forms(file, begin, min(begin + span.piece, span.end), span.item):
                                _add(forms, form, (span.part,))
                    else:
                        missed[span.part, found] += 1
                numbers[span.part] += span.pieces
    unsearched = tuple(Unsearched(part=part, pieces=count, why=why) for (part, why), count in sorted(missed.items()))
    return _indexed(windows, unsearched, forms)


def _begins(span: Span, step: int, before: int) -> range:
    """Where every `step`-th piece of its part begins in the span, if `before` pieces of it stand in earlier spans."""
    return range(span.begin + -before % step * span.piece, span.end, step * span.piece)


def _add(windows: dict[bytes, tuple[str, ...]], window: bytes, parts: tuple[str, ...]) -> None:
    """A copy of one part is a copy of each that has the same bytes: a recipe may list it for one of them only."""
    before = windows.get(window, ())
    windows[window] = before + tuple(part for part in parts if part not in before)


def _window(file: BinaryIO, begin: int, end: int, sizes: Sequence[int]) -> bytes | str:
    """The first bytes of the piece that are not too plain to search for, as many as can be; `str`: why there are none."""
    piece = os.pread(file.fileno(), min(end - begin, CHUNK), begin)
    if len(piece) < WINDOW:
        return TOO_SHORT
    for size in sizes:
        for start in range(0, len(piece) - size + 1, WINDOW):
            if not _is_plain(piece[start : start + size]):
                return piece[start : start + size]
    return "too plain: zeros, or one value over and over"


def _other_forms(file: BinaryIO, begin: int, end: int, item: int) -> list[bytes]:
    """The beginning of a piece with the bytes of its numbers in the other order, and the lowest byte of each number."""
    if item == 1:
        return []
    piece = os.pread(file.fileno(), min(end - begin, WINDOWS[0] * item), begin)
    table = np.frombuffer(piece[: len(piece) // item * item], dtype=np.uint8).reshape(-1, item)
    found = (table[:, ::-1].tobytes()[: WINDOWS[0]], table[:, 0].tobytes())
    return [form for form in found if len(form) >= WINDOW and not _is_plain(form)]


def _is_plain(window: bytes) -> bool:
    """Whether some word that is looked up is four bytes twice, or all are one word: such words are everywhere."""
    held = np.frombuffer(window, dtype=np.uint8)
    if (held[:-8] == held[8:]).all():
        return True
    same = held[:-4] == held[4:]
    runs = same[:-3] & same[1:-2] & same[2:-1] & same[3:]
    return bool(runs[: len(window) // 2].any())


def _indexed(
    windows: dict[bytes, tuple[str, ...]], unsearched: tuple[Unsearched, ...], forms: dict[bytes, tuple[str, ...]]
) -> Needles:
    size = min((len(window) for window in windows), default=WINDOW)
    cut: dict[bytes, tuple[str, ...]] = {}
    for window, parts in windows.items():
        _add(cut, window[:size], parts)
    pieces = len(cut)
    for form, parts in forms.items():
        if len(form) >= size and not _is_plain(form[:size]):
            _add(cut, form[:size], parts)
    stacked = np.frombuffer(b"".join(cut), dtype=np.uint8).reshape(-1, size)
    shifted = np.lib.stride_tricks.sliding_window_view(stacked, 8, axis=1)[:, : size // 2]  # [pieces, stride, 8]
    words: Words = np.ascontiguousarray(shifted).view("<u8").reshape(-1)
    order = np.argsort(words).astype(np.int32)
    return Needles(
        windows=stacked,
        parts=tuple(cut.values()),
        words=words[order],
        owners=order // (size // 2),
        shifts=(order % (size // 2)).astype(np.uint8),
        table=_table(words),
        unsearched=unsearched,
        pieces=pieces,
    )


def _table(words: Words) -> NDArray[np.uint8]:
    table = np.zeros(1 << max(10, (len(words) * _LOAD - 1).bit_length()) - 3, dtype=np.uint8)
    for first in range(0, len(words), 1 << 16):
        for mixer in _MIXERS:
            hashes = _hash(words[first : first + (1 << 16)], mixer, len(table) * 8)
            np.bitwise_or.at(table, hashes >> 3, np.uint8(1) << (hashes & 7).astype(np.uint8))
    return table


def _hash(words: Words, mixer: np.uint64, size: int) -> NDArray[np.int64]:
    """A number below `size`, a power of two, for each word."""
    with np.errstate(over="ignore"):
        return ((words * mixer) >> np.uint64(65 - size.bit_length())).astype(np.int64)


def _may_be_there(table: NDArray[np.uint8], words: Words) -> NDArray[np.intp]:
    """Which of the words have both of their hashes in the table."""
    found = np.arange(len(words))
    for mixer in _MIXERS:
        hashes = _hash(words[found], mixer, len(table) * 8)
        found = found[(table[hashes >> 3] >> (hashes & 7).astype(np.uint8) & 1).view(np.bool_)]
    return found


def search(needles: Needles, root: Path, files: Iterable[str], watch: Watch | None = None) -> Iterator[Finding]:
    """The pieces that stand in one of `files` under `root`, in the order of the files.

    Args:
        needles: what to search for.
        root: the folder.
        files: names of files in it.
        watch: is told the number of bytes searched.
    """
    buffer = np.empty(BLOCK + 2 * needles.window, dtype=np.uint8)
    for name in files:
        with open_regular(root / name) as file:
            size = os.fstat(file.fileno()).st_size
            for base in range(0, size, BLOCK):
                found = _search_block(needles, file, base, size, buffer) if needles.parts else []
                yield from (Finding(part, name, offset) for piece, offset in found for part in needles.parts[piece])
                if watch:
                    watch(min(BLOCK, size - base))


def _search_block(
    needles: Needles, file: BinaryIO, base: int, size: int, buffer: NDArray[np.uint8]
) -> list[tuple[int, int]]:
    """The pieces that stand in a block, each with its place in the file, in the order of places."""
    low, high = max(0, base - needles.window), min(size, base + BLOCK + needles.window)
    held = buffer[: os.preadv(file.fileno(), [buffer[: high - low].data], low)]
    return [(piece, low + start) for piece, start in search_held(needles, held, base - low, BLOCK)]


def search_held(
    needles: Needles, held: NDArray[np.uint8], first: int = 0, count: int | None = None
) -> list[tuple[int, int]]:
    """The pieces that stand in bytes that are held, each with its place in them, in the order of places.

    Args:
        needles: what to search for.
        held: contiguous.
        first: words are looked up from this byte on; what begins up to a window before is found all the same.
        count: bytes in which words are looked up; `None` for all that follow.
    """
    most = len(held) - first if count is None else min(count, len(held) - first)
    words = held[first : first + max(0, most) // 8 * 8].view("<u8")[:: needles.stride // 8]
    hits = _may_be_there(needles.table, words)
    if not len(hits):
        return []
    found: set[tuple[int, int]] = set()
    places = np.searchsorted(needles.words, words[hits])
    offsets = hits * needles.stride + first  # of each hit's word, in `held`
    while len(places):
        same = places < len(needles.words)
        same[same] = needles.words[places[same]] == _words_at(held, offsets[same])
        places, offsets = places[same], offsets[same]
        found |= set(_confirmed(needles, held, places, offsets))
        places = places + 1  # the next piece that has the same word
    return sorted(found, key=lambda one: (one[1], one[0]))


def _words_at(held: NDArray[np.uint8], offsets: NDArray[Any]) -> Words:
    """The 8-byte words that begin at `offsets` in `held`."""
    gathered: Words = np.ascontiguousarray(held[offsets[:, None] + np.arange(8)]).view("<u8").reshape(-1)
    return gathered


def _confirmed(
    needles: Needles, held: NDArray[np.uint8], places: NDArray[Any], offsets: NDArray[Any]
) -> Iterator[tuple[int, int]]:
    starts = offsets - needles.shifts[places]
    inside = (starts >= 0) & (starts + needles.window <= len(held))
    starts, owners = starts[inside], needles.owners[places[inside]]
    equal = (held[starts[:, None] + np.arange(needles.window)] == needles.windows[owners]).all(axis=1)
    yield from zip(owners[equal].tolist(), starts[equal].tolist(), strict=True)
