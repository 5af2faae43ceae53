"""A file read in a small process of its own, which tells how it ended, how long it took and how much memory.

The memory of this process would count as that of its children, since a child begins as a copy of its parent.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path

_SCRIPT = """
import importlib, json, resource, sys, time
from pathlib import Path
from releasegate.errors import CheckpointError
module, name, path = sys.argv[1:]
read = getattr(importlib.import_module(module), name)
begin, said = time.monotonic(), ["", "", ""]
try:
    read(Path(path))
except CheckpointError as error:
    problem = error.problems[0]
    said = [type(error).__name__, problem.what, problem.fix]
seconds = time.monotonic() - begin
own = next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))
megabytes = max(int(own.split()[1]), resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss) / 1024
print(json.dumps([*said, seconds, megabytes, sorted(sys.modules)]))
"""


@dataclass(frozen=True)
class Reading:
    """How a reading ended: the error's class, what it said and its remedy (all "" for none), and what it took.

    `megabytes` is the peak of the process or of its child, whichever is larger.
    """

    error: str
    what: str
    fix: str
    seconds: float
    megabytes: float
    modules: frozenset[str]


@cache
def torch_megabytes() -> float:
    """The peak of a process that imports torch and does nothing: builds for CUDA take several times what others do."""
    script = "import resource, torch; print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return float(done.stdout)


def measured(module: str, name: str, path: Path) -> Reading:
    """The reading of `path` by the function `name` of `releasegate.checkpoint.<module>`."""
    done = subprocess.run(
        [sys.executable, "-c", _SCRIPT, f"releasegate.checkpoint.{module}", name, str(path)],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[1],
    )
    *told, modules = json.loads(done.stdout)
    return Reading(*told, frozenset(modules))
