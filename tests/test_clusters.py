"""Clusters: one value each, in planned order; gaps; and what so few of them can show at most."""

from __future__ import annotations

import numpy as np
import pytest

from releasegate.clusters import ceiling, cluster_means, one_of_each
from releasegate.sequential import Claim, anytime_bounds, in_order, settle


def test_every_cluster_counts_the_same_however_many_items_it_has() -> None:
    values, clusters = np.array([1.0, 1, 1, 1, 1, 1, 0]), np.array([3, 3, 3, 3, 3, 3, 8])
    found = cluster_means(values, clusters)
    assert found.means.tolist() == [1, 0]
    assert found.recorded.all()


def test_clusters_stand_in_the_order_of_their_first_planned_items() -> None:
    found = cluster_means(np.array([0.0, 1, 0.5, 1]), np.array([9, 1, 4, 9]))
    assert found.means.tolist() == [0.5, 1, 0.5]
    assert one_of_each(np.array([9, 1, 4, 9])).tolist() == [0, 1, 2]


def test_a_cluster_with_a_gap_stops_the_sequence() -> None:
    values, clusters = np.ones(60), np.repeat(np.arange(30), 2)
    recorded = np.ones(60, dtype=bool)
    recorded[21] = False
    found = cluster_means(values, clusters, recorded)
    claim = Claim("mean", "at_least", 0.8, 0.05)
    assert len(in_order(claim, found.means, found.recorded, np.zeros(30, dtype=bool))) == 10
    assert settle(claim, found.means).met_at is not None


def test_no_clusters_have_no_means() -> None:
    empty = np.zeros(0)
    assert len(cluster_means(empty, empty.astype(int)).means) == 0
    assert len(one_of_each(empty.astype(int))) == 0


def test_14_perfect_speakers_show_at_most_81_percent() -> None:
    assert round(ceiling(14, 0.05), 2) == 0.81
    with pytest.raises(ValueError, match="no cluster"):
        ceiling(0, 0.05)


@pytest.mark.parametrize("clusters", [1, 5, 14, 40, 200])
@pytest.mark.parametrize("alpha", [0.05, 0.0101])
def test_the_bets_of_the_gate_show_no_more_than_the_ceiling(clusters: int, alpha: float) -> None:
    shown = anytime_bounds(Claim("mean", "at_least", 0.8, alpha), np.ones(clusters)).low
    assert ceiling(clusters, alpha) ** 2 < shown + 0.01 < ceiling(clusters, alpha) + 0.01
