"""`releasegate list`: what a gate repository holds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from releasegate.cli import options
from releasegate.cli.console import print_json
from releasegate.errors import DocumentError, Problem
from releasegate.repository import GateRepository

if TYPE_CHECKING:
    from releasegate.evalcard import EvalCard

Rows = list[dict[str, Any]]


def _policies(repository: GateRepository, problems: list[Problem]) -> Rows:
    found: Rows = []
    for path in repository.policies():
        try:
            p = repository.read_policy(path).record
        except DocumentError as error:
            problems += error.problems
        else:
            found.append({"id": p.id, "title": p.title, "capabilities": [c.id for c in p.capabilities]})
    return found


def _evals(repository: GateRepository, problems: list[Problem]) -> Rows:
    try:
        cards = repository.cards().values()
    except DocumentError as error:
        problems += error.problems
        return []
    return [{"id": c.id, "title": c.title, "metrics": sorted(c.metrics), "gateable": _ways(c)} for c in cards]


def _ways(card: EvalCard) -> Rows:
    """How each metric that can be gated can be."""
    return [{**w.plain(), "how": w.how} for name in sorted(card.metrics) if (w := card.ways(name)) is not None]


def _subjects(repository: GateRepository, problems: list[Problem]) -> Rows:
    return [
        {"id": name, "title": f"evals/{name}/subject.py" if provides is None else ", ".join(sorted(provides))}
        for name, provides in repository.subjects().items()
    ]


def _recipes(repository: GateRepository, problems: list[Problem]) -> Rows:
    recipes = repository.recipe_files.read_all()
    problems += recipes.problems
    return [{"id": r.id, "title": r.title, "layout": r.layout} for r in recipes.read.values()]


def _taxonomies(repository: GateRepository, problems: list[Problem]) -> Rows:
    from releasegate.taxonomies import read_taxonomies

    known = read_taxonomies().values()
    return [{"id": t.id, "title": f"{t.title}, {t.edition}", "entries": len(t.entries)} for t in known]


def _tags(repository: GateRepository, problems: list[Problem]) -> Rows:
    from releasegate.taxonomies import read_taxonomies

    return [{"id": f"{t.id}/{e.id}", "title": e.title} for t in read_taxonomies().values() for e in t.entries]


KINDS: Mapping[str, Callable[[GateRepository, list[Problem]], Rows]] = {
    "policies": _policies,
    "evals": _evals,
    "subjects": _subjects,
    "recipes": _recipes,
    "taxonomies": _taxonomies,
    "tags": _tags,
}
"""What can be listed: rows of each kind; what cannot be read is added to the problems."""

ASKED = ("tags",)
"""What is long, and listed only if it is asked for."""


@click.command("list")
@click.argument("kind", type=click.Choice(list(KINDS)), required=False)
@options.repository
@options.format_
def command(kind: str | None, repo: Path, format_: str) -> int:
    """List policies, evals, subjects, recipes and taxonomies, or one KIND of them. The exit code is 2 if one cannot be read.

    Below an eval stand the metrics that a policy may gate, each with the limit that its sections take. The tags of all
    taxonomies are many, and listed only if asked for.

    \b
    Example:
      releasegate list evals
    """
    repository = GateRepository.around(repo)
    problems: list[Problem] = []
    shown = {
        name: rows(repository, problems)
        for name, rows in KINDS.items()
        if kind == name or (kind is None and name not in ASKED)
    }
    if format_ == "json":
        print_json(shown)
    else:
        _print(shown)
        if "recipes" in shown:
            for file in repository.recipe_files.ignored():
                click.echo(f"note: {file}: is ignored: recipes end in .yaml", err=True)
    if problems:
        raise DocumentError(list(dict.fromkeys(problems)))
    return 0


def _print(shown: Mapping[str, Rows]) -> None:
    for name, rows in shown.items():
        click.echo(name)
        width = max((len(row["id"]) for row in rows), default=0)
        for row in rows:
            click.echo(f"  {row['id']:<{width}}  {row['title']}")
            _print_ways(row.get("gateable", ()))


def _print_ways(ways: Sequence[Mapping[str, Any]]) -> None:
    width = max((len(way["metric"]) for way in ways), default=0)
    for way in ways:
        click.echo(f"    {way['metric']:<{width}}  {way['how']}")
