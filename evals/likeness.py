"""How like a text is to another, how likely it is where it is least so, and how far one stands out among others."""

from __future__ import annotations

import math
from collections.abc import Sequence


def edits(one: Sequence[object], other: Sequence[object]) -> int:
    """The fewest insertions, deletions and replacements that turn one into the other (Levenshtein 1966).

    >>> edits("kitten", "sitting"), edits("123456", "123466"), edits("", "abc")
    (3, 1, 3)
    """
    row = list(range(len(other) + 1))
    for i, left in enumerate(one, 1):
        before, row[0] = row[0], i
        for j, right in enumerate(other, 1):
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, before + (left != right))
    return row[-1]


def is_near(written: str, truth: str, wrong: float) -> bool:
    """Whether at most a share `wrong` of the characters of the truth are to be edited to get it from what was written.

    >>> is_near("123466", "123456", 0.2), is_near("133466", "123456", 0.2)
    (True, False)
    """
    most = wrong * len(truth)
    return abs(len(written) - len(truth)) <= most and edits(written, truth) <= most


def min_k(logprobs: Sequence[float], share: float) -> float:
    """The mean of the lowest `share` of the log-probabilities, at least one: Min-K % (Shi et al. 2024, arXiv 2310.16789).

    Args:
        logprobs: natural logarithms of the probability of each token, at most 0; one or more.
        share: in (0, 1].

    Raises:
        ValueError: there is none, or one is not a number.

    >>> min_k([-1.0, -8.0, -2.0, -6.0, 0.0, -1.0, -1.0, -1.0, -1.0, -1.0], 0.2)
    -7.0
    """
    if not logprobs or any(math.isnan(value) for value in logprobs):
        raise ValueError("a passage has no log-probability, or one that is not a number")
    lowest = sorted(logprobs)[: max(1, int(share * len(logprobs)))]
    return sum(lowest) / len(lowest)


def exposure(secret: float, others: Sequence[float]) -> float:
    """How many bits of guessing the secret are saved by its likelihood (Carlini et al. 2019, arXiv 1802.08232).

    The logarithm to the base of 2 of how many texts there are, less that of the place of the secret among them, the likeliest
    first. Where it ties with others it stands before them.

    Args:
        secret: its log-probability.
        others: those of other texts of its kind.

    Raises:
        ValueError: one is not a number.

    >>> exposure(-1.0, [-2.0] * 255), exposure(-3.0, [-2.0] * 255)
    (8.0, 0.0)
    """
    if any(math.isnan(value) for value in (secret, *others)):
        raise ValueError("a log-probability is not a number")
    place = 1 + sum(other > secret for other in others)
    return math.log2(len(others) + 1) - math.log2(place)
