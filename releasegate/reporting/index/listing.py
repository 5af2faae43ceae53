"""What an index shows of runs, as plain data."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from releasegate.decision import Decision
from releasegate.decision.record import VERDICTS
from releasegate.errors import Problem
from releasegate.plan import Plan
from releasegate.reporting.index.links import relative, relative_url, shown_path
from releasegate.reporting.wording.numbers import MOST_TITLE, plural, shortened
from releasegate.reporting.wording.words import CHANNEL, STATUS, VERDICT, Mark

UNTRUSTED = Mark("untrusted", "Cannot be trusted")
MOST_NAME = 200
"""Characters shown of the name of a folder, a layout or a policy."""
MOST_WHY = 600
"""Characters shown of why a run cannot be trusted."""


@dataclass(frozen=True)
class Counted:
    """How many requirements, or runs, have one status."""

    mark: Mark
    count: int


@dataclass(frozen=True)
class RunLine:
    """One run whose decision is what its evidence decides.

    Attributes:
        name: its folder, as seen from the index.
        link: the relative URL of its report.
        severity: of the verdict: 0 for a release, more for less that may go out.
        model: what the policy calls the model, or its layout.
        kind: the layout, where the model has a name.
        opened: the day on which the attempt was opened, `YYYY-MM-DD`.
        flags: what is unusual about it, such as a rehearsal.
        open_requirements: for sorting: those violated before those not shown.
    """

    name: str
    link: str
    mark: Mark
    severity: int
    channel: str
    model: str
    kind: str
    digest: str
    policy: str
    title: str
    opened: str
    attempt: int
    flags: tuple[str, ...]
    requirements: tuple[Counted, ...]
    open_requirements: int


@dataclass(frozen=True)
class UntrustedLine:
    """Something that was named as a run, and why nothing is said of it."""

    name: str
    mark: Mark
    why: str
    fix: str


@dataclass(frozen=True)
class IndexView:
    """A whole index.

    Attributes:
        lines: newest day first; within a day the worst verdict first.
        verdicts: how many runs came to each, those that cannot be trusted first.
    """

    heading: str
    untrusted: tuple[UntrustedLine, ...]
    lines: tuple[RunLine, ...]
    verdicts: tuple[Counted, ...]


def index_view(lines: Iterable[RunLine], untrusted: Sequence[UntrustedLine]) -> IndexView:
    """The index over these runs."""
    ordered = sorted(lines, key=lambda line: (-line.severity, line.name))
    ordered.sort(key=lambda line: line.opened, reverse=True)
    return IndexView(
        heading=plural(len(ordered) + len(untrusted), "run"),
        untrusted=tuple(sorted(untrusted, key=lambda line: line.name)),
        lines=tuple(ordered),
        verdicts=tuple(_verdicts(ordered, len(untrusted))),
    )


def _verdicts(lines: Sequence[RunLine], untrusted: int) -> Iterator[Counted]:
    if untrusted:
        yield Counted(UNTRUSTED, untrusted)
    found = Counter(line.mark for line in lines)
    for verdict in reversed(VERDICTS):
        if found[VERDICT[verdict]]:
            yield Counted(VERDICT[verdict], found[VERDICT[verdict]])


def run_line(report: Path, folder: Path, plan: Plan, decision: Decision) -> RunLine:
    """The line of one run.

    Args:
        report: of the run.
        folder: that holds the index.
    """
    name = plan.policy.model.name
    found: Counter[str] = Counter(f.status for f in decision.findings)
    return RunLine(
        name=_name(report.parent, folder),
        link=relative_url(report, folder),
        mark=VERDICT[decision.verdict],
        severity=VERDICTS.index(decision.verdict),
        channel=_granted(decision),
        model=shortened(name or plan.model.layout, MOST_NAME),
        kind=shortened(plan.model.layout, MOST_NAME) if name else "",
        digest=decision.model,
        policy=shortened(decision.policy, MOST_NAME),
        title="" if decision.replay else shortened(plan.policy.title, MOST_TITLE),
        opened=plan.opened,
        attempt=decision.attempt,
        flags=tuple(_flags(decision, found["waived"])),
        requirements=tuple(Counted(mark, found[status]) for status, mark in STATUS.items() if found[status]),
        open_requirements=found["violated"] * 10**6 + found["not_shown"],
    )


def _granted(decision: Decision) -> str:
    """The channel; of several artefacts how many of them may go out, as each has its own."""
    if len(decision.artefacts) == 1:
        return CHANNEL[decision.channel]
    out = sum(a.granted != "none" for a in decision.artefacts)
    return f"{out} of {len(decision.artefacts)} artefacts may go out"


def _flags(decision: Decision, waived: int) -> Iterator[str]:
    if decision.rehearsal:
        yield "rehearsal: counts for nothing"
    if decision.replay:
        yield "replay: never to be published"
    if waived:
        yield f"{plural(waived, 'requirement')} waived"
    if decision.verdict != decision.verdict_without_waivers:
        yield f"without waivers: {VERDICT[decision.verdict_without_waivers].word}"
    if decision.awaiting_strip:
        yield "no stripped checkpoint was measured yet"


def untrusted_line(run: Path, folder: Path, problems: Sequence[Problem]) -> UntrustedLine:
    """The line of a run that cannot be read, or does not hold what was decided.

    Args:
        run: its folder, resolved.
        folder: that holds the index.
    """
    first, more = problems[0], len(problems) - 1
    rest = f"; and {plural(more, 'more problem')}" if more else ""
    return UntrustedLine(
        name=_name(run, folder),
        mark=UNTRUSTED,
        why=shortened(f"{_within(run, first.where)}{first.what}{rest}", MOST_WHY),
        fix=shortened(first.fix, MOST_WHY),
    )


def _within(run: Path, where: str) -> str:
    """Where in a run something is wrong; empty for the run itself, and as it is for what lies elsewhere."""
    place = Path(where).resolve()
    if place == run:
        return ""
    return f"{shown_path(place.relative_to(run) if place.is_relative_to(run) else where)}: "


def _name(path: Path, folder: Path) -> str:
    return shortened(shown_path(relative(path, folder)), MOST_NAME)
