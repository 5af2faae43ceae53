"""Cards and policies that ask a method for what it cannot give: each refusal, word for word."""

from __future__ import annotations

import pytest

from releasegate.cardcheck import parse_card
from releasegate.errors import DocumentError
from releasegate.evalcard import EvalCard
from releasegate.policy import parse_policy
from releasegate.policycheck import Surroundings, problems
from releasegate.recipe import Recipe
from tests.tiny_checkpoints import recipe

SPEAKING = """\
schema: releasegate/eval/v1
id: speaking
title: Speaks
description: Speaks.
needs: []
items: {kind: generated, n: 400, calibration: 300, source: made}
metrics:
  clear: {title: Clear, type: bernoulli, unit: share, range: [0, 1], better: higher}
  quality: {title: Quality, type: bounded_mean, unit: dB, range: [0, 60], better: higher}
  found: {title: Found, type: thresholded, unit: score, range: [-5, 5], better: higher, threshold: {negatives: clean, rate: 0.01}}
  clean: {title: Clean, type: report_only, unit: score, range: [-5, 5], better: lower}
  said: {title: Said, type: bernoulli, unit: share, range: [0, 1], better: higher, judged_by: judge}
  sure: {title: Sure, type: bernoulli, unit: share, range: [0, 1], better: higher, of_instrument: judge, shows: sensitivity}
  true: {title: True, type: bernoulli, unit: share, range: [0, 1], better: higher, of_instrument: judge, shows: specificity}
  ratio: {title: Ratio, type: ratio, unit: none, range: [0, 10], better: higher}
  eer: {title: EER, type: report_only, unit: share, range: [0, 1], better: lower}
slices:
  speaker: {title: Speaker}
  attack: {title: Attack, gate: true}
instruments:
  judge: {title: Judge, files: [judge.bin], source: made}
calibration: {of: model, population: sampled, key: speaker}
"""
CLUSTERED = SPEAKING.replace("id: speaking", "id: voices") + "clusters: {key: speaker, population: sampled}\n"
NAMED = SPEAKING.replace("id: speaking", "id: cast") + "clusters: {key: speaker, population: named}\n"
UNSAID = SPEAKING.replace("calibration: {of: model, population: sampled, key: speaker}\n", "")
POLICY = """\
schema: releasegate/policy/v1
id: tiny
title: A tiny model
model: {layout: chameleon-hf, subject: tiny}
release: {channel: open_weights}
capabilities:
  - id: speaking
    title: Speaks
    rationale: Not mature.
    safeguards:
      protected:
        - {id: guarded, enforced_by: weights, GUARD}
    otherwise: strip
    recipe: chameleon-hf/image_generation
    removal:
      - {id: gone, metric: speaking/clear, at_most: 0.20}
    keep:
      - {id: kept, KEEP}
"""
GOOD_GUARD, GOOD_KEEP = "metric: speaking/clear, at_most: 0.2", "metric: speaking/clear, margin: 0.03"


def card(text: str) -> EvalCard:
    return parse_card(text, "eval.yaml").record


def found(guard: str = GOOD_GUARD, keep: str = GOOD_KEEP) -> list[str]:
    """`where: what | fix` of every problem of a policy with these two requirements."""
    recipes: dict[str, Recipe] = {"chameleon-hf/image_generation": recipe()}
    cards = {name: card(text) for name, text in (("speaking", SPEAKING), ("voices", CLUSTERED), ("cast", NAMED))}
    text = POLICY.replace("GUARD", guard).replace("KEEP", keep)
    listed = problems(parse_policy(text, "p.yaml"), Surroundings(cards, recipes, {"tiny": None}))
    return [f"{p.where}: {p.what} | {p.fix}" for p in listed]


