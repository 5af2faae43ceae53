"""`releasegate list`: what a gate repository holds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from releasegate.cli import options
from releasegate.cli.console import print_json
from releasegate.repository import GateRepository

KINDS = ("policies", "evals", "subjects", "recipes")


@click.command("list")
@click.argument("kind", type=click.Choice(KINDS), required=False)
@options.repository
@options.format_
def command(kind: str | None, repo: Path, format_: str) -> int:
    """List policies, evals, subjects and recipes, or one KIND of them.

    \b
    Example:
      releasegate list evals
    """
    found = _found(GateRepository.around(repo))
    shown = {name: rows for name, rows in found.items() if kind in (None, name)}
    if format_ == "json":
        print_json(shown)
        return 0
    for name, rows in shown.items():
        click.echo(name)
        width = max((len(row["id"]) for row in rows), default=0)
        for row in rows:
            click.echo(f"  {row['id']:<{width}}  {row['title']}")
    return 0


def _found(repository: GateRepository) -> dict[str, list[dict[str, Any]]]:
    policies = [repository.read_policy(path).record for path in repository.policies()]
    cards = repository.cards().values()
    subjects = [
        {"id": name, "title": f"evals/{name}/subject.py" if provides is None else ", ".join(sorted(provides))}
        for name, provides in repository.subjects().items()
    ]
    return {
        "policies": [{"id": p.id, "title": p.title, "capabilities": [c.id for c in p.capabilities]} for p in policies],
        "evals": [{"id": c.id, "title": c.title, "metrics": sorted(c.metrics)} for c in cards],
        "subjects": subjects,
        "recipes": [{"id": r.id, "title": r.title, "layout": r.layout} for r in repository.recipes().values()],
    }
