"""The code that runs a model, as a measurement names it. Nothing of it is loaded."""

from __future__ import annotations

from importlib.metadata import version
from platform import python_version

from releasegate import __version__
from releasegate.plan import SubjectRef
from releasegate.repository.gate_repository import GateRepository
from releasegate.subjects import SUBJECTS


def subject_code(repository: GateRepository, name: str) -> str | None:
    """What the subject's code is now, as a measurement names it; None if there is none.

    Of releasegate's own that is its version with those of the libraries that run it: others may give other samples. Python's
    is among them, since evals take texts from its library.
    """
    if name in SUBJECTS:
        libraries = f"torch {version('torch')}, transformers {version('transformers')}, Python {python_version()}"
        return f"releasegate {__version__}, {libraries}"
    file = repository.subject_file(name)
    return None if file is None else repository.code_digest(file.parent)


def known_subject(name: str, code: str, dtype: str, *, declared: bool) -> SubjectRef:
    """A subject of releasegate's own.

    Args:
        name: one of `SUBJECTS`.
        code: what `subject_code` says.
        declared: whether the checkpoint says that it is deterministic, which counts where the subject leaves it open.
    """
    kind = SUBJECTS[name]
    deterministic = declared if kind.deterministic is None else kind.deterministic
    return SubjectRef(
        id=name, code=code, dtype=dtype, deterministic=deterministic, served=True if kind.served else None
    )