@pytest.mark.parametrize(
    "guard",
    [
        GOOD_GUARD,
        "metric: speaking/clear, at_most: 0.2, sequential: true, assume: 0.1, n_max: 5000",
        "metric: speaking/clear, at_least: 0.9, assume: 0.97",
        "metric: speaking/quality, at_most: 20",
        "metric: speaking/quality, at_most: 20, sequential: true, assume: 12",
        "metric: speaking/found, at_least: 0.9",
        "metric: speaking/found, at_least: 0.9, sequential: true",
        "metric: speaking/said, at_most: 0.2, sequential: true",
        "metric: voices/clear, at_least: 0.9, slices: [attack]",
        "metric: voices/found, at_least: 0.9",
        "metric: cast/clear, at_least: 0.9, sequential: true, slices: [attack]",
    ],
)
def test_what_a_method_can_test_is_no_problem(guard: str) -> None:
    assert found(guard) == []


@pytest.mark.parametrize(
    "keep",
    [
        GOOD_KEEP,
        "metric: speaking/clear, margin: 0.03, sequential: true",
        "metric: speaking/quality, margin: 30",
        "metric: speaking/quality, margin: 6, sequential: true, slices: all",
        "metric: cast/clear, margin: 0.03",
    ],
)
def test_what_a_paired_method_can_test_is_no_problem(keep: str) -> None:
    assert found(keep=keep) == []


WRONG = (
    "does not keep the requirement: no number of items would show it | assume a truth on the right side of the limit"
)
BAD_GUARDS = [
    ("metric: speaking/clear, at_most: 0.2, assume: 0.3", f"assume: 0.3 {WRONG}"),
    ("metric: speaking/clear, at_most: 0.2, assume: 0.2", f"assume: 0.2 {WRONG}"),
    ("metric: speaking/clear, at_least: 0.9, assume: 0.9", f"assume: 0.9 {WRONG}"),
    ("metric: speaking/clear, at_least: 0.9, assume: 0.5", f"assume: 0.5 {WRONG}"),
    ("metric: speaking/quality, at_most: 20, assume: 21", f"assume: 21 {WRONG}"),
    (
        "metric: voices/clear, at_least: 0.9, sequential: true",
        "sequential: eval voices samples clusters, of which each counts once all its items are measured | remove it",
    ),
    (
        "metric: speaking/found, at_least: 2",
        "at_least: 2 is at or beyond the range 0 to 1 of speaking/found: no evidence could make it fail, or none could "
        "meet it | choose a limit inside the range",
    ),
    (
        "metric: speaking/ratio, at_least: 2",
        "metric: speaking/ratio is ratio and cannot be gated | gate a metric of type bernoulli or bounded_mean or thresholded",
    ),
    (
        "metric: speaking/eer, at_least: 0.2",
        "metric: speaking/eer is report_only and cannot be gated "
        "| gate a metric of type bernoulli or bounded_mean or thresholded",
    ),
    (
        "metric: speaking/sure, at_least: 0.2",
        "metric: speaking/sure measures the judge, not the model | gate another metric",
    ),
]


@pytest.mark.parametrize(("guard", "message"), BAD_GUARDS)
def test_what_no_method_can_test_is_refused(guard: str, message: str) -> None:
    (problem,) = found(guard)
    where, _, rest = problem.partition(": ")
    assert rest == f"capabilities.0.safeguards.protected.0.{message}"
    assert where.startswith("p.yaml:12:")


BAD_KEEP = [
    (
        "metric: speaking/clear, margin: 0.03, assume: 0.01",
        "assume: a margin is planned for no loss at all | remove it",
    ),
    (
        "metric: speaking/quality, margin: 31",
        "margin: must be above 0 and at most half the range (30); got 31 | choose a smaller margin",
    ),
    (
        "metric: speaking/found, margin: 0.03",
        "margin: speaking/found is a score, and has no margin | state a limit elsewhere",
    ),
    (
        "metric: speaking/said, margin: 0.03",
        "margin: speaking/said is what a judge says, whose errors hide a part of every difference "
        "| use a metric that no judge decides",
    ),
    (
        "metric: voices/clear, margin: 0.03",
        "margin: eval voices samples clusters, whose items are not independent pairs "
        "| use an eval whose clusters are named, or that has none",
    ),
]


@pytest.mark.parametrize(("keep", "message"), BAD_KEEP)
def test_what_no_paired_method_can_test_is_refused(keep: str, message: str) -> None:
    (problem,) = found(keep=keep)
    where, _, rest = problem.partition(": ")
    assert rest == f"capabilities.0.keep.0.{message}"
    assert where.startswith("p.yaml:18:")


