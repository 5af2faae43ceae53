"""Opening a subject by its name: one that comes with releasegate, or one that the gate repository supplies."""

from __future__ import annotations

from importlib import import_module

import torch

from releasegate.checkpoint import Checkpoint
from releasegate.errors import NotFound, nearest
from releasegate.evaluation.harness import guarded, load_subject
from releasegate.repository import GateRepository
from releasegate.subjects import SUBJECTS, Lending, OpensSubject


def open_subject(
    name: str,
    repository: GateRepository,
    checkpoint: Checkpoint,
    lending: Lending | None,
    device: torch.device,
    dtype: torch.dtype,
) -> object:
    """The subject `name`, made from `checkpoint`.

    Raises:
        NotFound: there is no such subject.
        HarnessError: the repository's code for it does not load, or does not open.
    """
    if name in SUBJECTS:
        opener: OpensSubject = import_module(SUBJECTS[name].module).open_subject
        return opener(checkpoint, lending, device, dtype)
    file = repository.subject_file(name)
    if file is None:
        raise NotFound(name, "no such subject", nearest(name, list(repository.subjects()), "add it"))
    own, _ = load_subject(file)
    return guarded(file, "does not open", lambda: own(checkpoint, lending, device, dtype))


def require_answers(name: str, checkpoint: Checkpoint) -> None:
    """Nothing; a server that answers for the model does answer. Other subjects have none.

    An attempt at which nothing is answered is better not opened.

    Raises:
        ReleaseGateError: it does not.
    """
    if name in SUBJECTS and SUBJECTS[name].served:
        import_module(SUBJECTS[name].module).require_answers(checkpoint)
