"""`releasegate diff`: what changed between two decisions or two policies, and why."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from releasegate.cli import options
from releasegate.cli.console import print_json
from releasegate.cli.summary import short
from releasegate.decision import Decision
from releasegate.difference import (
    Change,
    DecisionDifference,
    PolicyDifference,
    RequirementChange,
    decision_difference,
    found_text,
    policy_difference,
    written,
)
from releasegate.errors import Exit, NotFound, UsageError
from releasegate.policy import Policy, parse_policy
from releasegate.repository import GateRepository, RunFolder
from releasegate.repository.decisions import read_decision


@click.command("diff")
@click.argument("one", type=options.FILE, metavar="A")
@click.argument("other", type=options.FILE, metavar="B")
@click.option("--exit-code", is_flag=True, help="Exit with 1 if there is a difference.")
@click.option("--html", type=options.FILE, metavar="FILE", help="Also write a page of the difference to this file.")
@options.repository
@options.format_
def command(one: Path, other: Path, exit_code: bool, html: Path | None, repo: Path, format_: str) -> int:
    """Show how B differs from A: two runs (folders, or decisions in files), or two policies.

    Between decisions: the verdict, each requirement with its numbers, and why it is found otherwise. Between policies:
    each value that is another one, and whether that is looser or stricter. With --html also as a page: both intervals beside
    the limit, the slices that moved most, and samples side by side.

    \b
    Example:
      releasegate diff runs/monday runs/tuesday
      releasegate diff runs/monday runs/tuesday --html tuesday.html
      releasegate diff policies/mini-chameleon.yaml stricter.yaml --exit-code
    """
    before, after = _read(one), _read(other)
    difference = _difference(before, after, other)
    if html is not None:
        from releasegate.cli.compared import write_page

        write_page(html, (one, other), (before, after), GateRepository.here(repo), datetime.now(UTC).date())
    if format_ == "json":
        print_json({"same": difference.empty, **difference.plain()})
    else:
        policies = isinstance(difference, PolicyDifference)
        lines = _policies(difference) if isinstance(difference, PolicyDifference) else _decisions(difference)
        for line in lines if not difference.empty else [f"no difference between the {_named(policies=policies)}"]:
            click.echo(line)
    return Exit.NO if exit_code and not difference.empty else Exit.YES


def _named(*, policies: bool) -> str:
    return "policies" if policies else "decisions"


def _read(path: Path) -> Policy | tuple[Decision, Policy | None]:
    """The policy, or the decision with the policy that made it, where that is at hand."""
    if path.is_dir():
        decision, plan = RunFolder(path).read_decision(), RunFolder(path).read_plan()
        return decision, plan.policy if plan.policy_digest_of(plan.policy) == decision.policy_digest else None
    if not path.is_file():
        raise NotFound(str(path), "no such file or folder", "name a run folder, a decision (.json) or a policy (.yaml)")
    if path.suffix in (".yaml", ".yml"):
        return parse_policy(path.read_bytes(), str(path)).record
    return read_decision(path), None


def _difference(
    one: Policy | tuple[Decision, Policy | None], other: Policy | tuple[Decision, Policy | None], place: Path
) -> PolicyDifference | DecisionDifference:
    if isinstance(one, Policy) and isinstance(other, Policy):
        return policy_difference(one, other)
    if isinstance(one, Policy) or isinstance(other, Policy):
        raise UsageError(str(place), "a policy and a decision have nothing to compare", "name two of one kind")
    (before, old), (after, new) = one, other
    if not all(policy is not None and policy.shows_samples for policy in (old, new)):
        from releasegate.reporting.wording.discreet import without_reasons

        before, after = without_reasons(before), without_reasons(after)  # of a file nobody knows what may be told
    return decision_difference(before, after, (_requirements(old), _requirements(new)))


def _requirements(policy: Policy | None) -> set[str] | None:
    return None if policy is None else {r.id for r in policy.requirements}


def _policies(difference: PolicyDifference) -> Iterator[str]:
    for change in difference.changes:
        effect = f"  ({change.effect})" if change.effect else ""
        yield f"{change.path}: {written(change.before)} -> {written(change.after)}{effect}"


def _decisions(difference: DecisionDifference) -> Iterator[str]:
    for change in (difference.verdict, difference.channel):
        if change is not None:
            yield f"{change.path}: {change.before} -> {change.after}"
    for change in difference.about:
        yield f"{change.path.replace('_', ' ')}: {_about(change, change.before)} -> {_about(change, change.after)}"
    for a in difference.artefacts:
        yield f"{a.artefact}: {_through(a.before, a.granted_before)} -> {_through(a.after, a.granted_after)}"
    for c in difference.capabilities:
        yield f"{c.capability}: {_by(c.before, c.route_before)} -> {_by(c.after, c.route_after)}"
    for r in difference.requirements:
        yield from _requirement(r)


def _by(verdict: str | None, route: str | None) -> str:
    return f"{verdict or 'none'}{f' by {route}' if route else ''}"


def _through(verdict: str | None, granted: str | None) -> str:
    return f"{verdict} through {granted}" if granted not in (None, "none") else verdict or "not listed"


def _requirement(r: RequirementChange) -> Iterator[str]:
    statuses = [(s.reason or s.status).replace("_", " ") if s else "none" for s in (r.before, r.after)]
    at = f" at {r.channel}" if r.channel else ""
    yield f"{r.requirement} on the {r.checkpoint} checkpoint{at}: {' -> '.join(dict.fromkeys(statuses))}"
    for sign, side in (("-", r.before), ("+", r.after)):
        if side is not None:
            yield f"  {sign} {found_text(side)}"
    for why in r.why:
        yield f"    because {why.sentence}"


def _about(change: Change, value: Any) -> str:
    if change.path in ("policy_digest", "model"):
        return short(str(value))
    return f"{value:.4f}" if isinstance(value, float) else written(value)
