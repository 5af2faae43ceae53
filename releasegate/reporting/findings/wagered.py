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
from releasegate.reporting.views.charts import EProcess, WagerRow
from releasegate.reporting.wording.numbers import MOST_TEXT, beside, limit, plural, shortened
from releasegate.reporting.wording.words import REASON, STATUS

POINTS = 200
"""Points that a path is thinned to."""
ROWS = 8
"""Lines of the table beside a chart."""
BELOW, ABOVE = 2.0, 4.0
"""How far below and above 1 a path is drawn, in heights of its line: a claim that is far off falls without end."""

Ending = tuple[int, Literal["met", "violated"]]


def e_processes(finding: Finding, card: EvalCard | None, gathered: Gathered) -> tuple[EProcess, ...]:
    """The paths of the worst slice, and of the pooled items where they are gated; none where no test looked early."""
    return tuple(_e_process(finding, found, path, card) for found, path in gathered.paths.get(key_of(finding), ()))


def _e_process(finding: Finding, found: SliceFinding, path: BettingPath, card: EvalCard | None) -> EProcess:
    towards, against = path.towards / log(10), path.against / log(10)
    line, n = -log10(path.claim.alpha), len(towards)
    reached = _ending(towards, against, line)
    ends = [float(x) for x in (min(towards.min(), against.min(), 0.0), max(towards.max(), against.max(), line))]
    domain = max(ends[0], -BELOW * line), min(ends[1], ABOVE * line)
    last = float(towards[-1]), float(against[-1])
    of = shortened(label_words(card, found.labels), MOST_TEXT) or "all items"
    unit = path.unit
    ended = _ended(reached, found, n, unit)
    return EProcess(
        of=of,
        unit=f"{unit}s",
        description=f"Evidence of {finding.requirement}, {of}, after each of {plural(n, unit)}, as log10 E. "
        f"Line at {limit(line, *last)}. {ended} At the end: met {beside(last[0], line)}, "
        f"violated {beside(last[1], line)}.",
        n=n,
        towards=_thinned(towards, domain, reached),
        against=_thinned(against, domain, reached),
        line=line,
        line_text=limit(line, *last),
        reached=reached,
        ended=ended,
        domain=domain,
        cut="" if tuple(ends) == domain else f"the paths go from {ends[0]:.2f} to {ends[1]:.2f}, not all of it drawn",
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


def _ended(reached: Ending | None, found: SliceFinding, n: int, unit: str) -> str:
    """What was reached, and that the decision does not count it where it does not."""
    if reached is None:
        return f"Neither path reached the line in {plural(n, unit)}."
    at = f"The line was reached after {plural(reached[0], unit)}: {reached[1]}"
    if reached[1] == found.status:
        return f"{at}."
    why = REASON[found.reason] if found.reason is not None else STATUS[found.status].word
    return f"{at}. The decision does not count it: {why}."


def _thinned(path: Floats, domain: tuple[float, float], reached: Ending | None) -> tuple[tuple[int, float], ...]:
    """The path from 0 items on, where E is 1: of many points the lowest and the highest of each stretch, where it reached the
    line, and the last; within the domain."""
    n = len(path)
    step = max(-(-n // (POINTS // 2 - 1)), 1)
    kept = {n - 1} | ({reached[0] - 1} if reached is not None else set())
    for start in range(0, n, step):
        part = path[start : start + step]
        kept |= {start + int(part.argmin()), start + int(part.argmax())}
    low, high = domain
    return ((0, 0.0), *((i + 1, min(max(float(path[i]), low), high)) for i in sorted(kept)))


def _rows(towards: Floats, against: Floats, line: float) -> list[WagerRow]:
    n = len(towards)
    after = sorted({round(n * (k + 1) / ROWS) for k in range(ROWS)} - {0} | {n})
    return [WagerRow(str(i), beside(float(towards[i - 1]), line), beside(float(against[i - 1]), line)) for i in after]
