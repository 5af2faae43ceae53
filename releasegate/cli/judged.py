"""Which gate repository judges: that of the working tree, or with --judge-from that of a commit."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import click

from releasegate.errors import UsageError
from releasegate.repository.judging import judge_from


@dataclass(frozen=True)
class Judged:
    """What judges a call.

    Attributes:
        named: the policy's file, or a folder of the gate repository.
        commit: where it comes from, with the name that was given for it; None for the working tree.
    """

    named: Path
    commit: str | None = None


@contextmanager
def judged(named: Path, ref: str | None) -> Iterator[Judged]:
    """The policy or folder `named`, in the working tree or, while it lasts, in the commit that `ref` names.

    Which commit that is, is said on standard error.
    """
    if ref is None:
        yield Judged(named)
        return
    with judge_from(ref, named) as judge:
        click.echo(f"judged by commit {judge.commit} ({ref})", err=True)
        yield Judged(judge.named, judge.commit)


def require_ledger(judged: Judged, ledger: Path | None, *, counts: bool) -> None:
    """Nothing, if an attempt that counts has a ledger outside of the commit that judges it.

    Raises:
        UsageError: it would be counted in a folder that is removed afterwards.
    """
    if judged.commit is not None and counts and ledger is None:
        what = "an attempt cannot be counted in the ledger of a commit"
        fix = "name the ledger with --ledger: a file that whoever proposes the change cannot write"
        raise UsageError("--judge-from", what, fix)
