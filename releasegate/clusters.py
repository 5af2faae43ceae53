"""Items that are not independent, such as the recordings of one person. Pure arithmetic.

A claim about new clusters rests on as many independent units as there are clusters, however many items each has. The
estimand is the unweighted mean over clusters.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class ClusterMeans(NamedTuple):
    """One value for each cluster, in the order of its first planned item.

    Attributes:
        means: float64 [clusters], the mean of its planned items.
        recorded: bool [clusters], whether each of its planned items has a record.
    """

    means: NDArray[np.float64]
    recorded: NDArray[np.bool_]


def cluster_means(
    values: NDArray[np.float64], clusters: NDArray[np.int64], recorded: NDArray[np.bool_] | None = None
) -> ClusterMeans:
    """The mean of each cluster, over all its planned items.

    Args:
        values: one for each planned item, in planned order, with what failed or is missing already at the end that hurts.
        clusters: the cluster of each planned item, a number.
        recorded: whether each item has a record; absent: all have.

    >>> cluster_means(np.array([1.0, 0, 1, 1]), np.array([7, 7, 2, 2]), np.array([True, True, True, False]))
    ClusterMeans(means=array([0.5, 1. ]), recorded=array([ True, False]))
    """
    known = np.ones(len(values), dtype=np.bool_) if recorded is None else recorded
    firsts, numbers = _numbered(clusters)
    sizes = np.bincount(numbers, minlength=len(firsts))
    means = np.bincount(numbers, weights=values, minlength=len(firsts)) / np.maximum(sizes, 1)
    gaps = np.bincount(numbers, weights=~known, minlength=len(firsts))
    return ClusterMeans(means, gaps == 0)


def one_of_each(clusters: NDArray[np.int64]) -> NDArray[np.int64]:
    """The places of the first planned item of each cluster, in planned order: independent units, one a cluster.

    >>> one_of_each(np.array([7, 7, 2, 7, 2, 5])).tolist()
    [0, 2, 5]
    """
    return _numbered(clusters)[0]


def ceiling(clusters: int, alpha: float) -> float:
    """The highest limit that so many perfect clusters could show to be reached, whatever the test: alpha^(1 / clusters).

    Were the truth below it, that many clusters would all be perfect with a probability above alpha. The bets of the gate
    show somewhat less: `anytime_bounds` of so many ones.

    >>> round(ceiling(14, .05), 2)
    0.81
    """
    if clusters < 1:
        raise ValueError("no cluster shows anything")
    return float(alpha ** (1 / clusters))


def _numbered(clusters: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The first place of each cluster, and each item's cluster, both in the order of first places."""
    _, firsts, inverse = np.unique(clusters, return_index=True, return_inverse=True)
    order = np.argsort(firsts)
    ranks = np.empty_like(order)
    ranks[order] = np.arange(len(order))
    return firsts[order], ranks[inverse]
