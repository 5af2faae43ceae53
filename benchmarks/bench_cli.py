"""CPU time of `releasegate --help`, beside importing click alone: median of five, user and system together."""

from __future__ import annotations

import resource
import statistics
import subprocess
import sys

RUNS = 5


def cpu(command: list[str]) -> float:
    """CPU milliseconds of one process."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return 1000 * (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


def main() -> None:
    """Prints both medians and their ratio."""
    commands = {
        "releasegate --help": [sys.executable, "-m", "releasegate", "--help"],
        "import click": [sys.executable, "-c", "import click"],
    }
    found = {name: statistics.median(cpu(command) for _ in range(RUNS)) for name, command in commands.items()}
    for name, milliseconds in found.items():
        sys.stdout.write(f"{name:<20}{milliseconds:>8.0f} ms CPU\n")
    sys.stdout.write(f"{'ratio':<20}{found['releasegate --help'] / found['import click']:>8.2f}\n")


if __name__ == "__main__":
    main()
