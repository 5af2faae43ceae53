"""The samples that a report shows: pictures and texts, item by item, checkpoint beside checkpoint, worst first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain, zip_longest
from pathlib import Path

from releasegate.evalcard import EvalCard
from releasegate.evidence import Failed, Measured
from releasegate.plan import SOURCE, Plan
from releasegate.reporting.gathered.concern import Concern, concern_of
from releasegate.reporting.gathered.gathering import Gathered
from releasegate.reporting.gathered.rows import RANKS, Row, RowRank
from releasegate.reporting.outputs.pictures import FULL, MOST_EACH, TOO_LARGE, Picture, is_image, picture
from releasegate.reporting.outputs.purse import Purse
from releasegate.reporting.samples.order import CHECKPOINTS, Beside, counted, evals_of, reason_of
from releasegate.reporting.samples.texts import labels_of, lines_of, values_of, word_of
from releasegate.reporting.samples.veiling import Veil
from releasegate.reporting.views.samples import Band, Exhibit, File, Gallery, Line, Look, Piece, ShotGroup
from releasegate.reporting.wording.numbers import MOST_TITLE, shortened
from releasegate.reporting.wording.words import checkpoint as checkpoint_words

MOST_ROWS = 24
"""Items of one group."""
LEAST_ROWS = 4
"""Items of a group when there are many groups."""
MOST_GOOD = 6
"""Items of a group that speak for the release."""
MOST_VALUES = 12
"""Items of a group whose values are neither hits nor misses."""
MOST_HASHED = 6
"""Items of a group of which digests alone were kept."""
MOST_FILES = 8
"""Outputs that are named of a sample."""

Key = tuple[str, tuple[str, ...]]
"""Eval, and the metrics of its items."""


@dataclass
class _Group:
    """The items of one eval and its metrics."""

    key: Key
    card: EvalCard
    concern: Concern
    checkpoints: list[str]
    rows: dict[RowRank, list[Row]]
    beside: Beside
    painted: dict[tuple[int, str], Picture] = field(default_factory=dict)

    @property
    def metric(self) -> str:
        """What the items are shown by."""
        return self.concern.primary(self.key[1])

    def pictures(self) -> Iterator[tuple[tuple[int, str], str]]:
        """The images of the items in their order, by item and checkpoint."""
        for row in chain.from_iterable(self.rows[rank] for rank in RANKS):
            for name, sample in row.samples.items():
                image = image_of(sample)
                if image is not None:
                    yield (row.item, name), image


def galleries(
    gathered: Gathered, plan: Plan, veil: Veil, outputs: Path, purse: Purse, beside: Beside = CHECKPOINTS
) -> tuple[Gallery, ...]:
    """The pictures and texts of every eval whose samples are no sounds.

    Args:
        outputs: the folder of the run's outputs.
        beside: what stands side by side in an exhibit.
    """
    sounding = {key[0] for key in gathered.heard}
    keys = [key for key in gathered.rows if key[0] in gathered.pictured or key[0] not in sounding]
    most = min(
        max(purse.exhibits // max(len(keys), 1), LEAST_ROWS), MOST_HASHED if plan.policy.hashes_samples else MOST_ROWS
    )
    groups = [_group(key, gathered, plan, most, beside) for key in keys]
    _paint(groups, outputs, purse)
    shown = (
        _gallery(plan.cards[eval_id], [g for g in groups if g.key[0] == eval_id], gathered, plan, veil, purse)
        for eval_id in evals_of(plan, veil.decision)
    )
    return tuple(gallery for gallery in shown if gallery.groups)


def _group(key: Key, gathered: Gathered, plan: Plan, most: int, beside: Beside) -> _Group:
    card = plan.cards[key[0]]
    checkpoints = sorted(
        {k[1] for k in gathered.groups if (k[0], k[2]) == key}, key=lambda name: (name != SOURCE, name)
    )
    rows = gathered.rows[key].shown(most)
    group = _Group(key, card, concern_of(plan.policy, card, gathered.cuts), checkpoints, rows, beside)
    group.rows[3] = group.rows[3][: MOST_GOOD if group.concern.yes_or_no(group.metric) else MOST_VALUES]
    return group


def _paint(groups: list[_Group], outputs: Path, purse: Purse) -> None:
    """Nothing; the worst picture of every group, then the second worst, and so on, as far as the purse goes."""
    columns = [[(group, place, image) for place, image in group.pictures()] for group in groups]
    for entry in chain.from_iterable(zip_longest(*columns)):
        if entry is not None:
            group, place, image = entry
            left = min(purse.pictures, MOST_EACH) if purse.pixels > 0 else 0
            made = picture(outputs, image, left) if left > 0 else Picture(None, FULL)
            if made.missing == TOO_LARGE and left < MOST_EACH:
                made = Picture(None, FULL)
                purse.pictures = 0
            purse.pictures -= len(made.uri or "")
            purse.pixels -= made.pixels
            group.painted[place] = made


def _gallery(card: EvalCard, groups: list[_Group], gathered: Gathered, plan: Plan, veil: Veil, purse: Purse) -> Gallery:
    groups.sort(key=_place)
    return Gallery(
        kind="pictures" if card.id in gathered.pictured else "texts",
        anchor=f"samples-{card.id}",
        title=shortened(card.title, MOST_TITLE),
        blurred=veil.blurs(card.id),
        sensitive=veil.sensitivity(card.id),
        groups=tuple(_shown(group, gathered, plan, purse) for group in groups),
    )


def _place(group: _Group) -> tuple[int, int]:
    """Where a group stands: by its metric, gated ones first, then by what it holds."""
    order = group.concern.order
    return (
        order.index(group.metric) if group.metric in order else len(order),
        next((rank for rank in RANKS if group.rows[rank]), len(RANKS)),
    )


def _shown(group: _Group, gathered: Gathered, plan: Plan, purse: Purse) -> ShotGroup:
    picked, metric, concern = gathered.rows[group.key], group.metric, group.concern
    eval_id, metrics = group.key
    beside = group.beside if len(group.checkpoints) > 1 else None
    bands = []
    for rank in RANKS:
        if group.rows[rank]:
            title, why = reason_of(rank, metric, concern, beside)
            shown, seen = len(group.rows[rank]), picked.count[rank]
            exhibits = tuple(_exhibit(row, group, plan, purse) for row in group.rows[rank])
            bands.append(Band(title, why, f"{seen}" if shown == seen else f"{shown} of {seen} shown", exhibits))
    tallies = [
        Line(checkpoint_words(c), (Piece(counted(gathered.groups[eval_id, c, metrics], metric, concern)),))
        for c in group.checkpoints
    ]
    return ShotGroup(
        title=shortened(group.card.metrics[metric].title, MOST_TITLE) if metric in group.card.metrics else metric,
        counted=tuple(tallies),
        bands=tuple(bands),
        hidden=picked.seen - sum(len(rows) for rows in group.rows.values()),
    )


def _exhibit(row: Row, group: _Group, plan: Plan, purse: Purse) -> Exhibit:
    labelled = {labels_of(sample.labels) for sample in row.samples.values()}
    labels = labelled.pop() if len(labelled) == 1 else ""  # a strip's own items are others than the source's
    lines = {name: lines_of(sample, purse) for name, sample in row.samples.items()}
    first = next(iter(lines.values()))
    same = tuple(line for line in first if len(lines) > 1 and all(line in other for other in lines.values()))
    looks = tuple(
        _look(name, row, group, labels, tuple(line for line in lines[name] if line not in same))
        if name in row.samples
        else None
        for name in group.checkpoints
    )
    several = len(group.checkpoints) > 1
    files = (files_of(row.samples[n], n if several else "") for n in group.checkpoints if n in row.samples)
    own = several and any(m.own is not None for m in plan.measurements if m.eval == group.card.id)
    seed = "" if own else seed_of(plan, group.card.id, row.item)
    return Exhibit(row.item, seed, labels, same, looks, tuple(chain.from_iterable(files)))


def _look(checkpoint: str, row: Row, group: _Group, labels: str, lines: tuple[Line, ...]) -> Look:
    sample, concern = row.samples[checkpoint], group.concern
    word = word_of(sample, concern)
    painted = group.painted.get((row.item, checkpoint))
    expected = painted is None and bool(group.painted)
    where = checkpoint_words(checkpoint)
    return Look(
        checkpoint=where,
        tone=word if word in ("hit", "miss", "failed") else "plain",
        word=word,
        image=painted.uri if painted else None,
        exact=painted is not None and painted.exact,
        missing=_missing(painted) if painted else "no image" * expected,
        alt=f"Item {row.item}, {where}: {f'output for {labels}' if labels else 'output'}; {word}",
        lines=values_of(sample, concern) + lines,
    )


def _missing(made: Picture) -> str:
    return f"not shown: {made.missing}" if made.missing else ""


def image_of(sample: Measured | Failed) -> str | None:
    """The output of a sample that is its picture."""
    outputs: Mapping[str, str] = sample.outputs if isinstance(sample, Measured) else {}
    return next((name for _, name in sorted(outputs.items()) if is_image(name)), None)


def files_of(sample: Measured | Failed, checkpoint: str = "") -> tuple[File, ...]:
    """The outputs of a sample, as they lie in the run folder.

    Args:
        checkpoint: to be named with each.
    """
    outputs = sorted(sample.outputs.items()) if isinstance(sample, Measured) else []
    of = f", {checkpoint_words(checkpoint)}" if checkpoint else ""
    return tuple(File(f"{name.replace('_', ' ')}{of}", f"outputs/{output}") for name, output in outputs[:MOST_FILES])


def seed_of(plan: Plan, eval_id: str, item: int) -> str:
    """The seed of an item of the gate, as the runner derives it; empty for a plan that was never opened."""
    measured = (m for m in plan.measurements if (m.eval, m.role) == (eval_id, "gate") and item < m.items)
    m = next(measured, None)
    return "" if plan.nonce is None or m is None else str(plan.seed_of(m, item))
