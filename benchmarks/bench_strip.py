"""What a strip costs beside `cp -r` and the usual ways to edit a checkpoint: CPU time, wall time, peak memory.

Every measurement is a process of its own; the source is in the page cache; the ways take turns, and medians are shown.
The time of the interpreter's start and of the imports is shown, and taken off on both sides: with 4 GB it would decide the
result. Nothing is synced to disk, as the peers sync nothing; the strip as users run it (last but one) does, and searches
for leftovers.

    python benchmarks/bench_strip.py [--folder FOLDER] [--rounds N] [--size synthetic|tiny] [--only WAY]… [--no-real]
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
TOP = HERE.parent
STRIP = ["-m", "releasegate", "strip", "--recipe", "chameleon-hf/image_generation", "--quiet"]

WAYS: dict[str, tuple[str, ...]] = {
    "cp -r": (),
    "peer: load, edit, save per shard": ("per_shard",),
    "peer: the same, output hashed": ("per_shard_hashed",),
    "peer: the same, both sides hashed": ("per_shard_both",),
    "peer: save_torch_state_dict, output hashed": ("state_dict",),
    "ours: copied, hashed": ("copied",),
    "ours: copied, hashed, read back": ("read_back",),
    "ours: linked, hashed": ("linked",),
    "ours: linked": ("linked_unhashed",),
    "ours: copied": ("unhashed",),
    "ours: as users run it": (),
}

Target = tuple[str, str, str, float]
TARGETS: tuple[Target, ...] = (
    ("CPU", "ours: copied, hashed", "peer: the same, output hashed", 0.65),
    ("CPU", "ours: copied, hashed, read back", "peer: the same, both sides hashed", 0.75),
    ("CPU", "ours: linked, hashed", "peer: the same, output hashed", 0.50),
    ("CPU", "ours: linked", "peer: load, edit, save per shard", 0.10),
    ("wall", "ours: copied", "cp -r", 1.00),
)
MOST_PLANNING = (5.0, 500)
"""Wall seconds and MB of planning a strip by class, for the real names and shapes."""
MOST_MEMORY = 100
"""MB of peak memory, whatever the size of the checkpoint."""


@dataclass(frozen=True)
class Cost:
    """What one process used: seconds, and MB of peak resident memory; `start` is CPU time before its work began.

    Of several processes these are medians, and `least` is the smallest CPU time without the start.
    """

    cpu: float
    wall: float
    memory: float
    start: float
    least: float


def cost_of(command: Sequence[str]) -> Cost:
    """What the process used."""
    os.sync()  # what was written before is not written out at the cost of this one
    environment = {**os.environ, "PYTHONPATH": str(TOP), "HF_HUB_OFFLINE": "1"}
    begin = time.perf_counter()
    process = subprocess.Popen(command, cwd=TOP, env=environment, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    said = process.stdout.read()
    _, status, used = os.wait4(process.pid, 0)
    wall = time.perf_counter() - begin
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)}: ended with {process.returncode}")
    start = float(said) if command[1:2] == [str(HERE / "strip_peers.py")] else 0.0
    cpu = used.ru_utime + used.ru_stime
    return Cost(cpu, wall, used.ru_maxrss * 1024 / 1e6, start, cpu - start)


def command_for(way: str, source: Path, out: Path) -> list[str]:
    """The command line of one way."""
    if way == "cp -r":
        return ["cp", "-r", str(source), str(out)]
    if way == "ours: as users run it":
        return [sys.executable, *STRIP, str(source), "--out", str(out)]
    return [sys.executable, str(HERE / "strip_peers.py"), *WAYS[way], str(source), str(out)]


def measure(source: Path, folder: Path, ways: Sequence[str], rounds: int) -> dict[str, Cost]:
    """The median cost of each way; they take turns."""
    found: dict[str, list[Cost]] = {way: [] for way in ways}
    for number in range(rounds):
        for way in ways:
            out = folder / "out"
            found[way].append(cost_of(command_for(way, source, out)))
            shutil.rmtree(out)
            folder.joinpath("out.receipt.json").unlink(missing_ok=True)
            sys.stderr.write(f"round {number + 1}: {way}: {found[way][-1].cpu:.2f} s CPU\n")
    return {way: middle(costs) for way, costs in found.items()}


def middle(costs: Sequence[Cost]) -> Cost:
    """The medians, and the least."""
    cpu, wall, memory, start = (
        statistics.median(getattr(cost, name) for cost in costs) for name in ("cpu", "wall", "memory", "start")
    )
    return Cost(cpu, wall, memory, start, min(cost.least for cost in costs))


def table(costs: dict[str, Cost]) -> None:
    """Prints what each way costs."""
    say(f"{'':<44}{'CPU s':>8}{'start':>8}{'work':>8}{'least':>8}{'wall s':>8}{'peak MB':>9}")
    for way, cost in costs.items():
        work = cost.cpu - cost.start
        seconds = (cost.cpu, cost.start, work, cost.least, cost.wall)
        say(f"{way:<44}" + "".join(f"{second:>8.2f}" for second in seconds) + f"{cost.memory:>9.0f}")


def ratios(costs: dict[str, Cost]) -> None:
    """Prints the targets and what was reached, on both sides alike: CPU time without start and imports, the least of it, all."""
    say(f"\n{'':<82}{'work':>7}{'least':>7}{'all':>7}{'target':>8}")
    for kind, way, base, target in TARGETS:
        if way in costs and base in costs:
            one, other = costs[way], costs[base]
            if kind == "CPU":
                work, least = (one.cpu - one.start) / (other.cpu - other.start), one.least / other.least
                figures = f"{work:>7.2f}{least:>7.2f}{one.cpu / other.cpu:>7.2f}"
            else:
                figures = f"{'':>14}{one.wall / other.wall:>7.2f}"
            say(f"{kind} of `{way}` to `{base}`".ljust(82) + f"{figures}{target:>8.2f}")
    memory = max((cost.memory for way, cost in costs.items() if way.startswith("ours")), default=0)
    say("peak MB of ours, interpreter and imports included".ljust(82) + f"{memory:>21.0f}{MOST_MEMORY:>8}")


def real_sizes(folder: Path) -> None:
    """Prints what sparse checkpoints with the real names and shapes cost."""
    say(f"\n{'sparse, real names and shapes':<44}{'CPU s':>8}{'wall s':>8}{'peak MB':>9}{'on disk':>12}")
    for size in ("7B", "30B"):
        source, out = folder / size, folder / "out"
        subprocess.run([sys.executable, str(HERE / "chameleons.py"), str(source), size], check=True, cwd=TOP)
        apparent = sum(path.stat().st_size for path in source.iterdir()) / 1e9
        for title, more in (("--plan-only", ["--plan-only"]), ("strip", ["--out", str(out)])):
            cost = cost_of([sys.executable, *STRIP, str(source), *more])
            on_disk = sum(path.stat().st_blocks * 512 for path in out.iterdir()) / 1e6 if out.exists() else 0
            shown = f"Chameleon-{size}, {apparent:.0f} GB apparent: {title}"
            say(f"{shown:<44}{cost.cpu:>8.2f}{cost.wall:>8.2f}{cost.memory:>9.0f}{on_disk:>9.1f} MB")
            if more == ["--plan-only"]:
                seconds, memory = MOST_PLANNING
                held = cost.wall < seconds and cost.memory < memory
                limit = f"under {seconds:.0f} s and {memory} MB"
                say(f"  every tensor against the model's class, {limit}: {'held' if held else 'not held'}")
        for path in (source, out):
            shutil.rmtree(path)
        folder.joinpath("out.receipt.json").unlink()


def say(line: str) -> None:
    """Nothing; the line is on standard output."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main(arguments: Sequence[str]) -> None:
    """Makes the checkpoints, measures, and prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, help="where the checkpoints are made; default: a temporary folder")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--size", choices=["synthetic", "tiny"], default="synthetic")
    parser.add_argument("--only", action="append", choices=[*WAYS])
    parser.add_argument("--no-real", action="store_true", help="leave the sparse checkpoints out")
    asked = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(dir=asked.folder, prefix="bench_strip.") as made:
        folder, source = Path(made), Path(made) / "source"
        subprocess.run([sys.executable, str(HERE / "chameleons.py"), str(source), asked.size], check=True, cwd=TOP)
        for path in source.iterdir():
            path.chmod(0o444)  # so that it may be linked to
        size = sum(path.stat().st_size for path in source.iterdir()) / 1e9
        say(f"source: {size:.2f} GB; {os.cpu_count()} CPUs; median of {asked.rounds}, warm cache")
        costs = measure(source, folder, asked.only or list(WAYS), asked.rounds)
        shutil.rmtree(source)
        table(costs)
        ratios(costs)
        if not asked.no_real:
            real_sizes(folder)


if __name__ == "__main__":
    main(sys.argv[1:])
