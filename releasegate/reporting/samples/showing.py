"""The samples that a report shows: images side by side, and answers in a table."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from releasegate.decision import Decision
from releasegate.evalcard import EvalCard
from releasegate.evidence import Failed, Measured
from releasegate.plan import SOURCE, Plan
from releasegate.policy import Policy
from releasegate.reporting.gathered.concern import Concern, concern_of
from releasegate.reporting.gathered.gathering import Gathered, Picked
from releasegate.reporting.gathered.rows import RANKS, Row
from releasegate.reporting.outputs.pictures import BUDGET, Picture, is_image, picture
from releasegate.reporting.view import Answer, AnswerRow, AnswerTable, Gallery, Pair, Shot, ShotGroup
from releasegate.reporting.wording.numbers import MOST_TITLE, share, shortened
from releasegate.reporting.wording.words import checkpoint as checkpoint_words

MOST_WITHOUT_IMAGE = 4
"""Samples shown of a group that has no image."""
MOST_ROWS = 24
"""Rows of a table of answers."""

Painter = Callable[[str], Picture]


def galleries(gathered: Gathered, plan: Plan, decision: Decision, outputs: Path) -> tuple[Gallery, ...]:
    """The images of every eval that has any."""
    keys = [key for key in gathered.groups if key[0] in gathered.pictured]
    images = sum(
        1 for key in keys for sample in gathered.groups[key].shown() if isinstance(sample, Measured) and _image(sample)
    )
    each = BUDGET // max(images, 1)
    return tuple(
        _gallery(eval_id, gathered, plan, decision, lambda name: picture(outputs, name, each))
        for eval_id in plan.cards
        if eval_id in gathered.pictured
    )


def _gallery(eval_id: str, gathered: Gathered, plan: Plan, decision: Decision, paint: Painter) -> Gallery:
    card = plan.cards[eval_id]
    concern = concern_of(plan.policy, card, gathered.cuts)
    keys = [key for key in gathered.groups if key[0] == eval_id]
    keys.sort(key=lambda k: (concern.order.index(concern.primary(k[2])), k[1] != SOURCE, k[1]))
    return Gallery(
        anchor=f"samples-{eval_id}",
        title=shortened(card.title, MOST_TITLE),
        blurred=is_blurred(eval_id, plan, decision),
        sensitive=sensitivity(card, plan),
        groups=tuple(_group(key, gathered.groups[key], card, concern, paint) for key in keys),
    )


def _group(
    key: tuple[str, str, tuple[str, ...]], picked: Picked, card: EvalCard, concern: Concern, paint: Painter
) -> ShotGroup:
    _, checkpoint, metrics = key
    metric = concern.primary(metrics)
    kept = picked.shown()
    if not any(isinstance(s, Measured) and _image(s) for s in kept):
        kept = picked.shown(MOST_WITHOUT_IMAGE)
    first = "hits" if concern.hit_matters(metric) else "misses"
    return ShotGroup(
        title=shortened(card.metrics[metric].title, MOST_TITLE) if metric in card.metrics else metric,
        checkpoint=checkpoint_words(checkpoint),
        order=f"{first} first",
        counted=_counted(picked, metric, concern),
        shots=tuple(_shot(sample, concern, paint) for sample in kept),
        hidden=picked.seen - len(kept),
    )


def _counted(picked: Picked, metric: str, concern: Concern) -> str:
    """How many samples are hits; of values that are neither hit nor miss, how many there are."""
    against, failed, rest = (picked.count[rank] for rank in (0, 1, 2))
    if not concern.yes_or_no(metric):
        return f"{against + rest} scored" + (f", {failed} failed" if failed else "")
    hits_first = concern.hit_matters(metric)
    hits, misses = (against, rest) if hits_first else (rest, against)
    return f"{hits} of {hits + misses} hit" + (f", {failed} failed" if failed else "")


def _shot(sample: Measured | Failed, concern: Concern, paint: Painter) -> Shot:
    labels = ", ".join(f"{name} {value}" for name, value in sample.labels.items())
    word = sample_word(sample, concern)
    name = _image(sample) if isinstance(sample, Measured) else None
    shown = paint(name) if name else Picture(None, "no image")
    lines = sample_lines(sample) + other_values(sample, concern)
    what = f"output for {labels}" if labels else "output"
    return Shot(
        item=sample.item,
        tone=word if word in ("hit", "miss", "failed") else "plain",
        word=word,
        labels=labels,
        image=shown.uri,
        missing=shown.missing,
        lines=lines,
        alt=f"Item {sample.item}: {what}; {word}",
    )


def sample_word(sample: Measured | Failed, concern: Concern) -> str:
    if isinstance(sample, Failed):
        return "failed"
    metric = concern.primary(tuple(sample.values))
    value = sample.values[metric]
    hit = concern.hit(metric, value)
    if hit is not None:
        return "hit" if hit else "miss"
    return f"score {share(value)}" if concern.is_score(metric) else share(value)


def other_values(sample: Measured | Failed, concern: Concern) -> tuple[Pair, ...]:
    """The score behind a hit or a miss, and the other metrics that say something: not those that are 0."""
    if isinstance(sample, Failed):
        return ()
    shown = concern.primary(tuple(sample.values))
    scored = concern.is_score(shown) and concern.hit(shown, sample.values[shown]) is not None
    score = (Pair("score", share(sample.values[shown])),) if scored else ()
    return score + tuple(
        Pair(name.replace("_", " "), _plain(name, value, concern))
        for name, value in sample.values.items()
        if name != shown and value != 0
    )


def _plain(metric: str, value: float, concern: Concern) -> str:
    if concern.is_score(metric):
        return f"score {share(value)}"
    return "yes" if concern.hit(metric, value) else share(value)


def _image(sample: Measured) -> str | None:
    return next((name for _, name in sorted(sample.outputs.items()) if is_image(name)), None)


def sample_lines(sample: Measured | Failed) -> tuple[Pair, ...]:
    if isinstance(sample, Failed):
        return (Pair("error", shortened(sample.error)),)
    return tuple(Pair(name.replace("_", " "), shortened(text)) for name, text in sample.detail.items())


def answers(gathered: Gathered, plan: Plan, decision: Decision) -> tuple[AnswerTable, ...]:
    """A table of texts for every eval whose samples are neither images nor sounds."""
    sounding = {key[0] for key in gathered.heard}
    return tuple(
        _table(eval_id, gathered, plan, decision)
        for eval_id in plan.cards
        if eval_id not in gathered.pictured | sounding and any(key[0] == eval_id for key in gathered.rows)
    )


def _table(eval_id: str, gathered: Gathered, plan: Plan, decision: Decision) -> AnswerTable:
    card = plan.cards[eval_id]
    concern = concern_of(plan.policy, card, gathered.cuts)
    picked = [rows for key, rows in gathered.rows.items() if key[0] == eval_id]
    shown = [rows.shown(MOST_ROWS) for rows in picked]
    rows = [row for rank in RANKS for by_rank in shown for row in by_rank[rank]][:MOST_ROWS]
    names = {key[1] for key in gathered.groups if key[0] == eval_id}
    checkpoints = sorted(names, key=lambda name: (name != SOURCE, name))
    first = "hits" if concern.hit_matters(concern.order[0]) else "misses"
    counted = [
        Pair(checkpoint_words(c), _counted(gathered.groups[key], concern.primary(key[2]), concern))
        for c in checkpoints
        for key in gathered.groups
        if key[:2] == (eval_id, c)
    ]
    return AnswerTable(
        anchor=f"samples-{eval_id}",
        title=shortened(card.title, MOST_TITLE),
        order=f"{first} first, those that differ between checkpoints before all others",
        counted=tuple(counted),
        checkpoints=tuple(checkpoint_words(name) for name in checkpoints),
        rows=tuple(_row(row, checkpoints, concern) for row in rows),
        hidden=sum(rows.seen for rows in picked) - len(rows),
        blurred=is_blurred(eval_id, plan, decision),
        sensitive=sensitivity(card, plan),
    )


def _row(row: Row, checkpoints: list[str], concern: Concern) -> AnswerRow:
    labels = next(iter(row.samples.values())).labels
    return AnswerRow(
        item=row.item,
        labels=", ".join(f"{name} {value}" for name, value in labels.items()),
        answers=tuple(_answer(row.samples, name, concern) for name in checkpoints),
    )


def _answer(samples: Mapping[str, Measured | Failed], checkpoint: str, concern: Concern) -> Answer | None:
    sample = samples.get(checkpoint)
    if sample is None:
        return None
    word = sample_word(sample, concern)
    return Answer(word if word in ("hit", "miss", "failed") else "plain", word, sample_lines(sample))


def is_blurred(eval_id: str, plan: Plan, decision: Decision) -> bool:
    """Whether the samples of an eval are blurred until asked: they are sensitive, or show a capability that does not go out."""
    return bool(sensitivity(plan.cards[eval_id], plan)) or _held_back(eval_id, plan.policy, decision)


def sensitivity(card: EvalCard, plan: Plan) -> str:
    """Why the samples of an eval are not to be read in passing; empty if they may be, or nothing of them was kept."""
    return "" if card.sensitive is None or plan.policy.hashes_samples else card.sensitive


def _held_back(eval_id: str, policy: Policy, decision: Decision) -> bool:
    verdicts = {c.id: c.verdict for c in decision.capabilities}
    return any(
        requirement.eval == eval_id and section != "keep" and verdicts.get(capability.id) != "release"
        for capability in policy.capabilities
        for section, _, requirement in capability.sections()
    )
