"""Whatever the method: losing samples or calibration never improves the verdict."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from releasegate.decision import VERDICTS, Decision
from releasegate.errors import EvidenceUntrusted
from releasegate.evidence import Cell, Measured, parse_sample
from tests.tiny_gates import Outcome
from tests.tiny_methods import KEPT, QUALITY, RIGHT, Placed, Trial, by_turns, clustered, eval_card

N = 60
QUICK = settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
THOROUGH = settings(QUICK, max_examples=5000)
THOROUGH_EACH = settings(QUICK, max_examples=500)
"""For each of the methods: together more than 5,000."""
LEVELS = {"low": 0.03, "lowish": 0.2, "middle": 0.5, "highish": 0.8, "high": 0.97}
LIMITS = ({"at_most": 0.5}, {"at_least": 0.5}, {"at_most": 0.3}, {"at_least": 0.7})


def place(decision: Decision) -> int:
    """The place of a verdict in the order: 0 is the best."""
    return VERDICTS.index(decision.verdict)


@st.composite
def outcomes(draw: st.DrawFn, n: int = N, scale: float = 1.0) -> list[Outcome]:
    """Values at one level, with what is lost at the start, at the end or anywhere."""
    chance = draw(st.randoms(use_true_random=False))
    rate = LEVELS[draw(st.sampled_from(sorted(LEVELS)))]
    values: list[Outcome] = [scale * float(chance.random() < rate) for _ in range(n)]
    for kind in draw(st.sampled_from([[], [], ["failed"], [None], ["failed", None]])):
        number = min(n, draw(st.sampled_from([1, 2, 4, n // 3])))
        where = draw(st.sampled_from(["start", "end", "anywhere"]))
        every = {
            "start": range(number),
            "end": range(n - number, n),
            "anywhere": chance.sample(range(n), min(number, n)),
        }
        for i in every[where]:
            values[i] = kind
    return values


@st.composite
def trials(draw: st.DrawFn, method: str) -> Trial:
    return replace(_MADE[method](draw), max_failed=draw(st.sampled_from([0.0, 0.05, 0.2, 0.4])))


def _pooled(draw: st.DrawFn, scale: float = 1.0) -> list[Placed]:
    return [(0, o) for o in draw(outcomes(scale=scale))]


def _limit(draw: st.DrawFn, scale: float = 1.0, **keys: Any) -> dict[str, Any]:
    return {side: scale * limit for side, limit in draw(st.sampled_from(LIMITS)).items()} | keys


def _share(draw: st.DrawFn, **keys: Any) -> Trial:
    return Trial(eval_card({"right": RIGHT}), "right", _limit(draw, **keys), _pooled(draw), planned=(N,))


def _mean(draw: st.DrawFn) -> Trial:
    return Trial(eval_card({"quality": QUALITY}), "quality", _limit(draw, 60.0), _pooled(draw, 60.0), planned=(N,))


def _margin(draw: st.DrawFn, **keys: Any) -> Trial:
    metric = {**RIGHT, "better": draw(st.sampled_from(["higher", "lower"]))}
    limit = {"margin": draw(st.sampled_from([0.2, 0.4, 0.5])), **keys}
    same = _pooled(draw)
    other = draw(st.sampled_from([same, same, _pooled(draw)]))
    return Trial(eval_card({"right": metric}), "right", limit, other, base=same, planned=(N,))


def _caught(draw: st.DrawFn, **keys: Any) -> Trial:
    cells = (Cell(labels={}, metrics=("clean",), n=N),)
    calibration = [(0, o if o is None or o == "failed" else i / 20) for i, o in enumerate(draw(outcomes()))]
    card = eval_card({"caught": {}}, rate=0.3)
    gate = _pooled(draw, draw(st.sampled_from([2.5, 10.0])))
    return Trial(card, "caught", _limit(draw, **keys), gate, calibration, calibration_cells=cells, planned=(N,))


def _frozen(draw: st.DrawFn, **keys: Any) -> Trial:
    """Calibration negatives from 0 to 2, positives from 1 to 3, some of them lost."""
    cells = (Cell(labels={}, metrics=("clean",), n=20), Cell(labels={}, metrics=("marked",), n=20))
    whole: list[Outcome] = [1.0] * 20
    lost = [draw(st.sampled_from([whole, outcome])) for outcome in (draw(outcomes(20)), draw(outcomes(20)))]
    calibration = [
        (kind, o if o is None or o == "failed" else kind + i / 10)
        for kind in range(2)
        for i, o in enumerate(lost[kind])
    ]
    card = eval_card({"caught": {}}, rate=0.1, frozen=True)
    gate = _pooled(draw, draw(st.sampled_from([2.5, 10.0])))
    return Trial(card, "caught", _limit(draw, **keys), gate, calibration, calibration_cells=cells, planned=(N,))


def _said(draw: st.DrawFn, **keys: Any) -> Trial:
    cells = tuple(Cell(labels={}, metrics=(kind,), n=N) for kind in ("sensitive", "specific"))
    right = st.sampled_from([[1.0] * N, [1.0] * N, [1.0] * (N - 3) + [0.0] * 3])
    calibration = [(kind, o) for kind in range(2) for o in draw(st.one_of(right, outcomes()))]
    card = eval_card({"said": {}})
    return Trial(card, "said", _limit(draw, **keys), _pooled(draw), calibration, calibration_cells=cells, planned=(N,))


def _speakers(draw: st.DrawFn, population: str, number: int) -> Trial:
    each = N // number
    named = [{"speaker": f"s{i:02}", "attack": "a0"} for i in range(number)]
    of_each = [draw(outcomes(each)) for _ in range(number)] if draw(st.booleans()) else None
    every = draw(outcomes())
    gate = [(i % number, of_each[i % number][i // number] if of_each else o) for i, o in enumerate(every)]
    limit = _limit(draw)
    return Trial(clustered(population), "right", limit, gate, labels=named, planned=(each,) * number)


def _caught_speakers(draw: st.DrawFn) -> Trial:
    """Sampled speakers, whose negatives are those of other speakers: two clips each."""
    cells = tuple(Cell(labels={"speaker": f"n{i:02}"}, metrics=("clean",), n=2) for i in range(N // 2))
    lost = draw(outcomes())
    calibration = [(i // 2, o if o is None or o == "failed" else (i * 7) % 60 / 20) for i, o in enumerate(lost)]
    card = eval_card({"caught": {}}, rate=0.3, clusters={"key": "speaker", "population": "sampled"})
    named = [{"speaker": f"s{i:02}"} for i in range(20)]
    scores = draw(outcomes(scale=10.0))
    gate = [(i % 20, o) for i, o in enumerate(scores)]
    return Trial(
        card, "caught", _limit(draw), gate, calibration, labels=named, calibration_cells=cells, planned=(3,) * 20
    )


def _excused(draw: st.DrawFn, metric: str = "right", **keys: Any) -> Trial:
    """Three attacks, of which calibration may show that some ruin the material."""
    attacks = [{"attack": f"a{i}"} for i in range(3)]
    asked = {"metric": "tested/kept", "at_most": draw(st.sampled_from([0.5, 0.7]))}
    keys |= {"slices": ["attack"], "excused": asked}
    threats = draw(st.sampled_from([None, ["a0"], ["a0", "a1"], ["a2", "a9"]]))
    keys |= {"values": {"attack": threats}} if threats else {}
    side = draw(st.sampled_from([{"at_least": 0.4}, {"at_least": 0.2}, {"at_most": 0.7}]))
    card = eval_card({metric: RIGHT, "kept": KEPT}, rate=0.3)
    cells = [Cell(labels=labels, metrics=("kept",), n=20) for labels in attacks]
    calibration = [(i, o) for i in range(3) for o in draw(outcomes(20))]
    scale = 1.0
    if metric == "caught":
        cells.append(Cell(labels={}, metrics=("clean",), n=N))
        calibration += [(3, i / 20) for i in range(N)]
        scale = draw(st.sampled_from([2.5, 10.0]))
    of_each = [draw(outcomes(20, scale)) for _ in attacks]
    gate = by_turns(of_each)
    limit = {**side, **keys}
    return Trial(card, metric, limit, gate, calibration, labels=attacks, calibration_cells=cells, planned=(20,) * 3)


_MADE: dict[str, Callable[[st.DrawFn], Trial]] = {
    "a share": _share,
    "a share, early": lambda draw: _share(draw, sequential=True),
    "a mean": _mean,
    "a margin": _margin,
    "a margin, early": lambda draw: _margin(draw, sequential=True),
    "a threshold": _caught,
    "a threshold, early": lambda draw: _caught(draw, sequential=True),
    "a frozen threshold": _frozen,
    "a frozen threshold, early": lambda draw: _frozen(draw, sequential=True),
    "an excuse": _excused,
    "an excuse, early": lambda draw: _excused(draw, sequential=True),
    "an excuse beside a threshold": lambda draw: _excused(draw, "caught"),
    "a judge": _said,
    "a judge, early": lambda draw: _said(draw, sequential=True),
    "sampled speakers": lambda draw: _speakers(draw, "sampled", 20),
    "named speakers": lambda draw: _speakers(draw, "named", 3),
    "a threshold for sampled speakers": _caught_speakers,
}


def losing(placed: list[Placed] | None, become: Outcome, chance: random.Random) -> list[Placed] | None:
    """Some items, or all, have no record any more, or have failed."""
    if not placed:
        return placed
    number = chance.choice([1, 1, 2, 3, 6, 20, len(placed)])
    lost = set(chance.sample(range(len(placed)), min(number, len(placed))))
    if chance.random() < 0.3:
        lost = set(range(len(placed) - min(number, len(placed)), len(placed)))
    return [(c, become if i in lost and (become is None or o is not None) else o) for i, (c, o) in enumerate(placed)]


def never_better(trial: Trial, part: str, become: Outcome, chance: random.Random) -> None:
    before = trial.decide()
    event(before.verdict)
    for _ in range(2):
        trial = trial.with_items(**{part: losing(getattr(trial, part), become, chance)})
        after = trial.decide()
        assert place(after) >= place(before), (before.verdict, after.verdict)
        before = after


def losses(method: str) -> list[tuple[str, Outcome]]:
    """What can be lost: records of the gate, of the baseline, of calibration."""
    base = ["base"] if "margin" in method else []
    calibration = ["calibration"] if any(word in method for word in ("threshold", "judge", "excuse")) else []
    return [(part, become) for part in ["gate", *base, *calibration] for become in (None, "failed")]


@given(method=st.sampled_from(sorted(_MADE)), data=st.data(), chance=st.randoms(use_true_random=False))
@settings(QUICK)
def test_losing_never_improves_the_verdict(method: str, data: st.DataObject, chance: random.Random) -> None:
    never_better(data.draw(trials(method)), *data.draw(st.sampled_from(losses(method))), chance)


@pytest.mark.slow
@pytest.mark.parametrize("method", _MADE)
@given(data=st.data(), chance=st.randoms(use_true_random=False))
@THOROUGH_EACH
def test_losing_never_improves_the_verdict_in_thousands_of_cases(
    method: str, data: st.DataObject, chance: random.Random
) -> None:
    never_better(data.draw(trials(method)), *data.draw(st.sampled_from(losses(method))), chance)


def nothing_from_failures(trial: Trial) -> None:
    """Records that say "failed" where the last ones were missing are no evidence."""
    gate = list(trial.gate)
    end = next((i for i in range(len(gate), 0, -1) if gate[i - 1][1] is not None), 0)
    before = trial.decide()
    event(before.verdict)
    added = trial.with_items(gate=[*gate[:end], *((c, "failed") for c, _ in gate[end:])])
    assert place(added.decide()) >= place(before)


@given(method=st.sampled_from(sorted(_MADE)), data=st.data())
@settings(QUICK, max_examples=50)
def test_adding_failed_records_never_improves_the_verdict(method: str, data: st.DataObject) -> None:
    nothing_from_failures(data.draw(trials(method)))


@pytest.mark.slow
@given(method=st.sampled_from(sorted(_MADE)), data=st.data())
@THOROUGH
def test_adding_failed_records_never_improves_the_verdict_in_thousands_of_cases(
    method: str, data: st.DataObject
) -> None:
    nothing_from_failures(data.draw(trials(method)))


PERFECT: dict[str, Callable[[int], Trial]] = {
    "a share": lambda n: Trial(eval_card({"right": RIGHT}), "right", {"at_least": 0.8}, [(0, 1.0)] * n),
    "a share, early": lambda n: Trial(
        eval_card({"right": RIGHT}), "right", {"at_least": 0.8, "sequential": True}, [(0, 1.0)] * n
    ),
    "a mean": lambda n: Trial(eval_card({"quality": QUALITY}), "quality", {"at_least": 40.0}, [(0, 55.0)] * n),
    "a margin": lambda n: Trial(
        eval_card({"right": RIGHT}), "right", {"margin": 0.1}, [(0, 1.0)] * n, base=[(0, 1.0)] * n
    ),
    "a threshold": lambda n: Trial(
        eval_card({"caught": {}}, rate=0.2),
        "caught",
        {"at_least": 0.5},
        [(0, 9.0)] * 40,
        [(0, 1.0)] * n,
        calibration_cells=(Cell(labels={}, metrics=("clean",), n=n),),
    ),
    "a judge": lambda n: Trial(
        eval_card({"said": {}}),
        "said",
        {"at_most": 0.4},
        [(0, 0.0)] * 40,
        [(0, 1.0)] * n + [(1, 1.0)] * n,
        calibration_cells=tuple(Cell(labels={}, metrics=(kind,), n=n) for kind in ("sensitive", "specific")),
    ),
    "sampled speakers": lambda n: Trial(
        clustered("sampled"),
        "right",
        {"at_least": 0.8},
        [(i, 1.0) for i in range(n)],
        labels=[{"speaker": f"s{i:03}", "attack": "a0"} for i in range(n)],
    ),
}


@pytest.mark.parametrize("made", PERFECT.values(), ids=PERFECT)
def test_fewer_items_never_improve_the_verdict(made: Callable[[int], Trial]) -> None:
    """Perfect items of a plan, of calibration or speakers: from too few of them to enough, once and for all."""
    places = [place(made(n).decide()) for n in range(1, 130, 4)]
    assert places == sorted(places, reverse=True)
    assert len(set(places)) == 2


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_what_is_no_number_is_no_sample(value: float) -> None:
    """So it can only be a failure, which never improves the verdict."""
    with pytest.raises(ValidationError):
        Measured(item=0, labels={}, values={"right": value})
    text = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}[str(value)]
    for written in (text, "1e999" if value > 0 else "-1e999", "null", '"NaN"'):
        line = f'{{"outcome":"measured","item":0,"labels":{{}},"values":{{"right":{written}}}}}'
        with pytest.raises(EvidenceUntrusted):
            parse_sample(line.encode(), "shard:1")
