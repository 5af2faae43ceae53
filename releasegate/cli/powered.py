"""What `plan` says of power: of a model half-way between every limit and the ideal, at this attempt and the next."""

from __future__ import annotations

from collections.abc import Mapping

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from releasegate.cli.budget import time_in_words
from releasegate.decision.powers import NAMED, Powers, powers
from releasegate.decision.ways import WANTED
from releasegate.plan import SOURCE, Plan

PATIENCE_S = 3600
"""Seconds on two CPU cores that a gate of a shipped policy may take."""


def print_powers(console: Console, plan: Plan) -> None:
    """Print what a plan says of power."""
    found = powers(plan)
    if not found.requirements:
        return
    console.print(
        "power: the chance that a model passes which is half-way between every limit and the ideal (what is kept: no loss), "
        "with instruments that err as their cards expect",
        style="dim",
    )
    for way in found.ways:
        least = "" if way.weakest is None else f", least of all {way.weakest}"
        console.print(f"{way.way}: {way.power:.3f} over {way.tests} slices together{least}", markup=False)
    console.print(_table(found))
    for way in found.ways:
        if way.power < WANTED:
            console.print(f"warning: {way.way}: {escape(short_of(plan, found, way.power))}", style="yellow")


def _table(found: Powers) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    titles = ("requirement", "truth", "power", "one more at", f"for {NAMED:g}", "all", "next attempt", "all then")
    for title in titles:
        table.add_column(title, justify="left" if title == "requirement" else "right")
    for one in found.requirements:
        counts = (one.next_peak, one.needs, one.needs_for_all, one.needs_next, one.needs_for_all_next)
        shown = ["–" if count is None else str(count) for count in counts]
        table.add_row(one.requirement, f"{one.truth:.3g}", f"{one.power:.3f}", *shown)
    return table


def short_of(plan: Plan, found: Powers, power: float) -> str:
    """Return why such a model seldom passes, in words, and what it would take.

    Args:
        power: of the way that is short.
    """
    said = f"such a model passes with a chance of {power:.2f} at attempt {plan.attempt}, under {WANTED:g}"
    hopeless = [one.requirement for one in found.requirements if one.needs_for_all is None]
    if hopeless:
        return f"{said}: no number of items gives {NAMED:g} for {', '.join(hopeless)}"
    short = _short(plan, found)
    seconds = seconds_for(plan, short)
    fixed = sorted(name for name in short if plan.cards[name].items.kind != "generated")
    pools = f"; the pools of {', '.join(fixed)} hold what is planned" if fixed else "; see --for-power"
    takes = (
        f"{said}: {NAMED:g} takes {max(short.values(), default=1):.1f} times the items, about {time_in_words(seconds)}"
    )
    slow = seconds is not None and seconds > PATIENCE_S
    return f"{takes} on two CPU cores{', more than 60 minutes' if slow else ''}{pools}"


def _short(plan: Plan, found: Powers) -> Mapping[str, float]:
    """How many times its items each eval would need that has too few."""
    evals = {r.id: r.eval for c in plan.policy.capabilities for _, r in plan.stated(plan.policy, c)}
    times: dict[str, float] = {}
    for one in found.requirements:
        if one.needs_for_all is not None and one.items and one.needs_for_all > one.items:
            name = evals[one.requirement]
            times[name] = max(times.get(name, 1.0), one.needs_for_all / one.items)
    return times


def seconds_for(plan: Plan, times: Mapping[str, float]) -> float | None:
    """Return about how long measuring would take, on two CPU cores, with so many times the items; None: a card does not say."""
    by_checkpoint: dict[str, float] = {SOURCE: 0.0}
    for m in plan.measurements:
        each = plan.cards[m.eval].items.seconds_per_item
        if each is None:
            return None
        more = times.get(m.eval, 1.0) if m.role == "gate" else 1.0
        by_checkpoint[m.checkpoint] = by_checkpoint.get(m.checkpoint, 0.0) + each * m.items * more
    return by_checkpoint[SOURCE] + max((by_checkpoint[strip.name] for strip in plan.strips), default=0.0)
