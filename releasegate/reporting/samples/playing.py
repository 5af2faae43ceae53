"""The sounds that a report plays: the worst samples of each attack, before and after, within a budget."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, zip_longest
from pathlib import Path

from releasegate.decision import Decision
from releasegate.evalcard import EvalCard
from releasegate.evidence import Measured
from releasegate.plan import Plan
from releasegate.reporting.figures.standing import Scene, scene_of
from releasegate.reporting.figures.timelines import TimelineOutput
from releasegate.reporting.findings.measures import label_words
from releasegate.reporting.gathered.gathering import Gathered
from releasegate.reporting.outputs.purse import Purse
from releasegate.reporting.outputs.sounds import Sound, is_sound, sound
from releasegate.reporting.samples.order import evals_of
from releasegate.reporting.samples.showing import files_of, seed_of
from releasegate.reporting.samples.texts import labels_of, lines_of, values_of, word_of
from releasegate.reporting.samples.veiling import Veil
from releasegate.reporting.samples.waves import timeline_of, wave_of
from releasegate.reporting.views.samples import Clip, ClipGroup, Listening, Player
from releasegate.reporting.wording.numbers import MOST_TITLE, shortened

MOST_SOUNDS = 6
"""Sounds of one sample."""

Key = tuple[str, str, str, str]
"""Eval, checkpoint, metric, and value of the dimension."""


def listening(gathered: Gathered, plan: Plan, decision: Decision, outputs: Path, purse: Purse) -> tuple[Listening, ...]:
    """The sounds of every eval that has any.

    Args:
        outputs: the folder of the run's outputs.
    """
    scenes = {key[:2]: scene_of(plan.cards[key[0]], key[1], gathered, plan, decision) for key in gathered.heard}
    clips: dict[Key, list[Clip]] = {key: [] for key in _ordered(gathered, scenes)}
    for key, sample in _by_turns(gathered, list(clips)):
        players = _players(sample, plan.cards[key[0]], outputs, purse)
        if players is not None:
            clips[key].append(_clip(sample, plan, scenes[key[:2]], players, purse))
    veil = Veil(plan, decision)
    return tuple(
        _listening(eval_id, gathered, scenes, clips, veil)
        for eval_id in evals_of(plan, decision)
        if any(key[0] == eval_id for key in clips)
    )


def _ordered(gathered: Gathered, scenes: dict[tuple[str, str], Scene]) -> list[Key]:
    """The groups: metric by metric in turn, of each the group with the worst sample first."""
    by_metric: dict[tuple[int, str, str, str], list[Key]] = {}
    for key in gathered.heard:
        order = scenes[key[:2]].concern.order
        place = order.index(key[2]) if key[2] in order else len(order)
        by_metric.setdefault((place, *key[:3]), []).append(key)
    columns = [sorted(keys, key=lambda k: (-gathered.heard[k].badness, k[3])) for _, keys in sorted(by_metric.items())]
    return [key for row in zip_longest(*columns) for key in row if key is not None]


def _by_turns(gathered: Gathered, keys: list[Key]) -> Iterator[tuple[Key, Measured]]:
    """The worst sample of every group, then the second worst, and so on."""
    columns = [[(key, sample) for sample in gathered.heard[key].samples] for key in keys]
    return (entry for entry in chain.from_iterable(zip_longest(*columns)) if entry is not None)


def _players(sample: Measured, card: EvalCard, outputs: Path, purse: Purse) -> tuple[Player, ...] | None:
    """The players of one sample, before and after first; None if they do not fit into what is left."""
    named = sorted(
        ((name, output) for name, output in sample.outputs.items() if is_sound(output)),
        key=lambda entry: (entry[0] != "before", entry[0] != "after", entry[0]),
    )[:MOST_SOUNDS]
    if len(named) > min(purse.players, purse.readings) or purse.sounds <= 0:
        return None
    purse.readings -= len(named)
    found = [(name, sound(outputs, output, purse.sounds)) for name, output in named]
    size = sum(len(one.uri) for _, one in found if one.uri is not None)
    if size > purse.sounds or any(one.full for _, one in found):
        purse.sounds = 0
        return None
    purse.players -= sum(one.uri is not None for _, one in found)
    purse.sounds -= size
    scored = "after" if any(name == "after" for name, _ in found) else found[-1][0]
    line = timeline_of(sample, card, outputs)
    return tuple(_player(sample, name, one, line if name == scored else None) for name, one in found)


def _player(sample: Measured, name: str, found: Sound, line: TimelineOutput | None) -> Player:
    labels = labels_of(sample.labels)
    of = f"item {sample.item}, {labels}" if labels else f"item {sample.item}"
    cut = found.seconds > found.played
    return Player(
        name=name.replace("_", " "),
        label=f"{name.replace('_', ' ')}: {of}",
        uri=found.uri,
        missing=found.missing,
        note=f"the first {found.played:.3g} s of {found.seconds:.1f} s" if cut else "",
        wave=wave_of(found, line),
    )


def _clip(sample: Measured, plan: Plan, scene: Scene, players: tuple[Player, ...], purse: Purse) -> Clip:
    word = word_of(sample, scene.concern)
    return Clip(
        item=sample.item,
        seed=seed_of(plan, scene.card.id, sample.item),
        tone=word if word in ("hit", "miss") else "plain",
        word=word,
        labels=labels_of(sample.labels),
        lines=values_of(sample, scene.concern) + lines_of(sample, purse),
        players=players,
        files=files_of(sample),
    )


def _listening(
    eval_id: str,
    gathered: Gathered,
    scenes: dict[tuple[str, str], Scene],
    clips: dict[Key, list[Clip]],
    veil: Veil,
) -> Listening:
    mine = [key for key in clips if key[0] == eval_id]
    groups = tuple(_group(key, gathered, scenes[key[:2]], clips[key]) for key in mine if clips[key])
    seen = sum(gathered.heard[key].seen for key in mine)
    return Listening(
        anchor=f"sounds-{eval_id}",
        title=shortened(scenes[mine[0][:2]].card.title, MOST_TITLE),
        blurred=veil.blurs(eval_id),
        sensitive=veil.sensitivity(eval_id),
        groups=groups,
        hidden=seen - sum(len(group.clips) for group in groups),
    )


def _group(key: Key, gathered: Gathered, scene: Scene, clips: list[Clip]) -> ClipGroup:
    dimension, metric = gathered.dimension.get(key[0]), key[2]
    labelled = dimension is not None and bool(key[3])
    return ClipGroup(
        title=shortened(scene.card.metrics[metric].title, MOST_TITLE) if metric in scene.card.metrics else metric,
        value=label_words(scene.card, {dimension: key[3]}) if dimension is not None and labelled else "",
        standing=scene.standing(dimension, key[3]) if dimension is not None and labelled else "",
        checkpoint=scene.where,
        order=f"{'highest' if scene.concern.hit_matters(metric) else 'lowest'} first",
        clips=tuple(clips),
        hidden=gathered.heard[key].seen - len(clips),
    )
