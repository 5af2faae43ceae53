"""An assurance case as the page shows it. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from releasegate.reporting.case.record import (
    HOLDING,
    Argued,
    AssuranceCase,
    ClaimStatus,
    Context,
    Goal,
    Node,
    Solution,
    Strategy,
)
from releasegate.reporting.views.case import (
    CaseArgument,
    CaseArtefact,
    CaseCapability,
    CaseClaim,
    CaseEvidence,
    CaseNote,
    CaseNotes,
    CaseView,
)
from releasegate.reporting.wording.numbers import MOST_PROSE, MOST_TEXT, plural, shortened
from releasegate.reporting.wording.words import REASON, Mark

STATUS: Mapping[ClaimStatus, Mark] = {
    "supported": Mark("met", "supported"),
    "waived": Mark("waived", "held by a waiver"),
    "assumed": Mark("excused", "assumed"),
    "undeveloped": Mark("not_shown", "undeveloped"),
    "defeated": Mark("violated", "defeated"),
}
"""Each status as a word with a sign."""
MOST_CLAIMS = 60
"""Claims of one argument that are shown."""
MOST_UNFOLDED = 6
"""Capabilities in the way that stand open at the start; more of them are a list that is read first."""
MOST_NOTES = 40
"""Contexts, assumptions and justifications of one element that are shown."""

NOTHING = CaseNotes("", ())


def case_view(case: AssuranceCase) -> CaseView:
    """Everything that the page shows of a case. A claim that two arguments share stands in full in the first."""
    viewing = _Viewing(case)
    top = viewing.goal(case.top)
    below = [viewing.goal(name) for name in viewing.carried(top)]
    several = bool(below) and all(g.capability is None for g in below)
    alone = CaseArtefact("", STATUS[top.status], NOTHING, viewing.capabilities(top))
    return CaseView(
        text=shortened(top.statement),
        mark=STATUS[top.status],
        because=shortened(top.because, MOST_PROSE),
        strategy=viewing.strategy_of(top),
        notes=viewing.notes(top),
        artefacts=tuple(viewing.artefact(g) for g in below) if several else (alone,),
        counted=_counted(case),
    )


class _Viewing:
    """What was shown so far."""

    def __init__(self, case: AssuranceCase) -> None:
        self._nodes = case.by_id
        self._shown: set[str] = set()
        failing = [
            n for n in case.nodes if isinstance(n, Goal) and n.capability is not None and n.status not in HOLDING
        ]
        self._unfolds = len(failing) <= MOST_UNFOLDED

    def goal(self, name: str) -> Goal:
        found = self._nodes[name]
        assert isinstance(found, Goal)
        return found

    def carried(self, goal: Goal) -> Iterable[str]:
        """The claims that the arguments for a claim need."""
        return [below for strategy in self._strategies(goal.supported_by) for below in strategy.supported_by]

    def strategy_of(self, goal: Goal) -> str:
        """How a composed claim is argued; empty where nothing stands below it."""
        return next((_argued(s) for s in self._strategies(goal.supported_by)), "")

    def artefact(self, goal: Goal) -> CaseArtefact:
        return CaseArtefact(shortened(goal.statement), STATUS[goal.status], self.notes(goal), self.capabilities(goal))

    def capabilities(self, goal: Goal) -> tuple[CaseCapability, ...]:
        return tuple(self._capability(self.goal(name)) for name in self.carried(goal))

    def notes(self, node: Argued) -> CaseNotes:
        """Justifications first, then assumptions, then contexts."""
        order = ("justification", "assumption", "context")
        found = sorted((self._nodes[n] for n in node.in_context_of), key=lambda n: order.index(n.kind))
        counts: Counter[str] = Counter(n.kind for n in found)
        label = ", ".join(plural(counts[kind], kind) for kind in order if counts[kind])
        made = tuple(_note(n) for n in found[:MOST_NOTES])
        more = len(found) - MOST_NOTES
        told = CaseNote("context", "Context", f"{more} more stand in the exported case.", "")
        return CaseNotes(label, (*made, told) if more > 0 else made)

    def _strategies(self, names: Iterable[str]) -> list[Strategy]:
        return [found for name in names for found in (self._nodes[name],) if isinstance(found, Strategy)]

    def _capability(self, goal: Goal) -> CaseCapability:
        taken = tuple(self._argument(s) for s in self._strategies(goal.supported_by))
        others = tuple(self._argument(s) for s in self._strategies(goal.alternatives))
        return CaseCapability(
            anchor=_anchor(goal),
            section=f"capability-{goal.capability}",
            text=shortened(goal.statement),
            mark=STATUS[goal.status],
            because="" if taken or others else shortened(goal.because),
            taken=taken,
            others=others,
            notes=self.notes(goal),
            unfolded=self._unfolds and goal.status not in HOLDING,
        )

    def _argument(self, strategy: Strategy) -> CaseArgument:
        names = strategy.supported_by
        return CaseArgument(
            text=shortened(_argued(strategy)),
            mark=STATUS[strategy.status],
            because=strategy.because,
            claims=tuple(self._claim(self.goal(name)) for name in names[:MOST_CLAIMS]),
            notes=self.notes(strategy),
            hidden=max(len(names) - MOST_CLAIMS, 0),
        )

    def _claim(self, goal: Goal) -> CaseClaim:
        repeated = goal.id in self._shown
        self._shown.add(goal.id)
        evidence = [(name, False) for name in goal.supported_by] + [(name, True) for name in goal.challenged_by]
        leaves = [(self._nodes[name], against) for name, against in evidence]
        return CaseClaim(
            anchor=_anchor(goal),
            text=shortened(goal.statement, 2 * MOST_TEXT),
            mark=STATUS[goal.status],
            note=REASON[goal.reason] if goal.reason is not None else "",
            evidence=tuple(
                CaseEvidence(
                    shortened(leaf.statement, 2 * MOST_TEXT),
                    leaf.finding,
                    goal.requirement or "",
                    leaf.measurement or "",
                    against,
                )
                for leaf, against in leaves
                if isinstance(leaf, Solution)
            ),
            notes=NOTHING if repeated else self.notes(goal),
            repeated=repeated,
        )


def _argued(strategy: Strategy) -> str:
    """How it is argued, to stand after the word."""
    return strategy.statement.removeprefix("Argument ")


def _note(node: Node) -> CaseNote:
    digest = node.sha256 if isinstance(node, Context) else None
    return CaseNote(node.kind, node.kind.capitalize(), shortened(node.statement, 2 * MOST_TEXT), digest or "")


def _anchor(goal: Goal) -> str:
    return "case-" + goal.id.replace("/", "~")


def _counted(case: AssuranceCase) -> str:
    kinds = Counter(node.kind for node in case.nodes)
    held = Counter(node.status for node in case.nodes if isinstance(node, Goal))
    told = ", ".join(f"{held[status]} {mark.word}" for status, mark in STATUS.items() if held[status])
    return f"{plural(kinds['goal'], 'claim')} ({told}), {plural(kinds['solution'], 'piece')} of evidence"
