"""How CI systems name a file: relative to the top of the repository of its version control."""

from __future__ import annotations

from pathlib import Path


def within_top(file: Path, gates: Path | None) -> str:
    """The path of a file, with `/` between its parts.

    Args:
        gates: the root of its gate repository, which is the top where no version control is seen.
    """
    real = file.resolve()
    start = gates.resolve() if gates is not None else real.parent
    top = next((folder for folder in (start, *start.parents) if (folder / ".git").exists()), gates and start)
    if top is not None and real.is_relative_to(top):
        return real.relative_to(top).as_posix()
    return real.name
