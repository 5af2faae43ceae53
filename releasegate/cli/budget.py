"""What attempts have spent, what is left for more, and how long one takes."""

from __future__ import annotations

from collections import Counter, defaultdict
from math import ceil

from releasegate.ledger import Attempt, Outcome
from releasegate.plan import SOURCE, Measurement, Plan
from releasegate.records import Record


class Spent(Record):
    """One attempt that was opened."""

    attempt: int
    verdict: Outcome | None
    """How it was decided last; left out where it was not."""


class Budget(Record):
    """The error rate of a policy over its attempts."""

    spent: tuple[Spent, ...]
    alpha: float
    """Of the policy, for all attempts together."""
    left: float
    """What of it attempts from the next one to be opened on may still use."""
    effective_alpha: float
    """Of every requirement, at the attempt that is planned."""
    next_effective_alpha: float | None = None
    """The same at the attempt after it; left out where there is none."""
    attempts: int | None = None
    """The number of the last attempt, where the ledger declares one."""


class Duration(Record):
    """About how long measuring takes, in seconds on two CPU cores."""

    measurements: tuple[float | None, ...]
    """Of each measurement of the plan, in its order; null where its card does not say."""
    total: float | None
    """Of the source and of the strip that takes longest, calibration included; loading models is not. Left out where a card
    does not say."""


def budget(plan: Plan, attempts: tuple[Attempt, ...]) -> Budget:
    """What the attempts so far spent.

    Args:
        attempts: those that the ledger knows, up to the planned one if that is opened.
    """
    whole, spends = plan.policy.release.alpha, plan.spends
    return Budget(
        spent=tuple(Spent(attempt=a.number, verdict=a.closed.verdict if a.closed else None) for a in attempts),
        alpha=whole,
        left=whole * spends.left_after(max(len(attempts), spends.first - 1)),
        effective_alpha=plan.alpha,
        next_effective_alpha=plan.effective_alpha(plan.policy, plan.attempt + 1) or None,
        attempts=spends.attempts,
    )


def duration(plan: Plan) -> Duration:
    """How long the measurements of a plan take: at most one of its strips is made."""
    each = [_seconds(plan, m) for m in plan.measurements]
    by_checkpoint: defaultdict[str, float] = defaultdict(float)
    for m, seconds in zip(plan.measurements, each, strict=True):
        by_checkpoint[m.checkpoint] += seconds or 0
    strips = [by_checkpoint[strip.name] for strip in plan.strips]
    total = None if None in each else by_checkpoint[SOURCE] + max(strips, default=0)
    return Duration(measurements=tuple(each), total=total)


def in_words(found: Budget, following: int) -> str:
    """The attempts so far and their verdicts, in one line.

    Args:
        following: the number of the attempt that is opened next.
    """
    verdicts = Counter(s.verdict or "not closed" for s in found.spent)
    ends = ", ".join(f"{count} {verdict}" for verdict, count in sorted(verdicts.items()))
    spent = f"attempts spent: {len(found.spent)}{f' ({ends})' if ends else ''}"
    on = "on" if found.attempts is None else f"to {found.attempts}"
    if found.attempts is not None and following > found.attempts:
        return f"{spent} · nothing of alpha {found.alpha:g} left: the last of {found.attempts} attempts is opened"
    return f"{spent} · {found.left:.4f} of alpha {found.alpha:g} left from attempt {following} {on}"


def time_in_words(seconds: float | None) -> str:
    """About how long something takes, rounded up for people; a dash for what nobody knows.

    >>> [time_in_words(s) for s in (None, 0.4, 42, 600, 9000)]
    ['–', '1 s', '42 s', '10 min', '2.5 h']
    """
    if seconds is None:
        return "–"
    if seconds < 100:
        return f"{ceil(seconds)} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


def _seconds(plan: Plan, m: Measurement) -> float | None:
    each = plan.cards[m.eval].items.seconds_per_item
    return None if each is None else each * m.items
