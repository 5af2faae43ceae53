"""The samples of two runs that measured the same items, as one gallery: each checkpoint of each run is a column of its own."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import groupby

from releasegate.evidence import Failed, Measured
from releasegate.plan import Plan
from releasegate.reporting.gathered.concern import concern_of
from releasegate.reporting.gathered.gathering import Gathered, metrics_of
from releasegate.reporting.gathered.rows import PickedRows, Row, badness_of, rank_of
from releasegate.reporting.outputs.purse import Purse
from releasegate.reporting.samples.showing import galleries
from releasegate.reporting.samples.veiling import Veil
from releasegate.reporting.sampleview import Exhibit, Gallery
from releasegate.reporting.wording.words import checkpoint
from releasegate.repository.deciding_run import Decided

WHICH = ("A", "B")
SENSITIVE = ("", "personal", "harmful")
"""From the least to the most that is to be held back."""
Two = tuple[Gathered, Gathered]


def same_items(one: Plan, other: Plan, eval_id: str) -> bool:
    """Whether two runs measured the same items of an eval: they follow from the nonce, the card and the harness."""
    a, b = one.find_gate(eval_id), other.find_gate(eval_id)
    if a is None or b is None or one.nonce is None or (one.nonce, one.rehearsal) != (other.nonce, other.rehearsal):
        return False
    return (a.card, a.harness, a.params, a.cells) == (b.card, b.harness, b.params, b.cells)


def joined_galleries(
    runs: tuple[Decided, Decided], gathered: Two, evals: frozenset[str], purses: tuple[Purse, Purse]
) -> tuple[Gallery, ...]:
    """Galleries of the evals that are no sounds, with the columns of A before those of B.

    Args:
        evals: of which both runs measured the same items.
        purses: what the pictures and texts of each run may take of the page.
    """
    sounding = {key[0] for one in gathered for key in one.heard}
    shared = evals - sounding
    rows = {key: found for eval_id in sorted(shared) for key, found in _rows(runs, gathered, eval_id).items()}
    groups = {
        (key[0], _column(which, key[1]), key[2]): picked
        for which, one in zip(WHICH, gathered, strict=True)
        for key, picked in one.groups.items()
        if key[0] in shared
    }
    pictured = gathered[0].pictured | gathered[1].pictured
    drawn = [
        galleries(
            Gathered(cuts=one.cuts, groups=groups, rows=rows, pictured=pictured),
            of.plan,
            Veil(of.plan, of.decision),
            of.run.outputs,
            purse,
        )
        for of, one, purse in zip(runs, gathered, purses, strict=True)
    ]
    other = {gallery.anchor: gallery for gallery in drawn[1]}
    return tuple(_merged(gallery, other.get(gallery.anchor)) for gallery in drawn[0])


def _column(which: str, name: str) -> str:
    return f"{which}, {checkpoint(name)}"


def _rows(runs: tuple[Decided, Decided], gathered: Two, eval_id: str) -> dict[tuple[str, tuple[str, ...]], PickedRows]:
    """The items of an eval by their metrics, each with its samples in both runs: those that differ first."""
    plan = runs[0].plan
    concern = concern_of(plan.policy, plan.cards[eval_id], gathered[0].cuts)
    found: dict[tuple[str, tuple[str, ...]], PickedRows] = {}
    for item, samples in _side_by_side(runs, eval_id):
        row = Row(item, samples)
        key = eval_id, metrics_of(next(iter(samples.values())))
        found.setdefault(key, PickedRows()).offer(rank_of(concern, row), badness_of(concern, row), row)
    return found


def _side_by_side(runs: tuple[Decided, Decided], eval_id: str) -> Iterator[tuple[int, Mapping[str, Measured | Failed]]]:
    """The samples of each item by column; each measurement is in the planned order."""

    def numbered(of: Decided, which: str, name: str) -> Iterator[tuple[int, str, Measured | Failed]]:
        measurement = of.plan.find(eval_id, name)
        samples = of.run.evidence.samples(of.plan, measurement) if measurement is not None else iter(())
        return ((sample.item, _column(which, name), sample) for sample in samples)

    streams = [
        numbered(of, which, m.checkpoint)
        for which, of in zip(WHICH, runs, strict=True)
        for m in of.plan.measurements
        if (m.eval, m.role) == (eval_id, "gate")
    ]
    merged = heapq.merge(*streams, key=lambda entry: entry[0])
    for item, entries in groupby(merged, key=lambda entry: entry[0]):
        yield item, {column: sample for _, column, sample in entries}


def _merged(one: Gallery, other: Gallery | None) -> Gallery:
    """The gallery, with the columns of B as B's own outputs and thresholds show them."""
    if other is None:
        return one
    looks = {
        (g, exhibit.item): exhibit
        for g, group in enumerate(other.groups)
        for band in group.bands
        for exhibit in band.exhibits
    }
    groups = tuple(
        replace(
            group,
            bands=tuple(
                replace(
                    band, exhibits=tuple(_beside(exhibit, looks.get((g, exhibit.item))) for exhibit in band.exhibits)
                )
                for band in group.bands
            ),
        )
        for g, group in enumerate(one.groups)
    )
    return replace(
        one,
        groups=groups,
        blurred=one.blurred or other.blurred,
        sensitive=max(one.sensitive, other.sensitive, key=SENSITIVE.index),
    )


def _beside(one: Exhibit, other: Exhibit | None) -> Exhibit:
    if other is None:
        return one
    looks = (
        b if b is not None and b.checkpoint.startswith("B, ") else a
        for a, b in zip(one.looks, other.looks, strict=True)
    )
    return replace(one, looks=tuple(looks))
