"""The table of docs/leftovers.md: which form of a removed part is found where, each cell by running the searches.

    python -m tests.stripping.leftovers_table

writes it anew.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from releasegate.stripping.searching.leftovers import Span, read_needles, search
from releasegate.stripping.searching.nearcopies import search_near_copies
from releasegate.stripping.searching.removedparts import RemovedPart
from releasegate.stripping.searching.runs import removed_runs
from releasegate.stripping.searching.runsearch import search_runs
from releasegate.stripping.searching.sketches import sketch_removed
from tests.tiny_forms import FORMS, Array, Stored, bf16, drawn, quantised, stored, write

DOCS = Path(__file__).parents[2] / "docs" / "leftovers.md"
BEGIN, END = "<!-- table: python -m tests.stripping.leftovers_table -->", "<!-- end of the table -->"
LENGTHS = (32, 64, 576, 4096)
ROWS = 192

Make = Callable[[Array], Stored]


def _order(count: int) -> Array:
    return np.random.default_rng(5).permutation(count)


def _mixed(rows: Array, times: int) -> Array:
    """Elements of `times` rows in turn."""
    cells = rows.reshape(-1, times, rows.shape[1]).transpose(0, 2, 1)
    return np.ascontiguousarray(cells).reshape(-1, rows.shape[1])


def _cut(rows: Array, times: int) -> Array:
    """Rows cut into pieces, in any order."""
    length = rows.shape[1] // times
    cells = rows[:, : times * length].reshape(-1, length)
    return cells[_order(len(cells))]


def _wider(rows: Array) -> Array:
    parts = [drawn(ROWS, 37, seed=3), rows[_order(ROWS)], drawn(ROWS, 51, seed=4)]
    return np.concatenate(parts, axis=1)


def _below(rows: Array) -> Stored:
    upper = np.random.default_rng(6).integers(0, 1 << 14, rows.shape, dtype=np.uint32) << 16
    return "F32", (upper | bf16(rows)[1]).view("f4")


def _far_below(rows: Array) -> Stored:
    upper = np.random.default_rng(6).integers(0, 1 << 14, rows.shape, dtype=np.uint64) << np.uint64(48)
    return "F64", (upper | bf16(rows)[1]).view("f8")


def _in_mantissas(rows: Array) -> Stored:
    upper = np.random.default_rng(6).integers(0, 1 << 6, rows.shape, dtype=np.uint16) << 8
    return "BF16", (upper | bf16(rows)[1] & 255).astype("u2")


def _rotated(rows: Array) -> Array:
    turn, _ = np.linalg.qr(np.random.default_rng(6).standard_normal((rows.shape[1], rows.shape[1])))
    return (rows @ turn).astype("f4")


TABLE: Mapping[str, Make] = {
    "the same bytes": stored,
    **{form: FORMS[form] for form in ("times -2", "bfloat16", "fp8 e4m3", "int8 by row", "noise 5 %", "int4 by group")},
    "turned": lambda x: bf16(x.T * 2),
    "turned, in a taller matrix": lambda x: bf16(np.concatenate([drawn(50, ROWS), x.T * 2, drawn(33, ROWS, seed=2)])),
    "doubled, cut in halves, permuted": lambda x: stored(_cut(x * 2, 2)),
    "doubled, cut in thirds, permuted": lambda x: stored(_cut(x * 2, 3)),
    "as int8, cut in quarters, permuted": lambda x: quantised(_cut(x, 4), 127),
    "doubled, joined in pairs": lambda x: stored((x * 2)[_order(ROWS)].reshape(ROWS // 2, -1)),
    "in a wider tensor, tripled, permuted": lambda x: stored(_wider(x * 3)),
    "in a wider tensor, as bf16 (noise 1 %)": lambda x: bf16(_wider(FORMS["noise 1 %"](x)[1])),
    "every 2nd element, scaled": lambda x: stored(_mixed(x * 3, 2)),
    "every 3rd element, scaled": lambda x: bf16(_mixed(x * 3, 3)),
    "every 4th element, scaled": lambda x: stored(_mixed(x * 3, 4)),
    "every 6th element": lambda x: stored(_mixed(x * 3, 6)),
    "bf16 in the low half of F32": _below,
    "bf16 in the lowest quarter of F64": _far_below,
    "low bytes of bf16 in those of other numbers": _in_mantissas,
    "bytes of each number in the other order": lambda x: ("F32", x.byteswap()),
    "elements of all rows permuted alike": lambda x: stored(x[:, _order(x.shape[1])]),
    "elements of each row permuted": lambda x: stored(np.random.default_rng(8).permuted(x, axis=1)),
    "rotated": lambda x: stored(_rotated(x)),
    "half of a sum with another row": lambda x: stored(x + drawn(ROWS, x.shape[1], seed=9)),
}
"""Forms of removed rows in a kept tensor."""
OF_BF16 = ("bf16 in", "low bytes")


def found(form: str, length: int) -> str:
    """Which searches find the form where rows have `length` elements: `bytes`, `sketches`, `runs`; or `no`."""
    rows = drawn(ROWS, length)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        source = bf16(rows) if form.startswith(OF_BF16) else stored(rows)
        header = write(folder / "source", {"head": source})
        entry = header.entries["head"]
        parts = [RemovedPart("head", "source", entry, header.data_start)]
        headers = {"source": header}
        kept = {"kept": write(folder / "out" / "kept", {"kept": TABLE[form](rows)})}
        piece = entry.row_size or 0
        needles = read_needles(
            folder, [Span("head", "source", header.data_start, header.data_start + entry.size, piece)]
        )
        by = {
            "bytes": any(True for _ in search(needles, folder / "out", ["kept"])),
            "sketches": bool(search_near_copies(sketch_removed(folder, parts, headers), folder / "out", kept).copies),
            "runs": bool(search_runs(removed_runs(folder, parts, headers), folder / "out", kept)),
        }
    return ", ".join(search for search, hit in by.items() if hit) or "no"


def table() -> str:
    """The table, in Markdown."""
    head = [f"| form of {ROWS} removed rows | " + " | ".join(f"rows of {length}" for length in LENGTHS) + " |"]
    lines = [f"| {form} | " + " | ".join(found(form, length) for length in LENGTHS) + " |" for form in TABLE]
    return "\n".join([*head, "|---" * (len(LENGTHS) + 1) + "|", *lines])


def main() -> None:
    """Write the table into the page."""
    before, rest = DOCS.read_text().split(BEGIN)
    DOCS.write_text(f"{before}{BEGIN}\n{table()}\n{END}{rest.split(END)[1]}")


if __name__ == "__main__":
    main()
