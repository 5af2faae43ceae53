"""What measuring needs on this machine, asked before an attempt is opened: one that could only fail is better not opened."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

from releasegate.checkpoint import Checkpoint
from releasegate.errors import HarnessError, NotFound, Problem, ReleaseGateError
from releasegate.evaluation.harness import guarded, load_harness
from releasegate.evaluation.imports import missing_packages
from releasegate.evaluation.prompts import missing_reader
from releasegate.extras import is_installed, package_of, remedy
from releasegate.policy import Policy
from releasegate.repository import GateRepository
from releasegate.sensitivity import is_discreet
from releasegate.subjects import SUBJECTS


def require_material(repository: GateRepository, policy: Policy) -> None:
    """Check that every eval of the policy, and its subject, can run on this machine.

    That is: the packages that their code imports are installed, harnesses load and have `items` and `measure`, and what they
    say they read (`require`) is there.

    Raises:
        ReleaseGateError: something is missing or does not load; it names everything that is.
    """
    _raise_all(missing_material(repository, policy))


def missing_material(repository: GateRepository, policy: Policy) -> list[ReleaseGateError]:
    """An error for each eval of the policy that could not run on this machine, and for its subject."""
    names = sorted(repository.evals_of(policy))
    found = [*_of_subject(policy), *(error for name in names for error in _of_eval(repository, policy, name))]
    told: set[Problem] = set()
    kept = []
    for error in found:  # evals share modules, and lack the same
        if not told.issuperset(error.problems):
            kept.append(error)
        told.update(error.problems)
    return kept


def require_reader(repository: GateRepository, policy: Policy, checkpoint: Checkpoint) -> None:
    """Check that the policy's subject can read the checkpoint, plain text and the texts of its evals on this machine.

    Raises:
        ReleaseGateError: it cannot: a package is missing, or the tokenizer is not that of the model; it names every reason.
    """
    _raise_all(missing_reader(repository, policy, checkpoint))


def _raise_all(found: Sequence[ReleaseGateError]) -> None:
    """Raise what was found, if anything was: one error as it is, several as one that names every problem."""
    if found:
        raise found[0] if len(found) == 1 else ReleaseGateError.of([p for error in found for p in error.problems])


def _of_subject(policy: Policy) -> Iterator[ReleaseGateError]:
    kind = SUBJECTS.get(policy.model.subject)
    needed_by = f"subject {policy.model.subject}"
    for module in kind.packages if kind is not None else ():
        if not is_installed(module):
            what = f"is not installed, and {needed_by} needs it"
            yield NotFound(f"package {package_of(module)}", what, remedy(module))


def _of_eval(repository: GateRepository, policy: Policy, name: str) -> Iterator[ReleaseGateError]:
    folder = repository.read_eval(name)
    file, discreet = folder.folder / "harness.py", is_discreet(folder.card, policy)
    if lacking := missing_packages(file):
        shown = [Problem(_shown(repository, p.where), p.what, p.fix) for p in lacking]
        yield NotFound.of(shown)
        return  # it would not load, or say the same again
    try:
        require = getattr(load_harness(folder.folder, discreet=discreet), "require", None)
        if require is not None:
            call = partial(require, folder.card.params)
            guarded(file, "cannot say what it needs", call, expected=ReleaseGateError, discreet=discreet)
    except HarnessError as error:
        yield HarnessError.of([Problem(_shown(repository, p.where), p.what, p.fix) for p in error.problems])
    except ReleaseGateError as error:
        yield error


def _shown(repository: GateRepository, where: str) -> str:
    """A place, relative to the repository."""
    return where.removeprefix(f"{repository.root}/")