BAD_CARDS = [
    (
        ", threshold: {negatives: clean, rate: 0.01}",
        "",
        "10:31: metrics.found.type: `thresholded` and `threshold` go together | state both, or neither",
    ),
    (
        "found: {title: Found, type: thresholded",
        "found: {title: Found, type: bounded_mean",
        "10:31: metrics.found.type: `thresholded` and `threshold` go together | state both, or neither",
    ),
    (
        "negatives: clean",
        "negatives: cleen",
        "10:100: metrics.found.threshold: no metric 'cleen' | name the metric of the negatives",
    ),
    (
        "rate: 0.01",
        "rate: 0",
        "10:125: metrics.found.threshold.rate: must be greater than 0; got 0 | choose a number in that range",
    ),
    (
        ", shows: specificity",
        "",
        "12:95: metrics.said.judged_by: no metric shows the specificity of judge "
        "| add it, with `of_instrument` and `shows`",
    ),
    (
        ", of_instrument: judge, shows: specificity",
        "",
        "12:95: metrics.said.judged_by: no metric shows the specificity of judge "
        "| add it, with `of_instrument` and `shows`",
    ),
    (
        "shows: specificity",
        "shows: sensitivity",
        "14:113: metrics.true.shows: metric sure shows the sensitivity of judge already | keep one",
    ),
    (
        "of_instrument: judge, shows: specificity",
        "shows: specificity",
        "14:91: metrics.true.shows: only a bernoulli metric of an instrument shows one of the two | remove it",
    ),
    (
        "true: {title: True, type: bernoulli",
        "true: {title: True, type: bounded_mean",
        "14:116: metrics.true.shows: only a bernoulli metric of an instrument shows one of the two | remove it",
    ),
    (
        "said: {title: Said, type: bernoulli",
        "said: {title: Said, type: bounded_mean",
        "12:98: metrics.said.judged_by: only a bernoulli metric is a yes or no | remove it",
    ),
    (
        "judged_by: judge",
        "judged_by: jury",
        "12:95: metrics.said.judged_by: no such instrument | name one of `instruments`",
    ),
    (
        " calibration: 300,",
        "",
        "10:100: metrics.found.threshold: rests on calibration items, and there are none "
        "| state their number: `items.calibration`",
    ),
    (
        " calibration: 300,",
        "",
        "12:95: metrics.said.judged_by: rests on calibration items, and there are none "
        "| state their number: `items.calibration`",
    ),
]


@pytest.mark.parametrize(("before", "after", "message"), BAD_CARDS)
def test_a_card_whose_methods_lack_a_part_is_refused(before: str, after: str, message: str) -> None:
    assert before in SPEAKING
    with pytest.raises(DocumentError) as caught:
        card(SPEAKING.replace(before, after, 1))
    assert f"eval.yaml:{message}" in [f"{p.where}: {p.what} | {p.fix}" for p in caught.value.problems]


def test_clusters_are_named_by_a_dimension() -> None:
    with pytest.raises(DocumentError) as caught:
        card(CLUSTERED.replace("clusters: {key: speaker", "clusters: {key: singer"))
    (problem,) = caught.value.problems
    assert (problem.what, problem.fix) == ("clusters.key: no such dimension", "name one of `slices`")


@pytest.mark.parametrize("metric", ["said", "found"])
def test_a_card_that_does_not_say_what_its_calibration_items_are_is_refused(metric: str) -> None:
    cards = {name: card(text) for name, text in (("speaking", UNSAID), ("voices", CLUSTERED), ("cast", NAMED))}
    text = POLICY.replace("GUARD", f"metric: speaking/{metric}, at_least: 0.9").replace("KEEP", GOOD_KEEP)
    recipes: dict[str, Recipe] = {"chameleon-hf/image_generation": recipe()}
    (problem,) = problems(parse_policy(text, "p.yaml"), Surroundings(cards, recipes, {"tiny": None}))
    assert problem.what.endswith("eval speaking does not say what the clusters of its calibration items are")
    assert problem.fix == "state `calibration` in the card: its population, its key, and what is calibrated"
