"""Why items stand where they are shown, in words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import assert_never

from releasegate.decision import Decision
from releasegate.decision.record import VERDICTS
from releasegate.plan import Plan
from releasegate.reporting.gathered.concern import Concern
from releasegate.reporting.gathered.gathering import Picked
from releasegate.reporting.gathered.rows import RowRank


@dataclass(frozen=True)
class Beside:
    """What is said of samples that stand side by side.

    Attributes:
        differ: the title of items of which they differ.
        one: where some of them are, and others are not.
        every: where all of them are.
    """

    differ: str
    one: str
    every: str


CHECKPOINTS = Beside("Differ between checkpoints", "on one checkpoint and not on another", "on every checkpoint")
RUNS = Beside("Differ between the runs", "in one run and not in the other", "in both runs")


def evals_of(plan: Plan, decision: Decision) -> list[str]:
    """The evals of a plan, those that matter most first: by the verdicts of the capabilities that they are about."""
    verdicts = {c.id: VERDICTS.index(c.verdict) for c in decision.capabilities}
    worst_first = sorted(plan.policy.capabilities, key=lambda c: -verdicts.get(c.id, 0))
    about = [requirement.eval for capability in worst_first for _, _, requirement in capability.sections()]
    return [name for name in dict.fromkeys((*about, *plan.cards)) if name in plan.cards]


def reason_of(rank: RowRank, metric: str, concern: Concern, beside: Beside | None) -> tuple[str, str]:
    """The title of the items of a rank, and what puts them there.

    Args:
        metric: that the items are shown by.
        beside: what stands side by side; None where each sample stands alone.
    """
    high = concern.hit_matters(metric)
    worst = "highest first" if high else "lowest first"
    bad, good = ("hit", "miss") if high else ("miss", "hit")
    where = "" if beside is None else f" {beside.every}"
    match rank:
        case 0:
            beside = beside or CHECKPOINTS
            return beside.differ, f"a {bad} {beside.one}; a {bad} speaks against the release"
        case 1:
            return f"{_plural(bad)}{where}".capitalize(), f"a {bad} speaks against the release"
        case 2:
            return "Failed", "an item without a value counts against the release"
        case 3 if concern.yes_or_no(metric):
            return f"{_plural(good)}{where}".capitalize(), f"a {good} speaks for the release; a few, to compare"
        case 3:
            return worst.capitalize(), f"the {worst.partition(' ')[0]} values speak against the release"
        case _:
            assert_never(rank)


def counted(picked: Picked, metric: str, concern: Concern) -> str:
    """How many samples are hits; of values that are neither hit nor miss, how many there are."""
    against, failed, rest = (picked.count[rank] for rank in (0, 1, 2))
    if not concern.yes_or_no(metric):
        return f"{against + rest} scored" + (f", {failed} failed" if failed else "")
    hits, misses = (against, rest) if concern.hit_matters(metric) else (rest, against)
    return f"{hits} of {hits + misses} hit" + (f", {failed} failed" if failed else "")


def _plural(word: str) -> str:
    return "misses" if word == "miss" else "hits"
