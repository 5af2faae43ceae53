"""The samples of two runs that measured the same items, as galleries in which each run is a column."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

from releasegate.evidence import Columns, Failed, Measured
from releasegate.plan import Measurement, Plan
from releasegate.reporting.comparing.views import WHICH
from releasegate.reporting.gathered.concern import concern_of
from releasegate.reporting.gathered.gathering import Gathered
from releasegate.reporting.gathered.picking import Shown, pick
from releasegate.reporting.outputs.purse import Purse
from releasegate.reporting.samples.order import RUNS
from releasegate.reporting.samples.showing import galleries
from releasegate.reporting.samples.veiling import Veil
from releasegate.reporting.views.samples import Exhibit, Gallery, ShotGroup
from releasegate.reporting.wording.words import checkpoint
from releasegate.repository.deciding_run import Decided
from releasegate.repository.sample_lines import read_samples

SENSITIVE = ("", "personal", "harmful")
"""From the least to the most that is to be held back."""
T = TypeVar("T")


def same_items(one: Plan, other: Plan, eval_id: str) -> bool:
    """Whether two runs measured the same items of an eval: they follow from the nonce, the card and the harness."""
    a, b = one.find_gate(eval_id), other.find_gate(eval_id)
    if a is None or b is None or one.nonce is None or (one.nonces, one.rehearsal) != (other.nonces, other.rehearsal):
        return False
    return (a.card, a.harness, a.params, a.cells) == (b.card, b.harness, b.params, b.cells)


def joined_galleries(
    runs: tuple[Decided, Decided],
    gathered: tuple[Gathered, Gathered],
    evals: frozenset[str],
    purses: tuple[Purse, Purse],
) -> tuple[Gallery, ...]:
    """Galleries of the evals that are no sounds, checkpoint by checkpoint, A beside B: items on which they differ first.

    Args:
        evals: of which both runs measured the same items.
        purses: what the pictures and texts of each run may take of the page.

    Raises:
        EvidenceUntrusted: a sample is not the one that was read.
    """
    shared = evals - {key[0] for one in gathered for key in one.heard}
    found: dict[str, Gallery] = {}
    for where in dict.fromkeys(checkpoint(m.checkpoint) for of in runs for m in of.plan.measurements):
        for gallery in _on_checkpoint(where, runs, gathered, shared, purses):
            known = found.get(gallery.anchor)
            groups = (*(known.groups if known else ()), *(_titled(group, where) for group in gallery.groups))
            found[gallery.anchor] = replace(gallery, groups=groups)
    return tuple(found.values())


def _titled(group: ShotGroup, where: str) -> ShotGroup:
    return replace(group, title=f"{group.title}, {where}")


def _on_checkpoint(
    where: str,
    runs: tuple[Decided, Decided],
    gathered: tuple[Gathered, Gathered],
    evals: frozenset[str],
    purses: tuple[Purse, Purse],
) -> tuple[Gallery, ...]:
    found = {eval_id: _across(where, runs, gathered[0], eval_id) for eval_id in sorted(evals)}
    both = Gathered(
        groups={(eval_id, *key): picked for eval_id, shown in found.items() for key, picked in shown.groups.items()},
        rows={(eval_id, key): rows for eval_id, shown in found.items() for key, rows in shown.rows.items()},
        pictured={eval_id for eval_id, shown in found.items() if shown.pictured},
    )
    one, other = (
        galleries(replace(both, cuts=own.cuts), of.plan, Veil(of.plan, of.decision), of.run.outputs, purse, RUNS)
        for of, own, purse in zip(runs, gathered, purses, strict=True)
    )
    beside = {gallery.anchor: gallery for gallery in other}
    return tuple(_merged(gallery, beside.get(gallery.anchor, gallery)) for gallery in one)


def _across(where: str, runs: tuple[Decided, Decided], first: Gathered, eval_id: str) -> Shown:
    """The items of an eval that a reader should see, each with its sample in both runs on one checkpoint."""
    measured: dict[str, Columns] = {}
    sources: dict[str, tuple[Decided, Measurement]] = {}
    for which, of in zip(WHICH, runs, strict=True):
        for m in of.plan.measurements:
            columns = of.evidence.columns.get(of.plan.identity(m))
            if (m.eval, m.role, checkpoint(m.checkpoint)) == (eval_id, "gate", where) and columns is not None:
                measured[f"{which}, {where}"], sources[f"{which}, {where}"] = columns, (of, m)

    def read(name: str, items: Sequence[int]) -> Mapping[int, Measured | Failed]:
        of, measurement = sources[name]
        return read_samples(of.run.evidence, of.plan, measurement, measured[name], items)

    plan = runs[0].plan
    return pick(measured, concern_of(plan.policy, plan.cards[eval_id], first.cuts), None, (), read)


def _merged(one: Gallery, other: Gallery) -> Gallery:
    """The gallery with the columns of B as B's own outputs and thresholds show them."""
    theirs = {exhibit.item: (g, exhibit) for g in other.groups for band in g.bands for exhibit in band.exhibits}
    return replace(
        one,
        groups=tuple(_group(group, theirs) for group in one.groups),
        blurred=one.blurred or other.blurred,
        sensitive=max(one.sensitive, other.sensitive, key=SENSITIVE.index),
    )


def _group(one: ShotGroup, theirs: Mapping[int, tuple[ShotGroup, Exhibit]]) -> ShotGroup:
    """A group; that of the other gallery is the one with its items, wherever it stands there."""
    names = [line.name for line in one.counted]
    own = [exhibit for band in one.bands for exhibit in band.exhibits]
    other = next((theirs[exhibit.item][0] for exhibit in own if exhibit.item in theirs), one)
    exhibits = {e.item: _beside(e, theirs.get(e.item, (one, e))[1], names) for e in own}
    bands = (replace(band, exhibits=tuple(exhibits[e.item] for e in band.exhibits)) for band in one.bands)
    return replace(one, bands=tuple(bands), counted=_theirs(names, one.counted, other.counted))


def _beside(one: Exhibit, other: Exhibit, names: Sequence[str]) -> Exhibit:
    return replace(one, looks=_theirs(names, one.looks, other.looks))


def _theirs(names: Sequence[str], one: Sequence[T], other: Sequence[T]) -> tuple[T, ...]:
    """Of each column what stands in the gallery of its own run."""
    return tuple(b if name.startswith(WHICH[1]) else a for name, a, b in zip(names, one, other, strict=True))
