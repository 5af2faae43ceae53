"""Wall time, CPU time and peak memory of a whole gate on the embedded model, beside a plain load of the same model.

A user would otherwise load the checkpoint with transformers and count by hand; the load is the part that nobody can avoid.
"""

from __future__ import annotations

import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

TOP = Path(__file__).parents[1]
CHECKPOINT = TOP / "examples" / "mini_chameleon" / "checkpoint"
POLICY = TOP / "policies" / "mini-chameleon.yaml"
RUNS = 3
LOAD = f"""
from transformers import ChameleonForConditionalGeneration
ChameleonForConditionalGeneration.from_pretrained({str(CHECKPOINT)!r})
"""


def measured(command: list[str]) -> tuple[float, float, float]:
    """Wall seconds, CPU seconds and peak resident MiB of one process."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(
        ["/usr/bin/env", "python3", "-c", WRAP, *command], capture_output=True, text=True, cwd=TOP, check=True
    )
    wall = time.perf_counter() - start
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return wall, cpu, int(done.stdout.rsplit("\n", 2)[-2]) / 1024


WRAP = """
import resource, subprocess, sys
code = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
sys.exit(code)
"""


def main() -> None:
    """Prints a table: median of each, and ratios to the plain load."""
    rows: dict[str, list[tuple[float, float, float]]] = {"gate": [], "gate, finished run": [], "plain load": []}
    with tempfile.TemporaryDirectory() as folder:
        for number in range(RUNS):
            run = str(Path(folder) / str(number))
            gate = [
                sys.executable,
                "-m",
                "releasegate",
                "gate",
                str(POLICY),
                "--model",
                str(CHECKPOINT),
                "--out",
                run,
                "-q",
            ]
            rows["gate"].append(measured(gate))
            rows["gate, finished run"].append(measured(gate))
            rows["plain load"].append(measured([sys.executable, "-c", LOAD]))
    base = [statistics.median(values) for values in zip(*rows["plain load"], strict=True)]
    sys.stdout.write(f"{'':<20}{'wall s':>9}{'CPU s':>9}{'peak MiB':>10}   ratio to a plain load (wall, CPU, peak)\n")
    for name, runs in rows.items():
        found = [statistics.median(values) for values in zip(*runs, strict=True)]
        ratios = ", ".join(f"{value / other:.2f}" for value, other in zip(found, base, strict=True))
        sys.stdout.write(f"{name:<20}{found[0]:>9.2f}{found[1]:>9.2f}{found[2]:>10.0f}   {ratios}\n")


if __name__ == "__main__":
    main()
