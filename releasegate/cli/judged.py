"""Which gate repository judges: that of the working tree, or with --judge-from that of a commit."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import click

from releasegate.errors import RunError, UsageError
from releasegate.repository import RunFolder
from releasegate.repository.git_objects import working_tree
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
    _refuse_modules_of(working_tree(Path()))
    with judge_from(ref, named) as judge:
        click.echo(f"judged by commit {judge.commit} ({ref})", err=True)
        yield Judged(judge.named, judge.commit)


def _refuse_modules_of(tree: Path | None) -> None:
    """Nothing, if Python looks for no module in the working tree, an environment that was made in it apart.

    Raises:
        UsageError: it does.
    """
    if tree is None:
        return
    real, own = tree.resolve(), Path(sys.prefix).resolve()
    for entry in sys.path:
        place = Path(entry or ".").resolve()
        if place.is_relative_to(real) and not (own != real and place.is_relative_to(own)):
            what = f"Python looks for modules in {place}, which whoever proposes the change writes"
            fix = "install releasegate elsewhere, and call it by its own name, or as `python -P -m releasegate`"
            raise UsageError("--judge-from", what, fix)


def require_ledger(judged: Judged, ledger: Path | None, *, counts: bool) -> None:
    """Nothing, if an attempt that counts has a ledger outside of the commit that judges it.

    Raises:
        UsageError: it would be counted in a folder that is removed afterwards.
    """
    if judged.commit is not None and counts and ledger is None:
        what = "an attempt cannot be counted in the ledger of a commit"
        fix = "name the ledger with --ledger: a file that whoever proposes the change cannot write"
        raise UsageError("--judge-from", what, fix)


def require_fresh(judged: Judged, run: RunFolder, *, rehearsal: bool) -> None:
    """Nothing, unless a rehearsal that a commit judges would go on with a run that is there.

    Whoever proposes the change may have put it there: of a rehearsal, no ledger knows the nonce, so anybody can write one.

    Raises:
        RunError: it would.
    """
    if judged.commit is not None and rehearsal and run.plan_path.exists():
        what = "holds a run already, and nothing shows who measured it: no ledger knows a rehearsal"
        raise RunError(str(run.root), what, "remove it, or name a folder that is not there yet")
