"""What a plan says of power: of each requirement, of all together, and how many items more of it would take. Pure."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from fractions import Fraction
from math import ceil

from releasegate.decision.chances import PlannedTest, planned_tests
from releasegate.decision.ways import Way, alpha_at, ways
from releasegate.plan import Plan
from releasegate.policy import Requirement, Section

NAMED = 0.9
"""The chance that numbers of items are named for."""


@dataclass(frozen=True)
class WayPower:
    """The chance of one way to be published.

    Attributes:
        way: `release`, or the name of the strip.
        power: of a model half-way between every limit and the ideal; from below where requirements share items.
        tests: slices of requirements that must all be shown.
        weakest: the requirement with the least chance.
    """

    way: str
    power: float
    tests: int
    weakest: str | None


@dataclass(frozen=True)
class RequirementPower:
    """The chance of one requirement, and what more of it would take.

    Attributes:
        truth: what it is worked out for, in the metric's unit: of a judged metric the rate that the judge reports.
        power: of all its slices, taken for disjoint.
        items: of its smallest slice.
        next_peak: items of a slice at which one more may go wrong than now; None where chance has no steps.
        needs: items of a slice for a chance of `NAMED` of the requirement; None: no number gives it.
        needs_for_all: the same where all requirements of the longest way together have that chance.
        needs_next, needs_for_all_next: these at the next attempt; None too where the policy declares no further one.
        problem: why no number of items can show it.
    """

    requirement: str
    truth: float
    power: float
    items: int
    next_peak: int | None = None
    needs: int | None = None
    needs_for_all: int | None = None
    needs_next: int | None = None
    needs_for_all_next: int | None = None
    problem: str | None = None

    def plain(self) -> dict[str, object]:
        """As JSON data, without what is not known."""
        return {name: value for name, value in asdict(self).items() if value is not None}


@dataclass(frozen=True)
class Powers:
    """What a plan says of power at its attempt."""

    ways: tuple[WayPower, ...]
    requirements: tuple[RequirementPower, ...]

    @property
    def least(self) -> float | None:
        """The chance of the way with the least; None without any."""
        return min((way.power for way in self.ways), default=None)

    def plain(self) -> dict[str, object]:
        """As JSON data."""
        return {"ways": [asdict(way) for way in self.ways], "requirements": [one.plain() for one in self.requirements]}


def powers(plan: Plan) -> Powers:
    """Return what a plan says of power."""
    again = plan.attempt + 1 if alpha_at(plan, plan.attempt + 1) else None
    found, later = ways(plan, plan.attempt), [] if again is None else ways(plan, again)
    share, share_later = _share(found), _share(later)
    made = []
    for c in plan.policy.capabilities:
        for section, r in plan.stated(plan.policy, c):
            now = _weakest(plan, r, section, plan.attempt)
            then = None if again is None else _weakest(plan, r, section, again)
            made.append(_requirement(r.id, now, then, share, share_later))
    listed = tuple(WayPower(w.name, w.power, len(w.tests), w.weakest.requirement if w.weakest else None) for w in found)
    return Powers(listed, tuple(made))


def _share(found: list[Way]) -> float:
    """The chance that each test must have for all of the longest way to have `NAMED` (Bonferroni)."""
    return 1 - (1 - NAMED) / max((len(way.tests) for way in found), default=1)


def _weakest(plan: Plan, r: Requirement, section: Section, attempt: int) -> list[PlannedTest]:
    return sorted(planned_tests(plan, r, section, alpha_at(plan, attempt)), key=lambda test: test.chance)


def _requirement(
    name: str, now: list[PlannedTest], then: list[PlannedTest] | None, share: float, share_later: float
) -> RequirementPower:
    first, later = now[0], then[0] if then else None
    chance = 1.0
    for test in now:
        chance *= test.chance
    own = 1 - (1 - NAMED) / len(now)
    return RequirementPower(
        requirement=name,
        truth=first.test.truth,
        power=chance,
        items=first.n,
        next_peak=first.test.next_peak(first.n),
        needs=first.test.items_for(own),
        needs_for_all=first.test.items_for(share),
        needs_next=None if later is None else later.test.items_for(own),
        needs_for_all_next=None if later is None else later.test.items_for(share_later),
        problem=first.test.problem,
    )


def sizes_for_power(plan: Plan, wanted: float) -> dict[str, int]:
    """Return how many items each eval with generated items is to have, for a way to be published to have so much chance.

    Each slice of each requirement gets an equal part of what may be missed. An eval of which the policy states a number
    (`n_max`) keeps it, and none gets fewer than planned. It follows from policy, cards and attempt alone.

    Args:
        plan: whose cells say which part of an eval's items each slice has.
        wanted: in (0, 1).
    """
    longest = max((len(way.tests) for way in ways(plan, plan.attempt)), default=1)
    share = 1 - (1 - wanted) / longest
    stated = {r.eval for r in plan.policy.requirements if r.n_max is not None}
    sizes: dict[str, int] = {}
    for c in plan.policy.capabilities:
        for section, r in plan.stated(plan.policy, c):
            card, found = plan.cards.get(r.eval), plan.find_gate(r.eval)
            if card is None or found is None or card.items.kind != "generated" or r.eval in stated or section == "keep":
                continue
            for test in planned_tests(plan, r, section, plan.alpha):
                needed = test.test.items_for(share)
                if needed is None or not test.n or needed <= test.n:
                    needed = test.n
                if test.n:
                    whole = ceil(Fraction(found.items * needed, test.n))
                    sizes[r.eval] = max(sizes.get(r.eval, found.items), whole)
    return sizes
