"""Simulations print their figures as one table at the end of a run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import pytest

from tests.simulations.table import RUNS, Rate, Record, Row


@pytest.fixture
def record(record_property: Callable[[str, object], None]) -> Record:
    """Puts a row into the table."""

    def put(
        part: str, what: str, setup: str, ours: Rate | str, naive: Rate | None = None, exact: float | None = None
    ) -> None:
        row = Row(
            part=part,
            what=what,
            setup=setup,
            naive="" if naive is None else str(naive),
            ours=str(ours),
            exact="" if exact is None else f"{exact:.4g}",
            runs=str(ours.runs) if isinstance(ours, Rate) else str(RUNS),
        )
        record_property("row", asdict(row))

    return put


def pytest_terminal_summary(terminalreporter: Any) -> None:
    reports = [r for kind in ("passed", "failed") for r in terminalreporter.stats.get(kind, [])]
    rows = [dict(value) for r in reports if r.when == "call" for key, value in r.user_properties if key == "row"]
    names = ("what", "setup", "naive", "ours", "exact", "runs")
    for part in dict.fromkeys(row["part"] for row in rows):
        terminalreporter.section(part)
        lines = [{name: name for name in names}, *(row for row in rows if row["part"] == part)]
        widths = {name: max(len(line[name]) for line in lines) for name in names}
        for line in lines:
            terminalreporter.write_line("  ".join(line[name].ljust(widths[name]) for name in names).rstrip())
