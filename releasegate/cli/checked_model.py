"""What `check --model` finds: whether the subjects of policies can read a checkpoint on this machine."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from releasegate.cli.checked import Found
from releasegate.cli.console import Bars
from releasegate.errors import NotFound, Problem, ReleaseGateError
from releasegate.policy import Policy
from releasegate.repository import GateRepository
from releasegate.stripped import open_source


def model_faults(model: Path, policies: Sequence[Path], *, named: bool) -> Iterator[Found]:
    """Yield why a gate of a checkpoint under the policies would open no attempt; what measures is imported for it.

    Args:
        model: the folder of the checkpoint.
        policies: their files. What is wrong with one itself is not said here.
        named: whether somebody named them: then each must be about the checkpoint's layout, and else one of them.
    """
    fitting = 0
    told: set[Problem] = set()
    for file in policies:
        try:
            repository = GateRepository.around(file)
            policy = repository.read_policy(file).record
        except (ReleaseGateError, OSError):
            continue
        found = list(_faults(repository, policy, model, named=named))
        fitting += None not in found
        for problem in found:
            if problem is not None and problem not in told:
                told.add(problem)
                yield Found(repository.root, problem)
    if policies and not fitting:
        what, fix = "is of a layout that no policy here is about", "name the policy that it is to be gated under"
        yield Found(Path.cwd(), Problem(str(model), what, fix))


def _faults(repository: GateRepository, policy: Policy, model: Path, *, named: bool) -> Iterator[Problem | None]:
    """Each problem; None where the policy is about other layouts and nobody named it."""
    from releasegate.checkpoint import open_checkpoint
    from releasegate.evaluation import missing_reader

    try:
        with Bars(quiet=True).reading(model) as watch:
            if not named:
                checkpoint = open_checkpoint(model, watch, runs=policy.model.runs)
                if checkpoint.layout not in policy.model.layouts:
                    yield None
                    return
            else:
                checkpoint = open_source(model, policy, watch)
    except NotFound:
        raise
    except ReleaseGateError as error:
        yield from error.problems
        return
    for one in missing_reader(repository, policy, checkpoint):
        yield from one.problems
