"""Outputs that were asked for: all are rendered before the first is written."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from releasegate.errors import UsageError, nearest
from releasegate.reporting.formats.kinds import KINDS
from releasegate.reporting.formats.rendered import Rendered
from releasegate.repository.writing import write_whole

OPTION = "--output"


@dataclass(frozen=True)
class Output:
    """One form of the report that is asked for.

    Attributes:
        kind: one of `KINDS`.
        path: the file that is to be written; None: standard output.
    """

    kind: str
    path: Path | None


def parse_outputs(texts: Iterable[str]) -> tuple[Output, ...]:
    """The outputs that `KIND=PATH` texts ask for, in their order.

    Raises:
        UsageError: a kind is not known, or a path is missing.

    >>> parse_outputs(["md=report.md"])
    (Output(kind='md', path=PosixPath('report.md')),)
    """
    return tuple(_parse(text) for text in texts)


def _parse(text: str) -> Output:
    kind, equals, path = text.partition("=")
    if kind not in KINDS:
        raise UsageError(f"{OPTION} {text}", f"no kind of report is called {kind!r}", nearest(kind, list(KINDS), ""))
    if not path:
        what = "names no file (is a variable of the shell unset?)" if equals else "names a kind and no file"
        raise UsageError(f"{OPTION} {text}", what, f"write {OPTION} {kind}=PATH")
    return Output(kind, Path(path))


def write_outputs(outputs: Sequence[Output], rendered: Rendered) -> None:
    """Nothing; each file is there, whole, and what goes to standard output went there.

    Raises:
        EvidenceUntrusted: the evidence is not what the index says it was; no file is written.
        DocumentError: a template of the gate repository does not render; no file is written.
    """
    made = {kind: KINDS[kind](rendered) for kind in dict.fromkeys(output.kind for output in outputs)}
    for output in outputs:
        if output.path is not None:
            write_whole(output.path, made[output.kind])
    for output in outputs:
        if output.path is None:
            sys.stdout.flush()
            sys.stdout.buffer.write(made[output.kind])
            sys.stdout.buffer.flush()
