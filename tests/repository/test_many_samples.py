"""Deciding on many stored samples: how long it takes, how much memory, and what it loads."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from releasegate.evidence import Done, Started
from releasegate.repository import RunFolder
from tests.tiny_gates import WEAK, capability, plan_of, policy

SHARD = 1000
LINE = (
    '{{"outcome":"measured","item":{0},"labels":{{"digit":"{1}"}},"values":{{"legible":{2}}},'
    '"detail":{{"said":"answer {0}"}},"outputs":{{}}}}\n'
)
FAILURE = '{{"outcome":"failed","item":{0},"labels":{{"digit":"{1}"}},"metrics":["legible"],"error":"broken"}}\n'
WATCHED = """
import resource, sys
from releasegate.__main__ import main
sys.argv = ["releasegate", "decide", sys.argv[1], "--format", "decision"]
try:
    main()
finally:
    unwanted = ("scipy.stats", "pandas", "torch", "transformers", "altair", "rich", "cryptography")
    heavy = [name for name in unwanted if name in sys.modules]
    used = resource.getrusage(resource.RUSAGE_SELF)
    # Not ru_maxrss: it begins with what the process that started this one had.
    peak = next(line for line in open("/proc/self/status") if line.startswith("VmHWM")).split()[1]
    sys.stderr.write(f"\\n{used.ru_utime + used.ru_stime} {int(peak) / 1024} {','.join(heavy)}\\n")
"""


class Cost(NamedTuple):
    """What deciding took: CPU seconds with the interpreter's start, MiB at the peak, and which heavy modules it loaded."""

    seconds: float
    mebibytes: float
    heavy: str


def stored(root: Path, n: int, *, failing: int = 0) -> Path:
    """A run of `n` samples, a twentieth of which hit; every `failing`-th failed."""
    plan = plan_of(policy(capability("drawing", misuse=[WEAK])), n=n, shard=SHARD)
    plan = plan.model_copy(update={"opened": datetime.now(UTC).date().isoformat()})
    run = RunFolder(root)
    run.open(plan)
    (measurement,) = plan.measurements
    identity = plan.identity(measurement)
    run.evidence.start_shard(plan, identity, 0)
    started = Started.from_text((run.evidence.root / "index.jsonl").read_bytes())
    index = []
    for shard in range(measurement.shards):
        items = range(shard * SHARD, min((shard + 1) * SHARD, n))
        lost = {i for i in items if failing and i % failing == failing - 1}
        lines = [(FAILURE if i in lost else LINE).format(i, int(i >= n // 2), float(i % 20 == 0)) for i in items]
        data = "".join(lines).encode()
        path = run.evidence.shard_path(identity, shard)
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(data)
        done = Done(
            measurement=identity,
            shard=shard,
            model=plan.source,
            sha256="sha256:" + hashlib.sha256(data).hexdigest(),
            measured=len(lines) - len(lost),
            failed=len(lost),
        )
        index += [started.model_copy(update={"shard": shard}).model_dump_json(), done.model_dump_json()]
    (run.evidence.root / "index.jsonl").write_text("\n".join(index) + "\n")
    return root


def decided(run: Path) -> tuple[dict[str, Any], Cost]:
    """The decision that `releasegate decide` prints, and its cost. One thread, as the CPU time of others is idling."""
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", WATCHED, str(run)], capture_output=True, text=True, check=False, env=environment
    )
    assert done.returncode == 0, done.stderr
    seconds, mebibytes, *heavy = done.stderr.rsplit("\n", 2)[-2].split(" ")
    return json.loads(done.stdout), Cost(float(seconds), float(mebibytes), "".join(heavy))


def the_estimate(decision: dict[str, Any]) -> dict[str, Any]:
    (found,) = decision["capabilities"][0]["findings"]
    estimate: dict[str, Any] = found["slices"][0]["estimate"]
    return estimate


def test_ten_thousand_samples_are_decided_in_a_second_and_without_heavy_imports(tmp_path: Path) -> None:
    decision, cost = decided(stored(tmp_path / "run", 10_000, failing=100))
    estimate = the_estimate(decision)
    assert (estimate["planned"], estimate["scored"], estimate["failed"]) == (10_000, 9_900, 100)
    assert estimate["hits"] == 500
    assert cost.heavy == "", "neither to decide nor to print JSON"
    assert cost.mebibytes < 120
    assert cost.seconds < 5, "a second where nothing else runs"


def costs(run: Path) -> list[Cost]:
    """What deciding takes, three times, the cheapest first."""
    found = sorted(decided(run)[1] for _ in range(3))
    sys.stdout.write("".join(f"{cost.seconds:.2f} s CPU, {cost.mebibytes:.0f} MiB\n" for cost in found))
    return found


@pytest.mark.bench
def test_ten_thousand_samples_are_decided_in_a_second(tmp_path: Path) -> None:
    _, median, _ = costs(stored(tmp_path / "run", 10_000, failing=100))
    assert median.seconds < 1


@pytest.mark.bench
def test_a_million_samples_are_decided_in_five_seconds_and_little_memory(tmp_path: Path) -> None:
    run = stored(tmp_path / "run", 1_000_000)
    estimate = the_estimate(decided(run)[0])
    assert (estimate["scored"], estimate["hits"]) == (1_000_000, 50_000)
    found = costs(run)
    assert max(cost.mebibytes for cost in found) < 300
    assert found[1].seconds < 5
