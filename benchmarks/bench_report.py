"""CPU time, wall time, peak memory and size of a report on many samples, beside what else would show the same samples.

Beside it: the samples as a table by a plain `pandas.DataFrame.to_html`, and `inspect view bundle` of a log that holds them.
Inspect is taken from the path, or from INSPECT=…/bin/inspect in an environment of its own; without it, it is left out. What
shows every sample is measured on fewer of them: a table of a million takes minutes, and so does making a log of 100,000 with
Inspect's own API. Making the runs and the logs is not part of what is measured.

    python benchmarks/bench_report.py [SAMPLES ...]
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

TOP = Path(__file__).parents[1]
sys.path.insert(0, str(TOP))  # for tests/, which is no installed package

from tests.reporting.many_samples import many_samples  # noqa: E402

SIZES = (10_000, 100_000, 1_000_000)
MOST_OF_TABLE, MOST_OF_INSPECT = 100_000, 10_000
REPEATS = 3
"""Calls of a report, of which the one with the least CPU time counts."""

MEASURED = """
import json, os, sys, time
start = time.perf_counter()
child = os.posix_spawnp(sys.argv[1], sys.argv[1:], os.environ)
_, status, used = os.wait4(child, 0)
wall = time.perf_counter() - start
sys.stderr.write("\\n" + json.dumps([status, used.ru_utime + used.ru_stime, wall, used.ru_maxrss / 1024]))
"""
TABLE = """
import json, sys
from pathlib import Path
import pandas
folder, out = map(Path, sys.argv[1:])
lines = (line for path in sorted(folder.rglob("0*.jsonl")) for line in path.open("rb"))
pandas.json_normalize([json.loads(line) for line in lines]).to_html(out)
"""
LOG = """
import json, sys
from pathlib import Path
from inspect_ai.log import EvalConfig, EvalDataset, EvalLog, EvalSample, EvalSpec, write_eval_log
from inspect_ai.model import ModelOutput
from inspect_ai.scorer import Score
folder, out = map(Path, sys.argv[1:])
samples = []
for path in sorted(folder.rglob("0*.jsonl")):
    for line in path.open("rb"):
        read = json.loads(line)
        detail = read.get("detail", {})
        samples.append(EvalSample(
            id=f"{path.parent.name[:6]}-{read['item']}", epoch=1, input=detail.get("prompt", ""), target="",
            output=ModelOutput.from_content("toy", detail.get("answer", "")), metadata=read["labels"],
            scores={name: Score(value=value) for name, value in read.get("values", {}).items()},
        ))
spec = EvalSpec(
    created="2026-01-02T00:00:00+00:00", task="many", model="toy", config=EvalConfig(),
    dataset=EvalDataset(name="many", samples=len(samples)),
)
write_eval_log(EvalLog(eval=spec, status="success", samples=samples), out / "many.eval")
"""


class Cost(NamedTuple):
    """What one way took.

    Attributes:
        cpu, wall: seconds.
        peak: resident MiB.
        size: bytes of what it wrote.
    """

    cpu: float
    wall: float
    peak: float
    size: int


def cost(command: Sequence[str], written: Path) -> Cost:
    """What one process took to write a file or a folder."""
    called = [sys.executable, "-c", MEASURED, *command]
    done = subprocess.run(called, capture_output=True, text=True, cwd=TOP, check=True)
    status, cpu, wall, peak = json.loads(done.stderr.rsplit("\n", 1)[-1])
    if status != 0:
        raise SystemExit(f"{' '.join(command)[:200]} failed:\n{done.stderr[-2000:]}")
    files = written.rglob("*") if written.is_dir() else [written]
    return Cost(cpu, wall, peak, sum(path.stat().st_size for path in files if path.is_file()))


def least(command: Sequence[str], written: Path, repeats: int) -> Cost:
    """The call with the least CPU time, without what it takes to start Python."""
    idle = min(cost([sys.executable, "-c", "pass"], written).cpu for _ in range(3))
    found = min((cost(command, written) for _ in range(repeats)), key=lambda one: one.cpu)
    return found._replace(cpu=found.cpu - idle)


def main(sizes: Sequence[int]) -> None:
    """Prints a table, and of every other way its ratio to the report."""
    inspect = os.environ.get("INSPECT") or shutil.which("inspect")
    if inspect is None:
        sys.stdout.write("inspect_ai is not installed: left out (INSPECT=…/bin/inspect names it)\n")
    sys.stdout.write(
        f"{'':<26}{'samples':>10}{'CPU s':>9}{'wall s':>9}{'peak MiB':>10}{'MB':>9}   CPU, peak, size to the report's\n"
    )
    for n in sizes:
        with tempfile.TemporaryDirectory() as made:
            folder = Path(made)
            run = many_samples(folder / "run", n).root
            ours = least([sys.executable, "-m", "releasegate", "report", str(run)], run / "report.html", REPEATS)
            _print("report", n, ours, ours)
            if n <= MOST_OF_TABLE:
                table = folder / "table.html"
                script = [sys.executable, "-c", TABLE, str(run / "evidence"), str(table)]
                table.touch()
                _print("pandas to_html", n, least(script, table, 1), ours)
            if inspect is not None and n <= MOST_OF_INSPECT:
                _print("inspect view bundle", n, _bundle(Path(inspect), run, folder), ours)


def _bundle(inspect: Path, run: Path, folder: Path) -> Cost:
    logs, bundle = folder / "logs", folder / "bundle"
    logs.mkdir()
    subprocess.run([str(inspect.parent / "python"), "-c", LOG, str(run / "evidence"), str(logs)], check=True)
    command = ["view", "bundle", "--log-dir", str(logs), "--output-dir", str(bundle), "--overwrite"]
    return least([str(inspect), *command], bundle, 1)


def _print(name: str, n: int, found: Cost, ours: Cost) -> None:
    ratios = ", ".join(
        f"{a / b:.2f}" for a, b in ((found.cpu, ours.cpu), (found.peak, ours.peak), (found.size, ours.size))
    )
    numbers = f"{n:>10,}{found.cpu:>9.2f}{found.wall:>9.2f}{found.peak:>10.0f}{found.size / 1e6:>9.2f}"
    sys.stdout.write(f"{name:<26}{numbers}   {ratios}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main([int(n) for n in sys.argv[1:]] or SIZES)
