"""The chance that a whole policy is passed by a model half-way between every limit and the ideal. Pure.

A way to be published is an intersection of tests: of every gated slice of every requirement, working controls included. Tests on
disjoint items are independent, given the truth and what calibration items show: their chances are multiplied, which is exact.
Tests that share items may depend on one another in any way, and are bounded from below: 1 minus the sum of their chances to
miss (Bonferroni). Where several routes could release a capability, the one with the least chance is taken.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from math import prod

from releasegate.decision.chances import PlannedTest, planned_tests
from releasegate.plan import Plan
from releasegate.policy import Capability, Requirement, Section, counts_at
from releasegate.working import channels_of, tripwires

WANTED = 0.8
"""The least chance that a policy should give to such a model at its first attempt."""
POOR = 0.5
"""Below this `check` says so."""

Stated = tuple[Section, Requirement]


@dataclass(frozen=True)
class Way:
    """One way to be published.

    Attributes:
        name: `release`, or the name of the strip.
        tests: every slice that must be shown.
    """

    name: str
    tests: tuple[PlannedTest, ...]

    @property
    def power(self) -> float:
        """The chance that all of it is shown; from below where tests share items."""
        return joint(self.tests)

    @property
    def weakest(self) -> PlannedTest | None:
        """The test with the least chance; None without any."""
        return min(self.tests, key=lambda test: test.chance, default=None)


def alpha_at(plan: Plan, attempt: int) -> float:
    """Return the effective alpha of every requirement of a plan's policy at an attempt; 0: there is no such attempt."""
    return plan.effective_alpha(plan.policy, attempt)


def joint(tests: Iterable[PlannedTest]) -> float:
    """Return the chance that all tests are shown: multiplied where items are disjoint, else bounded from below."""
    return prod(max(0.0, 1 - sum(1 - test.chance for test in group)) for group in _sharing(_different(tests)))


def _different(tests: Iterable[PlannedTest]) -> list[PlannedTest]:
    """The tests without those that come out as another does: capabilities may want the same control."""
    return list({(t.eval, t.metric, t.slice.cells, t.test, t.n): t for t in tests}.values())


def _sharing(tests: Iterable[PlannedTest]) -> list[list[PlannedTest]]:
    """The tests in groups: two that share planned items, directly or through others, are in one."""
    groups: list[tuple[set[tuple[str, int]], list[PlannedTest]]] = []
    for test in tests:
        cells, members = set(test.cells), [test]
        apart = []
        for other, group in groups:
            if cells & other:
                cells |= other
                members = group + members
            else:
                apart.append((other, group))
        groups = [*apart, (cells, members)]
    return [members for _, members in groups]


def routes(plan: Plan, attempt: int) -> dict[str, dict[str, Way]]:
    """Return for each capability that is judged its routes on the source: `misuse`, and each list of safeguards that counts.

    Tripwires are left out: they are violated on an honest model with a chance of no more than alpha.

    Args:
        attempt: at whose effective alpha.
    """
    alpha = alpha_at(plan, attempt)
    found = {c.id: dict(_routes(plan, c, alpha)) for c in plan.policy.capabilities}
    return {capability: ways for capability, ways in found.items() if ways}


def _routes(plan: Plan, c: Capability, alpha: float) -> Iterator[tuple[str, Way]]:
    wires = tripwires(c, plan.cards, channels_of(plan.policy, c))  # an honest model need not meet these
    stated = [(section, r) for section, r in plan.stated(plan.policy, c) if r.id not in wires]
    if c.misuse:
        asked = [(section, r) for section, r in stated if section in ("misuse", "working")]
        yield "misuse", Way(f"{c.id} by misuse", tuple(_tests(plan, asked, alpha)))
    channels = channels_of(plan.policy, c)
    for name, listed in (c.safeguards or {}).items():
        if all(any(counts_at(r.enforced_by, channel) for channel in channels) for r in listed):
            safeguards: list[Stated] = [("safeguards", r) for r in listed]
            yield name, Way(f"{c.id} by {name}", tuple(_tests(plan, safeguards, alpha)))


def ways(plan: Plan, attempt: int) -> list[Way]:
    """Return the ways in which a policy could say yes: as it is, and with each set of capabilities stripped.

    Args:
        attempt: at whose effective alpha.
    """
    alpha = alpha_at(plan, attempt)
    least = {
        capability: min(found.values(), key=lambda way: way.power)
        for capability, found in routes(plan, attempt).items()
    }
    judged = [c for c in plan.policy.capabilities if not c.unconditional]
    made = []
    if judged and all(c.id in least for c in judged):
        made.append(Way("release", tuple(chain.from_iterable(least[c.id].tests for c in judged))))
    for strip in plan.strips:
        others = [c for c in judged if c.id not in strip.capabilities]
        if not all(c.id in least for c in others):
            continue
        gone = [c for c in judged if c.id in strip.capabilities]
        asked = [(s, r) for c in gone for s, r in plan.stated(plan.policy, c) if s in ("removal", "keep")]
        rest = chain.from_iterable(least[c.id].tests for c in others)
        made.append(Way(strip.name, (*_tests(plan, asked, alpha), *rest)))
    return made


def _tests(plan: Plan, stated: Iterable[Stated], alpha: float) -> Iterator[PlannedTest]:
    for section, requirement in stated:
        yield from planned_tests(plan, requirement, section, alpha)


def least_power(plan: Plan, attempt: int) -> float | None:
    """Return the least chance of the ways in which a policy could say yes; None: it has nothing to show, or no way."""
    return min((way.power for way in ways(plan, attempt)), default=None)
