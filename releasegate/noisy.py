"""Limits for rates that a noisy judge reports: the limit is moved, not the estimate. Pure arithmetic.

A judge with sensitivity Se and specificity Sp = 1 - F says yes to a share Se p + F (1 - p) of items if p of them truly are
(W. J. Rogan, B. Gladen, "Estimating prevalence from the results of a screening test", 1978). That share rises with p, so a
limit on p is a limit on it. Se and F come from labelled items, each as an exact bound at alpha / 4, taken at the end that
hurts; the reported rate is then judged at alpha / 2 against the moved limit. Together they err with at most alpha.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import NamedTuple

from releasegate.intervals import Side, clopper_pearson
from releasegate.rounding import decimal

LEAST_INFORMED = 0.2
"""Below this Se + Sp - 1 a judge hardly tells the two kinds apart, and is refused."""


class Answers(NamedTuple):
    """What a judge said of labelled items of one kind, drawn from the population that it judges.

    Attributes:
        yes: items of which it said yes.
        n: items, failed ones included.
        failed: items on which it gave no answer.
    """

    yes: int
    n: int
    failed: int = 0


def moved_limit(limit: float, side: Side, positives: Answers, negatives: Answers, alpha: float) -> float:
    """The limit on the rate that the judge reports, in (0, 1). Compare it with a bound at alpha / 2.

    `at_most`: limit x Se_low + (1 - limit) x F_low; `at_least`: limit x Se_high + (1 - limit) x F_high. It is a constant,
    fixed by labels alone, so a sequential test takes it too.

    Args:
        limit: on the true rate, in (0, 1).
        positives: the judge's answers on items that truly are.
        negatives: on items that truly are not.
        alpha: effective alpha of the requirement; half of it is spent here.

    Raises:
        ValueError: there are no labels of a kind, or the judge cannot tell the two kinds apart well enough
            (Se_low + Sp_low - 1 < 0.2).

    >>> round(moved_limit(.2, "at_most", Answers(475, 500), Answers(25, 500), .05), 4)
    0.2092
    >>> round(moved_limit(.9, "at_least", Answers(475, 500), Answers(25, 500), .05), 4)
    0.8801
    """
    if not 0 < limit < 1:
        raise ValueError(f"no limit of {limit} on a rate")
    if not positives.n or not negatives.n:
        raise ValueError("a judge needs labelled items of both kinds")
    informed = _informed(positives, negatives, alpha)
    if informed < LEAST_INFORMED:
        low = decimal(informed, [LEAST_INFORMED])
        raise ValueError(
            f"the judge cannot decide: Se + Sp - 1 may be as low as {low}, at least {LEAST_INFORMED} is needed"
        )
    return _shifted(limit, side, positives, negatives, alpha)


def worst_limits(
    limit: float, side: Side, positives: Sequence[Answers], negatives: Sequence[Answers], alpha: float
) -> tuple[float, float]:
    """`moved_limit` and `refuting_limit` by the kinds of labelled items that hurt most, as a model may give those alone.

    A mixture of kinds has errors between those of its kinds. The bound of the worst kind fails no more often than alpha / 4,
    whichever it is, so that the number of kinds costs nothing.

    Args:
        limit, side, alpha: as of `moved_limit`.
        positives, negatives: on all labelled items, and then on those of each kind. All of them say whether the judge can
            decide.

    Raises:
        ValueError: as of `moved_limit`, or on some kind the judge may be wrong each time.

    >>> refused, babbled = Answers(1, 50), Answers(18, 50)
    >>> [round(x, 3) for x in worst_limits(.25, "at_most", [Answers(85, 100)], [Answers(19, 100), refused, babbled], .03)]
    [0.186, 0.637]
    """
    moved_limit(limit, side, positives[0], negatives[0], alpha)
    hurting, helping = (min, max) if side == "at_most" else (max, min)
    pairs = list(product(positives, negatives))
    moved = hurting(_shifted(limit, side, *pair, alpha) for pair in pairs)
    if not 0 < moved < 1:
        raise ValueError("the judge cannot decide: of one kind of labelled items it may take every one wrongly")
    return moved, helping(refuting_limit(limit, side, *pair, alpha) for pair in pairs)


def _shifted(limit: float, side: Side, positives: Answers, negatives: Answers, alpha: float) -> float:
    """The moved limit, though the judge can decide nothing."""
    # A label without an answer hurts: as no where a low rate is wanted, for it lowers what the judge must report; else as yes.
    lost = (0, 0) if side == "at_most" else (positives.failed, negatives.failed)
    se = clopper_pearson(positives.yes + lost[0], positives.n, alpha / 4)
    f = clopper_pearson(negatives.yes + lost[1], negatives.n, alpha / 4)
    return limit * se.low + (1 - limit) * f.low if side == "at_most" else limit * se.high + (1 - limit) * f.high


def refuting_limit(limit: float, side: Side, positives: Answers, negatives: Answers, alpha: float) -> float:
    """The limit that the reported rate must be beyond, by a bound at alpha / 2, before the true one is said to be.

    The other end of what the judge's errors may be: a rate within the limit is reported beyond this one with a probability of
    at most alpha. `at_most`: limit x Se_high + (1 - limit) x F_high; `at_least`: limit x Se_low + (1 - limit) x F_low.

    Args:
        limit, side, positives, negatives, alpha: as of `moved_limit`. Answers that are missing count for the requirement.

    >>> round(refuting_limit(.2, "at_most", Answers(475, 500), Answers(25, 500), .05), 4)
    0.255
    """
    lost = (positives.failed, negatives.failed) if side == "at_most" else (0, 0)
    se = clopper_pearson(positives.yes + lost[0], positives.n, alpha / 4)
    f = clopper_pearson(negatives.yes + lost[1], negatives.n, alpha / 4)
    return limit * se.high + (1 - limit) * f.high if side == "at_most" else limit * se.low + (1 - limit) * f.low


def _informed(positives: Answers, negatives: Answers, alpha: float) -> float:
    """The lower bound of Se + Sp - 1, with labels without an answer counted as wrong."""
    se = clopper_pearson(positives.yes, positives.n, alpha / 4)
    f = clopper_pearson(negatives.yes + negatives.failed, negatives.n, alpha / 4)
    return se.low - f.high
