"""How the sequential tests of a finding went, as a report shows it."""

from __future__ import annotations

from math import log, log10
from typing import Literal

import numpy as np

from releasegate.betting import Floats
from releasegate.decision.betting_paths import BettingPath
from releasegate.decision.record import Finding, SliceFinding
from releasegate.evalcard import EvalCard
from releasegate.reporting.findings.measures import label_words
from releasegate.reporting.gathered.gathering import Gathered
from releasegate.reporting.gathered.wagers import key_of
from releasegate.reporting.view import EProcess, WagerRow
from releasegate.reporting.wording.numbers import MOST_TEXT, beside, limit, shortened

POINTS = 200
"""Points that a path is thinned to."""
ROWS = 8
"""Lines of the table beside a chart."""
BELOW = 2.0
"""How far below 1 a path is drawn, in heights of its line: a claim that is far off falls without end."""

Ending = tuple[int, Literal["met", "violated"]]


def e_processes(finding: Finding, card: EvalCard | None, gathered: Gathered) -> tuple[EProcess, ...]:
    """The paths of the worst slice, and of the pooled items where they are gated; none where no test looked early."""
    return tuple(_e_process(finding, found, path, card) for found, path in gathered.paths.get(key_of(finding), ()))


def _e_process(finding: Finding, found: SliceFinding, path: BettingPath, card: EvalCard | None) -> EProcess:
    towards, against = path.towards / log(10), path.against / log(10)
    line, n = -log10(path.claim.alpha), len(towards)
    ended, last = _ending(towards, against, line), (float(towards[-1]), float(against[-1]))
    lowest = float(min(towards.min(), against.min(), 0.0))
    floor = max(lowest, -BELOW * line)
    top = float(max(towards.max(), against.max(), line)) * 1.12
    of = shortened(label_words(card, found.labels), MOST_TEXT) or "all items"
    unit = "pairs" if path.paired else "items"
    cut = f"drawn down to {floor:.2f}; the lowest value is {lowest:.2f}" if lowest < floor else ""
    return EProcess(
        of=of,
        unit=unit,
        description=f"Evidence of {finding.requirement}, {of}, after each of {n} {unit}, as log10 E. "
        f"Line at {limit(line, *last)}. {_ended(ended, unit)} At the end: met {beside(last[0], line)}, "
        f"violated {beside(last[1], line)}.",
        n=n,
        towards=_thinned(towards, floor, ended),
        against=_thinned(against, floor, ended),
        line=line,
        stopped=ended,
        domain=(floor, top),
        cut=cut,
        rows=tuple(_rows(towards, against, line)),
    )


def _ending(towards: Floats, against: Floats, line: float) -> Ending | None:
    """Where the first of the two reached the line."""
    reached: list[Ending] = []
    if (towards >= line).any():
        reached.append((int(np.argmax(towards >= line)) + 1, "met"))
    if (against >= line).any():
        reached.append((int(np.argmax(against >= line)) + 1, "violated"))
    return min(reached, default=None)


def _ended(ended: Ending | None, unit: str) -> str:
    return (
        "Neither path reaches it." if ended is None else f"The path of {ended[1]} reaches it after {ended[0]} {unit}."
    )


def _thinned(path: Floats, floor: float, ended: Ending | None) -> tuple[tuple[int, float], ...]:
    """The path from 0 items on, where E is 1; of many points the lowest and the highest of each stretch, where it
    ended, and the last."""
    n = len(path)
    step = max(-(-n // (POINTS // 2 - 1)), 1)
    kept = {n - 1} | ({ended[0] - 1} if ended is not None else set())
    for start in range(0, n, step):
        part = path[start : start + step]
        kept |= {start + int(part.argmin()), start + int(part.argmax())}
    return ((0, max(0.0, floor)), *((i + 1, max(float(path[i]), floor)) for i in sorted(kept)))


def _rows(towards: Floats, against: Floats, line: float) -> list[WagerRow]:
    n = len(towards)
    after = sorted({round(n * (k + 1) / ROWS) for k in range(ROWS)} - {0} | {n})
    return [WagerRow(str(i), beside(float(towards[i - 1]), line), beside(float(against[i - 1]), line)) for i in after]
