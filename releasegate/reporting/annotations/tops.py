"""How CI systems name a file: relative to the top of the repository of its version control."""

from __future__ import annotations

from pathlib import Path


def top_of(folder: Path) -> Path | None:
    """The nearest folder at or above `folder` that version control calls a repository, if there is one."""
    real = folder.resolve()
    return next((above for above in (real, *real.parents) if (above / ".git").exists()), None)


def within_top(file: Path, gates: Path | None) -> str:
    """The path of a file, with `/` between its parts; its name alone where it lies outside.

    Args:
        gates: the root of its gate repository, which is the top where no version control is seen.
    """
    real = file.resolve()
    top = top_of(gates if gates is not None else real.parent) or (gates and gates.resolve())
    return real.relative_to(top).as_posix() if top and real.is_relative_to(top) else real.name
