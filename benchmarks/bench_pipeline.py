"""What a pipeline pays where nothing changed: the gate again on a finished run, and `check` on 200 policies.

The gate runs on the embedded model: measured whole, then again on the same run folder. `check` reads every policy that is
shipped, under 200 ids, beside `check-jsonschema` with our JSON Schema on the same files; the schema alone sees neither evals nor
recipes. Each is a process of its own, start and imports included; the least of the rounds is taken, as whatever else the
machine does only adds. What `verify` costs is in `bench_verify.py`.

    python benchmarks/bench_pipeline.py [--rounds N]
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

TOP = Path(__file__).parents[1]
POLICIES = 200
GATED = "mini-chameleon"
UNCHANGED_S, CHECK_S = 2.0, 1.0
"""The most that an unchanged gate may take, wall and CPU, and that `check` may take."""


@dataclass(frozen=True)
class Cost:
    """Seconds that a process took, and that it had a processor."""

    wall: float
    cpu: float

    def __truediv__(self, other: Cost) -> str:
        return f"{self.wall / other.wall:.3f} of its wall time, {self.cpu / other.cpu:.3f} of its CPU time"


def cost_of(command: Sequence[str | Path], folder: Path = TOP) -> Cost:
    """What the process used; anything but a yes ends the benchmark."""
    environment = {**os.environ, "PYTHONPATH": str(TOP), "OMP_NUM_THREADS": "1"}
    begin = time.perf_counter()
    process = subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    _, status, used = os.wait4(process.pid, 0)
    wall = time.perf_counter() - begin
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(map(str, command))}: ended with {process.returncode}")
    return Cost(wall, used.ru_utime + used.ru_stime)


def least(command: Sequence[str | Path], rounds: int, folder: Path = TOP) -> Cost:
    """The least of several rounds, wall and CPU apart."""
    found = [cost_of(command, folder) for _ in range(rounds)]
    return Cost(min(cost.wall for cost in found), min(cost.cpu for cost in found))


def releasegate(*arguments: str | Path) -> list[str | Path]:
    """The command line."""
    return [sys.executable, "-m", "releasegate", *arguments]


def gates(folder: Path, rounds: int) -> tuple[Cost, Cost]:
    """A gate that measures everything, and the same one again."""
    ledger, model = folder / "ledger.jsonl", TOP / "examples/mini_chameleon/checkpoint"
    cost_of(releasegate("ledger", "init", GATED, "--ledger", ledger))
    call = releasegate("gate", f"policies/{GATED}.yaml", "--model", model, "--ledger", ledger, "--out", folder / "run")
    whole, lines = cost_of(call), ledger.read_bytes()
    again = least(call, rounds)
    if ledger.read_bytes() != lines:
        raise SystemExit("the unchanged gate added to the ledger")
    return whole, again


def many_policies(root: Path) -> list[Path]:
    """A gate repository with the shipped policies under 200 ids, and their files."""
    for name in ("evals", "policies"):
        shutil.copytree(TOP / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
    texts = {}
    for path in sorted((root / "policies").glob("*.yaml")):
        texts[path.stem] = path.read_text()
        path.unlink()
    files = []
    for number in range(POLICIES):
        name = list(texts)[number % len(texts)]
        files.append(root / "policies" / f"{name}-{number}.yaml")
        files[-1].write_text(re.sub(f"^id: {name}$", f"id: {name}-{number}", texts[name], count=1, flags=re.MULTILINE))
    return files


def checks(root: Path, rounds: int) -> tuple[Cost, Cost | None]:
    """`check` on all policies, and `check-jsonschema` on the same files, where it is installed."""
    files = many_policies(root)
    ours = least(releasegate("check"), rounds, root)
    tool = shutil.which("check-jsonschema", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    if tool is None:
        return ours, None
    return ours, least([tool, "--schemafile", TOP / "policies/policy.schema.json", *files], rounds, root)


def line(name: str, cost: Cost) -> None:
    """Prints one row."""
    sys.stdout.write(f"{name:<44}{cost.wall:>8.2f} s wall{cost.cpu:>8.2f} s CPU\n")


def main() -> None:
    """Prints the costs, their ratios, and whether the limits are kept."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as folder:
        whole, again = gates(Path(folder), rounds)
        line("gate, measured whole", whole)
        line("gate, nothing changed", again)
        sys.stdout.write(f"  the second is {again / whole}\n")
        ours, schema = checks(Path(folder) / "many", rounds)
        line(f"check, {POLICIES} policies", ours)
        if schema is not None:
            line(f"check-jsonschema, the same {POLICIES} files", schema)
            sys.stdout.write(f"  ours is {ours / schema}\n")
    kept = max(again.wall, again.cpu) < UNCHANGED_S and ours.wall < CHECK_S
    said = "kept" if kept else "NOT kept"
    sys.stdout.write(f"limits ({UNCHANGED_S:g} s, {CHECK_S:g} s of wall): {said}\n")


if __name__ == "__main__":
    main()
