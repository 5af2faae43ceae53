"""`releasegate test`: policies against cases with known verdicts."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import click

from releasegate.cli import options
from releasegate.cli.console import print_json
from releasegate.documents import Located
from releasegate.errors import DocumentError, Exit, NotFound, Problem, nearest
from releasegate.evalcard import EvalCard
from releasegate.policy import Policy
from releasegate.policytest import PolicyTest, parse_policy_test
from releasegate.policytestcheck import problems
from releasegate.policytrial import Trial, try_case
from releasegate.repository import GateRepository
from releasegate.repository.gate_repository import Beside


@dataclass(frozen=True)
class _Ready:
    """A test beside the policy that it is about; nothing is wrong with either."""

    located: Located[PolicyTest]
    policy: Policy
    cards: dict[str, EvalCard]


@dataclass(frozen=True)
class _Tried:
    """A case, where it stands, and what came of it."""

    where: str
    title: str
    trial: Trial


@click.command("test")
@click.argument("files", type=options.FILE, nargs=-1)
@options.repository
@options.format_
def command(files: tuple[Path, ...], repo: Path, format_: str) -> int:
    """Run policy tests: FILES, or all of policies/tests in the repository.

    Each case states evidence and the verdict that its policy must come to. Exit code 1 if a case fails, 2 if a test is
    not what it must be.

    \b
    Example:
      releasegate test policies/tests/mini-chameleon.yaml
    """
    listed = list(files) or _all(GateRepository.around(repo))
    tried = [case for ready in _read_all(listed) for case in _try(ready)]
    failed = sum(not case.trial.passed for case in tried)
    if format_ == "json":
        print_json({"passed": len(tried) - failed, "failed": failed, "cases": [_plain(case) for case in tried]})
    else:
        for case in tried:
            _show(case)
        click.echo(f"{len(tried)} {'case' if len(tried) == 1 else 'cases'}, {failed or 'none'} failed")
    return Exit.NO if failed else Exit.YES


def _all(repository: GateRepository) -> list[Path]:
    folder = repository.root / "policies" / "tests"
    found = sorted(folder.glob("*.yaml"))
    if not found:
        raise NotFound(repository.shown(folder), "has no policy tests", "add one, or name a file")
    return found


def _read_all(files: list[Path]) -> list[_Ready]:
    """Every test, or every problem of all of them."""
    found: list[Problem] = []
    ready = []
    known: dict[Path, Beside] = {}
    for file in files:
        try:
            ready.append(_read(file, known))
        except DocumentError as error:
            found += error.problems
    if found:
        raise DocumentError(found)
    return ready


def _read(file: Path, known: dict[Path, Beside]) -> _Ready:
    """A test, its policy and the cards of its repository.

    Args:
        known: what lies beside the policies of a repository, by its folder: read once for all of them.
    """
    repository = GateRepository.around(file)
    if not file.is_file():
        raise NotFound(str(file), "is no file", "name a file in policies/tests/")
    located = parse_policy_test(file.read_bytes(), repository.shown(file))
    name = located.record.policy
    path = repository.policy_path(name)
    if not path.is_file():
        there = [policy.stem for policy in repository.policies()]
        fix = nearest(name, there, "use one of none")
        raise DocumentError([located.problem(("policy",), f"no policy {name!r}", fix)])
    beside = known.setdefault(repository.root, Beside(repository))
    policy, cards = repository.read_policy(path, beside).record, beside.cards
    wrong = problems(located, policy, cards)
    if wrong:
        raise DocumentError(wrong)
    return _Ready(located, policy, cards)


def _try(ready: _Ready) -> list[_Tried]:
    test = ready.located.record
    return [
        _Tried(
            ready.located.parsed.where(("cases", number)),
            case.title,
            try_case(ready.policy, ready.cards, test, number),
        )
        for number, case in enumerate(test.cases)
    ]


def _show(case: _Tried) -> None:
    first, *more = case.trial.differences or ("",)
    if not first:
        click.echo(f"ok    {case.where}: {case.title}")
        return
    click.echo(f"FAIL  {case.where}: {case.title}")
    click.echo(f"      {first}" + (f" (and {len(more)} more)" if more else ""))


def _plain(case: _Tried) -> dict[str, object]:
    return {
        "where": case.where,
        "title": case.title,
        "passed": case.trial.passed,
        "verdict": case.trial.decision.verdict,
        "differences": list(case.trial.differences),
    }
