"""The search for near copies: how many copies it finds in each form, what it finds where nothing is, and what it costs.

    python benchmarks/bench_near_copies.py [CHECKPOINT.safetensors ...]

With checkpoints: each layer of theirs is taken for removed in turn, then rows of their largest matrix, and whatever is
found in the rest is a false alarm.
"""

from __future__ import annotations

import re
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

TOP = Path(__file__).parents[1]
sys.path.insert(0, str(TOP))

from releasegate.checkpoint.headers import Header, read_header  # noqa: E402
from releasegate.receipt import Ranges, compact  # noqa: E402
from releasegate.stripping.searching.leftovers import Span, read_needles, search  # noqa: E402
from releasegate.stripping.searching.nearcopies import search_near_copies  # noqa: E402
from releasegate.stripping.searching.removedparts import RemovedPart  # noqa: E402
from releasegate.stripping.searching.sketches import sketch_removed  # noqa: E402
from tests.tiny_forms import FORMS, bf16, drawn, searched, sketches_of, stored, write  # noqa: E402

LENGTHS, COSINES = (32, 64, 256, 1024, 4096), (0.0, 0.5, 0.8)
ROWS = 256


def say(line: str) -> None:
    """One line of a table."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def found_alone(folder: Path, form: str, length: int, cosine: float) -> tuple[int, int]:
    """How many of 256 rows are found, each alone in a tensor; and how many when they stand in one."""
    rows = drawn(ROWS, length, cosine=cosine)
    sketches = sketches_of(folder, stored(rows))
    kind, copy = FORMS[form](rows)
    alone = searched(folder, sketches, {str(at): (kind, copy[at : at + 1]) for at in range(ROWS)})
    together = searched(folder, sketches, {"kept": (kind, copy)})
    return sum(one.matched for one in alone.copies), sum(one.matched for one in together.copies if one.form == "rows")


def detection(folder: Path) -> None:
    """Rows found, in percent, by form, length and cosine between any two rows."""
    say("rows found of 256, %: each alone / all in one tensor")
    say(f"{'form':24}" + "".join(f"{f'{length} cos {cosine}':>15}" for length in LENGTHS for cosine in COSINES))
    for form in FORMS:
        shares = [
            "{:.0f} / {:.0f}".format(*(100 * n / ROWS for n in found_alone(folder, form, length, cosine)))
            for length in LENGTHS
            for cosine in COSINES
        ]
        say(f"{form:24}" + "".join(f"{share:>15}" for share in shares))


def false_alarms(folder: Path) -> None:
    """Removed rows that are found among unrelated ones of the same kind."""
    say("\nunrelated Gaussian rows: removed x kept, alarms")
    for length in LENGTHS:
        for cosine in COSINES:
            removed, kept = 8192, (1 << 25) // length
            sketches = sketches_of(folder, bf16(drawn(removed, length, cosine=cosine)))
            found = searched(folder, sketches, {"kept": bf16(drawn(kept, length, cosine=cosine, seed=1))})
            alarms = sum(one.matched for one in found.copies)
            say(f"{length:6} cos {cosine}: {removed} x {kept}, {alarms}, unsearched {found.unsearched}")


def layers(header: Header) -> Iterator[tuple[str, list[str]]]:
    """The tensors of each numbered layer."""
    names: dict[str, list[str]] = {}
    for name in header.entries:
        layer = re.match(r"(.*?\.\d+)\.", name)
        if layer:
            names.setdefault(layer[1], []).append(name)
    yield from names.items()


def alarms_in(path: Path, removed: Mapping[str, Ranges | None]) -> str:
    """What is found in the rest of the file when some of its tensors, or rows, are taken for removed."""
    header = read_header(path)
    parts = [
        RemovedPart(name, path.name, header.entries[name], header.data_start, ranges)
        for name, ranges in removed.items()
    ]
    sketches = sketch_removed(path.parent, parts, {path.name: header})
    whole = {(path.name, name) for name, ranges in removed.items() if ranges is None}
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        kept = Path(folder) / path.name
        kept.write_bytes(path.read_bytes())
        with kept.open("r+b") as file:
            for name, ranges in removed.items():
                entry = header.entries[name]
                size = entry.size // entry.shape[0]
                for first, last in ranges or ():
                    file.seek(header.data_start + entry.begin + first * size)
                    file.write(bytes((last - first + 1) * size))
        found = search_near_copies(sketches, kept.parent, {path.name: header}, whole)
    common = sum(one.pieces for one in found.unsearched)
    unsketched = sum(one.pieces for one in sketches.unsearched)
    return f"{sketches.count} sketched, {unsketched} not, {common} common, alarms: {found.copies or 'none'}"


def real_model(path: Path) -> None:
    """False alarms in a trained model."""
    header = read_header(path)
    say(f"\n{path}")
    for layer, names in layers(header):
        say(f"  {layer} removed: " + alarms_in(path, dict.fromkeys(names)))
    largest = max(header.entries.values(), key=lambda entry: entry.size if len(entry.shape) == 2 else 0)
    count = largest.shape[0]
    drawn_rows = np.random.default_rng(0).choice(count, count // 10, replace=False).tolist()
    for what, rows in (
        ("a tenth of the rows, drawn", compact(drawn_rows)),
        ("the first 2,000 rows", ((0, min(2000, count) - 1),)),
        ("the last tenth", ((count - count // 10, count - 1),)),
        *((f"row {at}", ((at, at),)) for at in range(0, count, max(1, count // 10))),
    ):
        say(f"  {largest.name}, {what}: " + alarms_in(path, {largest.name: rows}))


def costs(folder: Path) -> None:
    """CPU seconds a GiB."""
    say("\nCPU seconds for 1 GiB of bf16, matrices n x n and 3.5 n x n each way, 8,192 removed rows of n; exact search")
    for length in (1024, 2048, 4096):
        removed = write(folder / "s", {"head": bf16(drawn(8192, length))})
        part = RemovedPart("head", "s", removed.entries["head"], removed.data_start)
        shapes = [(length, length), (length, length), (7 * length // 2, length), (length, 7 * length // 2)]
        unit = {f"w{at}": bf16(drawn(*shape, seed=at)) for at, shape in enumerate(shapes)}
        kept = write(folder / "k", unit)
        size = sum(entry.size for entry in kept.entries.values())
        times = max(1, (1 << 28) // size)
        start = time.process_time()
        sketches = sketch_removed(folder, [part], {"s": removed})
        sketched = time.process_time() - start
        start = time.process_time()
        for _ in range(times):
            search_near_copies(sketches, folder, {"k": kept})
        near = (time.process_time() - start) / times / size * (1 << 30)
        needles = read_needles(
            folder, [Span("head", "s", removed.data_start, removed.data_start + part.entry.size, 2 * length)]
        )
        start = time.process_time()
        for _ in range(times):
            list(search(needles, folder, ["k"]))
        exact = (time.process_time() - start) / times / size * (1 << 30)
        say(f"  n = {length}: near {near:.2f} (and {sketched:.2f} s for the sketches), exact {exact:.2f}")


def main() -> None:
    """All tables, each in a folder of its own that goes away."""
    for path in map(Path, sys.argv[1:]):
        real_model(path)
    with tempfile.TemporaryDirectory() as folder:
        costs(Path(folder))
        detection(Path(folder))
        false_alarms(Path(folder))


if __name__ == "__main__":
    main()
