"""The search finds every piece, wherever it lies, and says what it cannot search for."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from releasegate.checkpoint import Contents, Entry, Header, Place, Watch
from releasegate.checkpoint.files import BLOCK
from releasegate.receipt import Unsearched
from releasegate.stripping.edits import TensorEdit
from releasegate.stripping.searching import leftovers
from releasegate.stripping.searching.leftovers import Finding, Needles, Span, read_needles, spans_to_search
from tests.tiny_strips import plan_of

NAMES = ["hay"]


def search(needles: Needles, root: Path, files: list[str], watch: Watch | None = None) -> Finding | None:
    """The first finding."""
    return next(leftovers.search(needles, root, files, watch), None)


def noise(seed: int, size: int) -> bytes:
    return np.random.default_rng(seed).integers(0, 256, size, dtype=np.uint8).tobytes()


def place(folder: Path, needle: bytes, hay: bytes) -> Path:
    (folder / "needle").write_bytes(needle)
    (folder / "hay").write_bytes(hay)
    return folder


@settings(max_examples=120, deadline=None)
@given(st.integers(64, 300), st.integers(0, 5000), st.integers(0, 200))
def test_a_row_is_found_at_every_offset(
    tmp_path_factory: pytest.TempPathFactory, size: int, before: int, after: int
) -> None:
    needle = noise(1, size)
    folder = place(tmp_path_factory.mktemp("a"), needle, noise(2, before) + needle + noise(3, after))
    needles = read_needles(folder, [Span("rows", "needle", 0, size, size)])
    assert search(needles, folder, NAMES) == Finding("rows", "hay", before)


@settings(max_examples=120, deadline=None)
@given(st.sampled_from([64, 127, 128, 255, 256, 4096]), st.integers(0, 5000), st.integers(0, 200))
def test_a_window_of_any_length_is_found_at_every_offset(
    tmp_path_factory: pytest.TempPathFactory, size: int, before: int, after: int
) -> None:
    rows = noise(1, 3 * size)
    row = rows[size : 2 * size]
    folder = place(tmp_path_factory.mktemp("a"), rows, noise(2, before) + row + noise(3, after))
    needles = read_needles(folder, [Span("rows", "needle", 0, len(rows), size)])
    assert needles.window == min(256, 64 * (1 << (size // 64).bit_length() - 1))
    assert search(needles, folder, NAMES) == Finding("rows", "hay", before)


@pytest.mark.parametrize("at", [BLOCK - 257, BLOCK - 256, BLOCK - 129, BLOCK - 128, BLOCK - 1, BLOCK, 2 * BLOCK - 200])
def test_a_long_window_is_found_across_the_blocks_that_are_read(at: int, tmp_path: Path) -> None:
    needle = noise(1, 256)
    folder = place(tmp_path, needle, bytes(at) + needle + bytes(BLOCK))
    needles = read_needles(folder, [Span("rows", "needle", 0, 256, 256)])
    assert search(needles, folder, NAMES) == Finding("rows", "hay", at)


def test_windows_are_as_long_as_the_shortest_piece_allows(tmp_path: Path) -> None:
    folder = place(tmp_path, noise(1, 1000), noise(2, 77) + noise(1, 1000)[:512] + noise(3, 9))
    needles = read_needles(folder, [Span("rows", "needle", 0, 512, 512), Span("bias", "needle", 512, 600, 88)])
    assert needles.window == 64
    assert search(needles, folder, NAMES) == Finding("rows", "hay", 77)


def test_windows_are_short_where_pieces_are_many(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leftovers, "_MAX_WORDS", 50 * 64)
    rows = noise(1, 256 * 50)
    folder = place(tmp_path, rows, rows[256 * 49 :])
    needles = read_needles(folder, [Span("rows", "needle", 0, len(rows), 256)])
    assert (needles.window, len(needles.parts)) == (128, 50)
    assert search(needles, folder, NAMES) == Finding("rows", "hay", 0)


@pytest.mark.parametrize("at", [BLOCK - 65, BLOCK - 64, BLOCK - 33, BLOCK - 1, BLOCK, BLOCK + 31, 2 * BLOCK - 40])
def test_a_row_is_found_across_the_blocks_that_are_read(at: int, tmp_path: Path) -> None:
    needle = noise(1, 64)
    folder = place(tmp_path, needle, bytes(at) + needle + bytes(BLOCK))
    assert search(read_needles(folder, [Span("rows", "needle", 0, 64, 64)]), folder, NAMES) == Finding(
        "rows", "hay", at
    )


def test_one_row_of_many_is_found(tmp_path: Path) -> None:
    rows = noise(1, 1000 * 96)
    folder = place(tmp_path, rows, noise(2, 777) + rows[96 * 500 : 96 * 501] + noise(3, 100))
    needles = read_needles(folder, [Span("rows", "needle", 0, len(rows), 96)])
    assert len(needles.parts) == 1000
    assert search(needles, folder, NAMES) == Finding("rows", "hay", 777)


def test_what_is_not_there_is_not_found(tmp_path: Path) -> None:
    needle = noise(1, 64 * 500)
    almost = bytearray(needle)
    almost[63::64] = bytes(value ^ 1 for value in almost[63::64])
    folder = place(tmp_path, needle, bytes(almost) + bytes(1000) + noise(2, BLOCK))
    seen: list[int] = []
    assert (
        search(read_needles(folder, [Span("rows", "needle", 0, len(needle), 64)]), folder, NAMES, seen.append) is None
    )
    assert sum(seen) == len(almost) + 1000 + BLOCK


def test_rows_that_share_words_are_told_apart(tmp_path: Path) -> None:
    shared = noise(1, 40)
    rows = b"".join(shared + noise(seed, 24) for seed in range(2, 40))
    folder = place(tmp_path, rows, b"x" + rows[64 * 20 : 64 * 21])
    assert search(read_needles(folder, [Span("rows", "needle", 0, len(rows), 64)]), folder, NAMES) is not None
    (folder / "hay").write_bytes(shared + noise(99, 24))
    assert search(read_needles(folder, [Span("rows", "needle", 0, len(rows), 64)]), folder, NAMES) is None


@pytest.mark.parametrize(
    ("needle", "why"),
    [
        (bytes(64), "too plain: zeros, or one value over and over"),
        (np.ones(64, "float32").tobytes(), "too plain: zeros, or one value over and over"),
        (np.full(64, 0.5, "float16").tobytes(), "too plain: zeros, or one value over and over"),
        (noise(1, 63), "shorter than 64 bytes"),
    ],
)
def test_what_cannot_be_searched_for_is_said(needle: bytes, why: str, tmp_path: Path) -> None:
    needles = read_needles(place(tmp_path, needle, needle), [Span("bias", "needle", 0, len(needle), 4096)])
    assert needles.unsearched == (Unsearched(part="bias", pieces=1, why=why),)
    assert search(needles, tmp_path, NAMES) is None


def test_a_row_that_begins_plain_is_searched_for_by_what_follows(tmp_path: Path) -> None:
    needle = bytes(130) + noise(1, 200)
    folder = place(tmp_path, needle, bytes(50) + needle)
    needles = read_needles(folder, [Span("rows", "needle", 0, len(needle), len(needle))])
    assert search(needles, folder, NAMES) == Finding("rows", "hay", 50 + 128)


def test_where_there_are_too_many_pieces_some_are_taken_evenly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leftovers, "MAX_PIECES", 10)
    rows = noise(1, 64 * 95)
    folder = place(tmp_path, rows, rows)
    needles = read_needles(folder, [Span("rows", "needle", 0, len(rows), 64)])
    assert len(needles.parts) == 10
    assert search(needles, folder, NAMES) is not None


def test_very_many_short_rows_cost_no_memory_and_leave_the_others_searched_for(tmp_path: Path) -> None:
    """Every other column of a large matrix is very many spans, of which none can be searched for as bytes."""
    columns = Entry("wide", "F16", (65536, 4096), 0, 1 << 29)
    rows = Entry("rows", "F32", (20, 32), 1 << 29, (1 << 29) + 2560)
    with (tmp_path / "model.safetensors").open("wb") as file:
        file.seek(1 << 29)
        file.write(noise(1, 2560))
    header = Header(-8, {"wide": columns, "rows": rows}, None)
    edits = {"wide": TensorEdit("rows_zeroed", tuple((at, at) for at in range(0, 4096, 2)), 1)}
    spans = spans_to_search(held(tmp_path, header), plan_of({**edits, "rows": TensorEdit("removed")}))
    assert len(spans) <= leftovers.MAX_PIECES + 1
    needles = read_needles(tmp_path, spans)
    assert (needles.pieces, set(needles.parts)) == (20, {("rows",)})
    assert needles.unsearched == (Unsearched(part="wide", pieces=65536 * 2048, why="shorter than 64 bytes"),)


def held(root: Path, header: Header) -> Contents:
    places = {name: Place("model.safetensors", entry) for name, entry in header.entries.items()}
    return Contents(
        root=root,
        layout="toy-hf",
        config={},
        config_file=None,
        tensors=places,
        shards={"model.safetensors": header},
        siblings={},
        index=None,
        index_file=None,
        vocabulary={},
        sizes={"model.safetensors": (1 << 29) + 2560},
        foreign={},
    )


def test_one_number_over_and_over_is_no_copy(tmp_path: Path) -> None:
    """Ones in float64 are no four bytes twice."""
    folder = place(tmp_path, np.ones(64).tobytes(), np.ones(512).tobytes())
    needles = read_needles(folder, [Span("scale", "needle", 0, 512, 512)])
    assert (needles.parts, [one.why for one in needles.unsearched]) == (
        (),
        ["too plain: zeros, or one value over and over"],
    )


def test_a_large_part_does_not_thin_out_the_search_for_a_small_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An optimizer state of gigabytes goes beside twenty rows that are the capability."""
    monkeypatch.setattr(leftovers, "MAX_PIECES", 100)
    folder = place(tmp_path, noise(1, 128 * 2020), b"")
    spans = [
        Span("optimizer", "needle", 0, 128 * 1000, 128),
        Span("head", "needle", 128 * 1000, 128 * 1020, 128),
        Span("optimizer", "needle", 128 * 1020, 128 * 2020, 128),
    ]
    found = [parts for (parts,) in read_needles(folder, spans).parts]
    assert (found.count("head"), found.count("optimizer")) == (20, 80)


def test_of_more_parts_than_pieces_some_are_said_not_to_be_searched_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leftovers, "MAX_PIECES", 2)
    folder = place(tmp_path, noise(1, 128 * 3), b"")
    spans = [Span(name, "needle", 128 * at, 128 * (at + 1), 64) for at, name in enumerate("abc")]
    needles = read_needles(folder, spans)
    assert needles.parts == (("a",), ("c",))
    assert [(one.part, one.pieces, one.why) for one in needles.unsearched] == [("b", 2, leftovers.TOO_MANY)]
