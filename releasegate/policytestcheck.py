"""Whether a policy test makes sense beside its policy and its evals. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np

from releasegate.documents import Located, place
from releasegate.errors import Problem, nearest
from releasegate.evalcard import EvalCard
from releasegate.evidence import MEASURED, Labels
from releasegate.policy import Policy
from releasegate.policytest import (
    Part,
    PlacedCell,
    PolicyTest,
    StatedCell,
    outcome_columns,
    pairs,
    stated_cells,
    whole_case,
)
from releasegate.working import channels_of, controls, states_controls
from releasegate.yamltext import Path


def problems(located: Located[PolicyTest], policy: Policy, cards: Mapping[str, EvalCard]) -> list[Problem]:
    """Everything about the test that does not fit the policy and its evals, in the order of the file."""
    found = [
        problem
        for number in range(len(located.record.cases))
        for problem in _Checking(located, policy, cards, number).problems()
    ]
    # What is wrong with a cell of several combinations, or of all cases, is found for each.
    return sorted(dict.fromkeys(found), key=lambda problem: place(problem.where))


class _Checking:
    """One case beside its policy."""

    def __init__(
        self, located: Located[PolicyTest], policy: Policy, cards: Mapping[str, EvalCard], number: int
    ) -> None:
        self._located, self._policy, self._cards, self._number = located, policy, cards, number
        self._case = located.record.cases[number]
        self._source = stated_cells(located.record, number, "source")
        self._gated: dict[str, dict[str, str]] = {}
        self._kept: set[str] = set()
        for capability in policy.capabilities:
            for section, _, requirement in capability.sections():
                self._gated.setdefault(requirement.eval, {})[requirement.metric_name] = requirement.id
                if section == "keep":
                    self._kept.add(requirement.metric)
        self._controls: list[str] = []
        stated = whole_case(located.record, number).evidence.source
        for capability in policy.capabilities if states_controls(policy, cards, stated) else ():
            for control in controls(capability, cards, channels_of(policy, capability)):
                self._gated.setdefault(control.eval, {}).setdefault(control.metric_name, control.id)
                self._controls.append(control.id)

    def problems(self) -> Iterator[Problem]:
        """In no order."""
        at: Path = ("cases", self._number)
        titles = [case.title for case in self._located.record.cases]
        if titles.index(self._case.title) < self._number:
            yield self._problem((*at, "title"), "two cases have this title", "say what makes this one different")
        parts: tuple[Part, ...] = ("source", "stripped", "calibration")
        for part in parts:
            for eval_id, placed in stated_cells(self._located.record, self._number, part).items():
                yield from self._eval(part, eval_id, placed)
        for evidence, where in ((self._located.record.given, ("given",)), (self._case.evidence, (*at, "evidence"))):
            if evidence is not None and evidence.stripped and not self._policy.strips:
                yield self._problem((*where, "stripped"), "nothing of this policy comes to strip", "remove it")
        yield from self._expectation((*at, "expect"))

    def _problem(self, path: Path, what: str, fix: str, *, key: bool = False) -> Problem:
        return self._located.problem(path, what, fix, key=key)

    def _eval(self, part: Part, eval_id: str, placed: Sequence[PlacedCell]) -> Iterator[Problem]:
        at, card = placed[-1].at[:-1], self._cards.get(eval_id)
        if eval_id not in self._gated or card is None:
            what = f"policy {self._policy.id} gates nothing of an eval {eval_id!r}"
            for where in dict.fromkeys(p.at[:-1] for p in placed):
                yield self._problem(where, what, _nearest(eval_id, self._gated), key=True)
            return
        if part == "calibration" and not card.items.calibration:
            yield self._problem(at, f"eval {eval_id} has no calibration items", "remove it")
        seen: list[Labels] = []
        sound = True
        for p in placed:
            if p.cell.labels in seen:
                yield self._problem(p.at, "another cell has these labels", "state all of it in one cell")
            seen.append(p.cell.labels)
            wrong = list(self._cell(part, p.cell, card, p.at))
            yield from wrong
            sound = sound and not wrong
            if not wrong and part == "stripped":
                yield from self._beside_source(p.cell, card, p.at)
        carried = {metric for p in placed for metric in p.cell.metrics}
        complete = part == "source" and sound and any(p.cell.measured for p in placed)
        for metric, requirement in self._gated[eval_id].items():
            if complete and metric not in carried:
                what = f"states nothing about {metric}, which {requirement} is about"
                yield self._problem(at, what, "state its hits")

    def _cell(self, part: Part, cell: StatedCell, card: EvalCard, at: Path) -> Iterator[Problem]:
        for dimension in cell.labels:
            stated = [key for key in ("labels", "each") if (*at, key, dimension) in self._located.parsed.keys]
            if len(stated) > 1:
                what = f"{dimension} stands under labels as well"
                yield self._problem((*at, "each", dimension), what, "state it once", key=True)
            if dimension not in card.slices:
                what = f"eval {card.id} has no dimension {dimension!r}"
                fix = _nearest(dimension, card.slices)
                yield self._problem((*at, *stated[:1], dimension), what, fix, key=True)
        if cell.measured < 0:
            yield self._problem(at, f"{cell.failed + cell.missing} of {cell.n} items are lost", "lose no more than n")
            return
        if cell.measured and not cell.metrics:
            yield self._problem(at, "states nothing about its measured items", "add `hits:`")
        for kind in ("hits", "values", "losses", "gains"):
            for metric in getattr(cell, kind):
                yield from self._statement(part, cell, kind, metric, card, (*at, kind, metric))

    def _statement(
        self, part: Part, cell: StatedCell, kind: str, metric: str, card: EvalCard, at: Path
    ) -> Iterator[Problem]:
        known = card.metrics.get(metric)
        if known is None:
            yield self._problem(
                at, f"eval {card.id} has no metric {metric!r}", _nearest(metric, card.metrics), key=True
            )
            return
        doubled = [k for k in ("hits", "values") if k != kind and metric in getattr(cell, k)]
        if doubled:
            yield self._problem(at, f"{metric} stands under {doubled[0]} as well", "state it once")
        if kind == "values":
            refused = next((known.refusal(v) for v in cell.values[metric] if known.refusal(v)), None)
            if refused:
                yield self._problem(at, f"every value must be {refused}", "correct the value")
        elif known.type != "bernoulli" and (kind, known.type) != ("hits", "thresholded"):
            yield self._problem(at, f"{metric} is {known.type} and has no {kind}", "state its `values:`")
        if kind == "hits" and cell.hits[metric] > cell.measured:
            yield self._problem(at, f"{cell.hits[metric]} hits in {cell.measured} measured items", "correct the count")
        paired = kind in ("losses", "gains")
        if paired and part != "stripped":
            yield self._problem(at, f"only a stripped checkpoint has {kind}", "state `hits:`")
        if not paired and part == "stripped" and f"{card.id}/{metric}" in self._kept and known.type == "bernoulli":
            yield self._problem(at, "keep compares item by item with the source", "state `losses:` and `gains:`")

    def _beside_source(self, cell: StatedCell, card: EvalCard, at: Path) -> Iterator[Problem]:
        """The items of the stripped checkpoint are those of the source."""
        listed = self._source.get(card.id, [])
        beside = next((other.cell for other in listed if other.cell.labels == cell.labels), None)
        paired = {*cell.losses, *cell.gains}
        if beside is None:
            if paired:
                what = "the source has no cell with these labels to compare with"
                yield self._problem(at, what, f"state it under `source: {card.id}:`")
            return
        if beside.n != cell.n:
            yield self._problem((*at, "n"), f"the source has {beside.n} items with these labels", "state the same n")
            return
        for metric in sorted(beside.metrics - cell.metrics if cell.measured else ()):
            yield self._problem(at, f"states nothing about {metric}, which its items carry", "state its hits or losses")
        for metric in sorted(cell.metrics - beside.metrics if beside.measured else ()):
            yield self._problem(at, f"the source states nothing about {metric}", "state its hits there")
        if not paired <= set(beside.hits):
            return
        base = outcome_columns(beside, None, card.metrics)
        lost = cell.model_copy(update={"hits": {}, "values": {}, "losses": {}, "gains": {}})
        measured = np.flatnonzero(outcome_columns(lost, None, card.metrics).state == MEASURED)
        for metric in sorted(paired):
            right, wrong = pairs(metric, measured, base, card.metrics[metric].better)
            for kind, stated, most in (("losses", cell.losses, len(right)), ("gains", cell.gains, len(wrong))):
                if stated.get(metric, 0) > most:
                    what = f"{stated[metric]} {kind}, and at most {most} pairs could be"
                    yield self._problem((*at, kind, metric), what, "correct the count")

    def _expectation(self, at: Path) -> Iterator[Problem]:
        expect = self._case.expect
        listed: list[str] = list(self._policy.release.channels)
        for artefact in expect.artefacts:
            if artefact not in listed:
                what = f"policy {self._policy.id} lists no artefact {artefact!r}"
                yield self._problem((*at, "artefacts", artefact), what, _nearest(artefact, listed), key=True)
        capabilities = [c.id for c in self._policy.capabilities]
        for name in expect.capabilities:
            if name not in capabilities:
                what = f"policy {self._policy.id} has no capability {name!r}"
                yield self._problem((*at, "capabilities", name), what, _nearest(name, capabilities), key=True)
        sections = [(s, r.id) for c in self._policy.capabilities for s, _, r in c.sections()]
        on_source = [r for s, r in sections if s in ("misuse", "working", "safeguards")] + self._controls
        for where, known in (("source", on_source), ("stripped", [*(r for _, r in sections), *self._controls])):
            for name in getattr(expect, where):
                if name not in known:
                    what = f"no requirement {name!r} is judged on the {where} checkpoint"
                    yield self._problem((*at, where, name), what, _nearest(name, known), key=True)


def _nearest(name: str, known: Iterable[str]) -> str:
    return nearest(name, sorted(known), "remove it")
