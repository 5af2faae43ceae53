"""`releasegate check`: policies against their evals and recipes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from releasegate.cli import options
from releasegate.cli.checked import FORMS, Checked, Found
from releasegate.errors import DocumentError, NotFound, Problem, ReleaseGateError
from releasegate.evaluation.fitted import unfit
from releasegate.policycheck import unused
from releasegate.recipe import wideness
from releasegate.repository import GateRepository
from releasegate.repository.gate_repository import Beside
from releasegate.repository.lock_file import require_locked
from releasegate.sensitivity import unsettled
from releasegate.working import control_evals

if TYPE_CHECKING:
    from releasegate.policy import Policy
    from releasegate.recipe import Recipe


@click.command("check")
@click.argument("policies", type=options.FILE, nargs=-1)
@options.checked_model
@options.repository
@options.check_format
def command(policies: tuple[Path, ...], model: Path | None, repo: Path, format_: str) -> int:
    """Check POLICIES (all of the repository, and all recipes, if none is named) against their evals and recipes.

    Every problem is listed with its file, line and column, and what to do about it. So is every file that is not as it
    was locked, where there is a lock, and every harness that does not load or that its card contradicts: the evals' code
    runs, in a process of its own. With --model, so is every reason why a gate of CHECKPOINT could not read it here: a tokenizer
    that is missing or another model's, a library that quantised weights need.

    \b
    Example:
      releasegate check policies/mini-chameleon.yaml
    """
    found: list[Found] = []
    files = list(policies)
    if not files:
        everything = GateRepository.around(repo)
        files = everything.policies()
        found += _recipes(everything)
    if not files:
        raise NotFound(str(repo), "has no policies", "add one to policies/, or name a file")
    places: list[tuple[Path, str]] = []
    known: dict[Path, Beside] = {}
    evals: dict[Path, list[str]] = {}
    for file in files:
        place, more, used = _policy(file, known)
        places.append(place)
        found += [one for one in more if one not in found]
        evals.setdefault(place[0], []).extend(used)
    for root in dict.fromkeys(root for root, _ in places):
        named = [file for file, (at, _) in zip(files, places, strict=True) if at == root]
        found += _lock(GateRepository(root), named)
        found += _harnesses(root, known.get(root), evals[root] if policies else None)
    if model is not None:
        from releasegate.cli.checked_model import model_faults

        found += model_faults(model, files, named=bool(policies))
    checked = Checked(files, places, found)
    if format_ != "text":
        click.echo(FORMS[format_](checked), nl=False)
        return 2 if checked.problems else 0
    for note in checked.notes:
        click.echo(f"note: {note}", err=True)
    if checked.problems:
        raise DocumentError(checked.problems)
    click.echo(f"{len(files)} {'policy' if len(files) == 1 else 'policies'} checked, no problem found")
    return 0


def _recipes(repository: GateRepository) -> Iterator[Found]:
    recipes = repository.recipe_files.read_all()
    yield from (Found(repository.root, problem) for problem in recipes.problems)
    yield from _wide(repository, recipes.read)
    for name in repository.recipe_files.ignored():
        yield Found(repository.root, Problem(name, "is ignored: recipes end in .yaml", ""), note=True)


def _wide(repository: GateRepository, recipes: Mapping[str, Recipe]) -> Iterator[Found]:
    """Recipes that do not say what stays exactly, as those of before."""
    paths = repository.recipe_files.paths()
    for name, recipe in recipes.items():
        said = wideness(recipe)
        if said is not None:
            yield Found(repository.root, Problem(repository.shown(paths[name]), said, ""), note=True)


def _lock(repository: GateRepository, policies: list[Path]) -> Iterator[Found]:
    """What differs from the lock of the repository, if there is one."""
    try:
        require_locked(repository, *policies)
    except ReleaseGateError as error:
        yield from (Found(repository.root, problem) for problem in error.problems)
    except OSError as error:
        fix = "check the path and its permissions"
        where = repository.shown(Path(error.filename or repository.root))
        yield Found(repository.root, Problem(where, error.strerror or "cannot be read", fix))


def _harnesses(root: Path, beside: Beside | None, used: list[str] | None) -> Iterator[Found]:
    """What is wrong with the harnesses of evals whose cards can be read.

    Args:
        used: the evals of the policies that were named; None: all of the repository.
    """
    if beside is None:
        return
    try:
        cards = beside.cards
    except ReleaseGateError:
        return  # said of the policies already
    names = [name for name in cards if used is None or name in used]
    problems, lacking = unfit(GateRepository(root), names)
    yield from (Found(root, problem) for problem in problems)
    for one in lacking:
        what = f"{one.what}, so the harness was not asked whether its card fits; {one.fix}"
        yield Found(root, Problem(one.where, what, ""), note=True)


def _power(repository: GateRepository, policy: Policy, beside: Beside) -> Iterator[str]:
    """What is to be thought about if hardly any model would pass the policy; of evals that cannot be planned here, nothing."""
    from releasegate.decision.ways import POOR, ways
    from releasegate.evaluation.bare_plan import bare_plan

    plan = bare_plan(repository, policy, beside)
    way = min(ways(plan, 1), key=lambda way: way.power, default=None) if plan is not None else None
    if way is not None and way.power < POOR and way.weakest is not None:
        yield (
            f"a model half-way between every limit and the ideal passes ({way.name}) with a chance of {way.power:.2f} at "
            f"attempt 1, least of all {way.weakest.requirement}: `releasegate plan` says how many items it takes"
        )


def _policy(file: Path, known: dict[Path, Beside]) -> tuple[tuple[Path, str], list[Found], list[str]]:
    """How messages name a policy, behind its gate repository; what was found on it, another one being checked all the same;
    and the evals that it gates.

    Args:
        known: what lies beside the policies of a repository, by its folder: read once for all of them.
    """
    root, shown = Path.cwd(), str(file)
    try:
        repository = GateRepository.around(file)
        root, shown = repository.root, repository.shown(file)
        beside = known.setdefault(root, Beside(repository))
        policy = repository.read_policy(file, beside).record
        notes = (*unused(policy), *unsettled(policy, beside.cards), *_power(repository, policy, beside))
    except ReleaseGateError as error:
        return (root, shown), [Found(root, problem) for problem in error.problems], []
    except OSError as error:
        fix = "check the path and its permissions"
        return (root, shown), [Found(root, Problem(shown, error.strerror or "cannot be read", fix))], []
    named = {c.recipe for c in policy.capabilities if c.otherwise == "strip"}
    told = [Found(root, Problem(shown, note, ""), note=True) for note in notes]
    told += _wide(repository, {name: one for name, one in beside.recipes.read.items() if name in named})
    return (root, shown), told, sorted({r.eval for r in policy.requirements} | control_evals(policy, beside.cards))
