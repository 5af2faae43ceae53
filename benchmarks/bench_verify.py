"""What it costs to verify a release of 4 GB beside `sha256sum` of the same files: wall time and CPU time.

Both read from the page cache, each in a process of its own, taking turns; the least of each is compared, as whatever else
the machine does only adds. Verifying is the whole command: the interpreter's start, the imports and the signatures included.

    python benchmarks/bench_verify.py [--folder FOLDER] [--rounds N] [--megabytes N]
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

TOP = Path(__file__).parents[1]
sys.path.insert(0, str(TOP))

from tests.tiny_releases import FILES, MODEL, Release, listed, make_release, policy_of  # noqa: E402

MOST = 1.15
"""Times the wall time of `sha256sum`."""
BLOCK = 64 << 20


@dataclass(frozen=True)
class Cost:
    """Seconds that one process took, and that it had a processor."""

    wall: float
    cpu: float


def cost_of(command: Sequence[str]) -> Cost:
    """What the process used."""
    environment = {**os.environ, "PYTHONPATH": str(TOP)}
    begin = time.perf_counter()
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    wall = time.perf_counter() - begin
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)}: ended with {process.returncode}")
    return Cost(wall, used.ru_utime + used.ru_stime)


def release_of(root: Path, shards: int, megabytes: int) -> Release:
    """A release whose weights lie in so many files, all of them in the page cache."""
    names = [f"model-{number + 1:05}-of-{shards:05}.safetensors" for number in range(shards)]
    small = {path: data for path, data in FILES.items() if path != "model.safetensors"}
    (root / "release").mkdir(parents=True)
    block = os.urandom(BLOCK)
    for name in names:
        with (root / "release" / name).open("wb") as file:
            left = (megabytes << 20) // shards
            while left:
                left -= file.write(block[: min(BLOCK, left)])
    day = datetime.now(UTC).date()
    key = listed(valid_from=day.isoformat(), valid_to=day.isoformat())
    model = (*(path for path in MODEL if path in small), *names)
    made = make_release(root, policy_of(trust={"attestations": [key]}), small, day.isoformat(), model=model)
    made.bundle.write_bytes(made.lines)
    (root / "policy.yaml").write_text(made.policy.text())
    return replace(made, today=day)


def measure(root: Path, made: Release, rounds: int) -> tuple[Cost, Cost]:
    """The least cost of `sha256sum` and of `verify`."""
    files = sorted(str(path) for path in made.folder.rglob("*") if path.is_file())
    verify = [sys.executable, "-m", "releasegate", "verify", str(made.folder), "--quiet"]
    verify += ["--policy", str(root / "policy.yaml"), "--bundle", str(made.bundle)]
    found: tuple[list[Cost], list[Cost]] = ([], [])
    for _ in range(rounds):
        for costs, command in zip(found, (["sha256sum", *files], verify), strict=True):
            costs.append(cost_of(command))
    theirs, ours = (Cost(*(min(getattr(c, name) for c in costs) for name in ("wall", "cpu"))) for costs in found)
    return theirs, ours


def say(text: str) -> None:
    """Nothing; a line is on standard output."""
    sys.stdout.write(f"{text}\n")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, help="where the files are made; default: a temporary one")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--megabytes", type=int, default=4096)
    asked = parser.parse_args()
    worst = 0.0
    say(f"{'':<28}{'wall s':>8}{'CPU s':>8}")
    for shards in (1, 4):
        with tempfile.TemporaryDirectory(dir=asked.folder) as folder:
            made = release_of(Path(folder), shards, asked.megabytes)
            theirs, ours = measure(Path(folder), made, asked.rounds)
        said = f"{asked.megabytes} MiB in {shards} file{'s' if shards > 1 else ''}"
        for name, cost in ((f"{said}: sha256sum", theirs), (f"{said}: verify", ours)):
            say(f"{name:<28}{cost.wall:>8.2f}{cost.cpu:>8.2f}")
        ratio = ours.wall / theirs.wall
        say(f"wall, verify to sha256sum: {ratio:.2f} (at most {MOST})")
        worst = max(worst, ratio)
    return int(worst > MOST)


if __name__ == "__main__":
    sys.exit(main())
