"""What the plan needs to know about an eval's code: digests, and how many items of which label."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from releasegate.errors import HarnessError, NotFound
from releasegate.evaluation.harness import load_harness, load_subject
from releasegate.evaluation.items import NO_NONCE, cells_of, planned_items
from releasegate.evidence import Cell
from releasegate.plan import EvalCode, Measurement, Role, SubjectRef, items_of
from releasegate.policy import Policy
from releasegate.repository import EvalFolder, GateRepository
from releasegate.repository.subject_code import known_subject, subject_code
from releasegate.sensitivity import is_discreet
from releasegate.subjects import SUBJECTS


def eval_code(
    repository: GateRepository,
    policy: Policy,
    eval_id: str,
    dtype: str,
    *,
    template: str | None = None,
    used: frozenset[str] = frozenset(),
    rehearsal: bool = False,
    configuration: Mapping[str, object] | None = None,
    opening: bool = False,
    n: int | None = None,
    folder: EvalFolder | None = None,
) -> EvalCode:
    """An eval as the plan binds it. Of code that does not load the plan says why, where no attempt is being opened.

    Args:
        template: the digest of the checkpoint's chat template.
        used: the items of its private pool that earlier attempts drew.
        rehearsal: plan rehearsal items.
        configuration: of the checkpoint, which may say whether it is deterministic.
        opening: whether an attempt is about to be opened: then code that does not load is an error.
        n: how many items; None: as many as policy and card say.
        folder: the eval, where it was read before.

    Raises:
        NotFound: the eval or the subject does not exist.
        HarnessError: code does not load, or cannot say what to measure, and an attempt is about to be opened.
    """
    folder = folder or repository.read_eval(eval_id)
    declared = (configuration or {}).get("deterministic") is True
    subject, problem = _subject(repository, policy.model.subject, dtype, declared=declared, opening=opening)
    cells: dict[Role, tuple[Cell, ...]] = {}
    try:
        n = items_of(policy, eval_id, folder.card, rehearsal=rehearsal) if n is None else n
        discreet = is_discreet(folder.card, policy)
        cells = _cells(folder, n, lambda name: name not in used, rehearsal=rehearsal, discreet=discreet)
    except HarnessError as error:
        if opening:
            raise
        problem = problem_of(repository, error)
    subject = subject.model_copy(update={"chat_template": template})
    return EvalCode(folder.card, folder.harness, folder.instruments, subject, cells, problem)


def problem_of(repository: GateRepository, error: HarnessError) -> str:
    """Where and what, without a path of this machine."""
    first = error.problems[0]
    place = Path(first.where)  # a file of the repository, or the id of an eval, which is no path to be resolved
    return f"{repository.shown(place) if place.is_absolute() else place}: {first.what}"


def _subject(
    repository: GateRepository, name: str, dtype: str, *, declared: bool, opening: bool
) -> tuple[SubjectRef, str | None]:
    """The subject as a measurement names it, and why it does not load, if it does not.

    Args:
        declared: whether the checkpoint says that it is deterministic.
        opening: whether an attempt is about to be opened.

    Raises:
        NotFound: neither releasegate nor the repository has it.
        HarnessError: it does not load, and an attempt is about to be opened.
    """
    code = subject_code(repository, name)
    if name in SUBJECTS:
        return known_subject(name, str(code), dtype, declared=declared), None
    file = repository.subject_file(name)
    if file is None or code is None:
        raise NotFound(name, "no such subject", f"use one of {', '.join(SUBJECTS)}, or add evals/{name}/subject.py")
    deterministic, problem = False, None
    try:
        _, deterministic = load_subject(file)
    except HarnessError as error:
        if opening:
            raise
        problem = problem_of(repository, error)
    return SubjectRef(id=name, code=code, dtype=dtype, deterministic=deterministic), problem


def _cells(
    folder: EvalFolder, n: int, free: Callable[[str], bool], *, rehearsal: bool, discreet: bool
) -> dict[Role, tuple[Cell, ...]]:
    harness, card = load_harness(folder.folder, discreet=discreet), folder.card
    made = partial(planned_items, harness, card, rehearsal=rehearsal, discreet=discreet)
    cells: dict[Role, tuple[Cell, ...]] = {"gate": cells_of(made("gate", n, NO_NONCE, free=free))}
    if card.items.calibration:
        items = made("calibration", card.items.calibration, NO_NONCE)
        cells["calibration"] = cells_of(items)
    return cells


def part_cells(repository: GateRepository, policy: Policy, eval_id: str, n: int) -> tuple[Cell, ...]:
    """The cells of `n` fresh items of an eval whose items are generated.

    Raises:
        HarnessError: its code does not load, or makes no such items.
    """
    folder = repository.read_eval(eval_id)
    discreet = is_discreet(folder.card, policy)
    harness = load_harness(folder.folder, discreet=discreet)
    return cells_of(planned_items(harness, folder.card, "gate", n, NO_NONCE, discreet=discreet))


def drawn_items(
    repository: GateRepository, policy: Policy, m: Measurement, nonce: str, used: frozenset[str]
) -> tuple[str, ...]:
    """The names of the items that an attempt draws from the private pool of a planned measurement, sorted.

    Args:
        used: those that earlier attempts drew.

    Raises:
        HarnessError: the pool is not what it was when the plan was made.
    """
    folder = repository.read_eval(m.eval)
    discreet = is_discreet(folder.card, policy)
    harness = load_harness(folder.folder, discreet=discreet)
    items = planned_items(
        harness, folder.card, "gate", m.items, nonce, free=lambda name: name not in used, discreet=discreet
    )
    return tuple(sorted(item.name for item in items))
