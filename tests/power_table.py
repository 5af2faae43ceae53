"""The power of the shipped policies, as a table: `python -m tests.power_table [FOLDER]`.

FOLDER holds a gate repository, by default this one. What a policy's evals read must be there (texts, recordings); a policy whose
evals cannot be planned has dashes. `--write` puts the table of this repository into docs/power.md.
"""

from __future__ import annotations

import sys
from pathlib import Path

from releasegate.decision.ways import Way, ways
from releasegate.evaluation.bare_plan import bare_plan
from releasegate.policy import parse_policy
from releasegate.repository import GateRepository

TOP = Path(__file__).parents[1]
ATTEMPTS = (1, 5, 10)
BEGIN, END = "<!-- table: python -m tests.power_table --write -->", "<!-- end of table -->"


def powers_of(repository: GateRepository, file: Path) -> dict[str, tuple[float, ...]] | None:
    """The power of each way of a policy at each of `ATTEMPTS`; None where its evals cannot be planned here."""
    policy = parse_policy(file.read_bytes(), file.name).record
    plan = bare_plan(repository, policy)
    if plan is None:
        return None
    found: dict[str, list[Way]] = {}
    for attempt in ATTEMPTS:
        for way in ways(plan, attempt):
            found.setdefault(way.name, []).append(way)
    return {name: tuple(way.power for way in listed) for name, listed in found.items()}


def rows(root: Path) -> list[str]:
    """The rows of the table, policies in the order of their names."""
    repository, made = GateRepository(root.resolve()), []
    for file in repository.policies():
        found = powers_of(repository, file)
        for way, listed in ({"–": None} if found is None else found).items():
            shown = ["–"] * len(ATTEMPTS) if listed is None else [f"{power:.3f}" for power in listed]
            made.append(f"| `{file.stem}` | {way if way == '–' else f'`{way}`'} | {' | '.join(shown)} |")
    return made


def table(root: Path) -> str:
    """The table in Markdown."""
    head = "| policy | way | " + " | ".join(f"attempt {attempt}" for attempt in ATTEMPTS) + " |"
    return "\n".join([head, "|---|---|" + "---|" * len(ATTEMPTS), *rows(root)]) + "\n"


def shown_table(page: str) -> str:
    """The table that a page shows."""
    return page.split(BEGIN + "\n", 1)[1].split(END, 1)[0]


if __name__ == "__main__":
    if sys.argv[1:] == ["--write"]:
        page = TOP / "docs" / "power.md"
        text = page.read_text("utf-8")
        page.write_text(text.replace(shown_table(text), table(TOP)), "utf-8")
    else:
        sys.stdout.write(table(Path(sys.argv[1]) if sys.argv[1:] else TOP))
