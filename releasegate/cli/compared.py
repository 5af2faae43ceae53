"""The page of a difference: two runs, two decisions in files, or two policies."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import click

from releasegate.cli.reported import require_page
from releasegate.decision import Decision
from releasegate.difference import policy_difference
from releasegate.policy import Policy
from releasegate.reporting import templates_of
from releasegate.reporting.comparing.compared import Compared
from releasegate.reporting.comparing.policies import policy_comparison
from releasegate.reporting.comparing.runs import compare_decisions
from releasegate.reporting.index.links import shown_path
from releasegate.reporting.page import render
from releasegate.repository import GateRepository, RunFolder, read_decided, starter
from releasegate.repository.approvals import approvals_of
from releasegate.repository.writing import write_whole

Given = Policy | tuple[Decision, Policy | None]
"""A policy, or a decision with the policy that made it."""


def write_page(
    place: Path, paths: tuple[Path, Path], given: tuple[Given, Given], repository: GateRepository | None, today: date
) -> None:
    """Nothing; the page is at `place`, whole, and standard error says so.

    Args:
        paths: where the two lie.
        given: what was read there: two of one kind.

    Raises:
        UsageError: the page must not lie there.
        EvidenceUntrusted: the decision of a run is not what its evidence decides.
    """
    require_page(place)
    names = (shown_path(paths[0]), shown_path(paths[1]))
    templates = templates_of(repository or GateRepository(starter()))
    one, other = given
    if isinstance(one, Policy) and isinstance(other, Policy):
        page = render("policies.html", templates, diff=policy_comparison(policy_difference(one, other), names))
    else:
        before, after = (
            _compared(path, name, decided, repository, today)
            for path, name, decided in zip(paths, names, given, strict=True)
        )
        page = render("diff.html", templates, diff=compare_decisions(before, after))
    write_whole(place, page.encode())
    click.echo(f"page: {shown_path(place)}", err=True)


def _compared(path: Path, name: str, given: Given, repository: GateRepository | None, today: date) -> Compared:
    """A run whose decision is what its evidence decides, or the decision of a file as it is."""
    if path.is_dir():
        of = read_decided(RunFolder(path), repository, today)
        wanted = approvals_of(of.run, of.plan, repository, of.decision, today)
        return Compared(name, of.decision, of, approvals=wanted)
    assert not isinstance(given, Policy)
    return Compared(name, given[0], None)
