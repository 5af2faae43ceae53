"""What the plan needs to know about an eval's code: digests, and how many items of which label."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

from releasegate import __version__
from releasegate.errors import HarnessError, NotFound
from releasegate.evaluation.harness import load_harness, load_subject
from releasegate.evaluation.items import NO_NONCE, cells_of, planned_items
from releasegate.evidence import Cell
from releasegate.plan import EvalCode, Role, SubjectRef, items_of
from releasegate.policy import Policy
from releasegate.repository import EvalFolder, GateRepository
from releasegate.subjects import SUBJECTS


def eval_code(repository: GateRepository, policy: Policy, eval_id: str, dtype: str) -> EvalCode:
    """An eval as the plan binds it. Code that does not load is not an error here: it is failed evidence.

    Raises:
        NotFound: the eval or the subject does not exist.
    """
    folder = repository.read_eval(eval_id)
    subject, problem = _subject(repository, policy.model.subject, dtype)
    cells: dict[Role, tuple[Cell, ...]] = {}
    try:
        cells = _cells(folder, items_of(policy, eval_id, folder.card))
    except HarnessError as error:
        problem = problem_of(repository, error)
    return EvalCode(folder.card, folder.harness, folder.instruments, subject, cells, problem)


def subject_code(repository: GateRepository, name: str) -> str | None:
    """What the subject's code is now, as a measurement names it; None if there is none.

    Of releasegate's own that is its version with those of the libraries that run it: others may give other samples.
    """
    if name in SUBJECTS:
        return f"releasegate {__version__}, torch {version('torch')}, transformers {version('transformers')}"
    file = repository.subject_file(name)
    return None if file is None else repository.code_digest(file.parent)


def problem_of(repository: GateRepository, error: HarnessError) -> str:
    """Where and what, without a path of this machine."""
    first = error.problems[0]
    return f"{repository.shown(Path(first.where))}: {first.what}"


def _subject(repository: GateRepository, name: str, dtype: str) -> tuple[SubjectRef, str | None]:
    """The subject as a measurement names it, and why it does not load, if it does not.

    Raises:
        NotFound: neither releasegate nor the repository has it.
    """
    code = subject_code(repository, name)
    if name in SUBJECTS:
        kind = SUBJECTS[name]
        return SubjectRef(id=name, code=str(code), dtype=dtype, deterministic=kind.deterministic), None
    file = repository.subject_file(name)
    if file is None or code is None:
        raise NotFound(name, "no such subject", f"use one of {', '.join(SUBJECTS)}, or add evals/{name}/subject.py")
    deterministic, problem = False, None
    try:
        _, deterministic = load_subject(file)
    except HarnessError as error:
        problem = problem_of(repository, error)
    return SubjectRef(id=name, code=code, dtype=dtype, deterministic=deterministic), problem


def _cells(folder: EvalFolder, n: int) -> dict[Role, tuple[Cell, ...]]:
    harness = load_harness(folder.folder)
    cells: dict[Role, tuple[Cell, ...]] = {"gate": cells_of(planned_items(harness, folder.card, "gate", n, NO_NONCE))}
    if folder.card.items.calibration:
        items = planned_items(harness, folder.card, "calibration", folder.card.items.calibration, NO_NONCE)
        cells["calibration"] = cells_of(items)
    return cells
