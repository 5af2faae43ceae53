"""Threat sets and excuses that void a gate, or that no card supports: each refusal, word for word and in its place."""

from __future__ import annotations

import pytest

from releasegate.errors import DocumentError
from releasegate.policy import parse_policy
from releasegate.policycheck import Surroundings, problems
from tests.test_method_checks import CLUSTERED, NAMED, SPEAKING, card
from tests.tiny_checkpoints import recipe

MORE = "  usable: {title: Usable, type: bernoulli, unit: share, range: [0, 1], better: higher}\n" + (
    "  ruined: {title: Ruined, type: bernoulli, unit: share, range: [0, 1], better: lower}\nslices:"
)
BARE = SPEAKING.replace("id: speaking", "id: bare").replace(", calibration: 300", "")
BARE = "\n".join(x for x in BARE.splitlines() if not any(y in x for y in ("found:", "said:", "calibration:"))) + "\n"
CARDS = {
    name: card(text.replace("slices:", MORE))
    for name, text in (("speaking", SPEAKING), ("voices", CLUSTERED), ("cast", NAMED), ("bare", BARE))
}
POLICY = """\
schema: releasegate/policy/v1
id: tiny
title: A tiny model
model: {layout: chameleon-hf, subject: tiny}
release: {channel: api}
capabilities:
  - id: speaking
    title: Speaks
    rationale: Not mature.
    misuse:
      - {id: weak, MISUSE}
    safeguards:
      protected:
        - {id: guarded, enforced_by: weights, SAFEGUARDS}
    otherwise: strip
    recipe: chameleon-hf/image_generation
    removal:
      - {id: gone, REMOVAL}
    keep:
      - {id: kept, KEEP}
"""
GOOD = "metric: speaking/clear, at_most: 0.2"
PLACES = {"misuse": "11:", "safeguards": "14:", "removal": "18:", "keep": "20:"}


def found(asked: str, section: str = "safeguards") -> list[str]:
    """`key: what | fix` of every problem of the requirement in this section."""
    text = POLICY
    for name in PLACES:
        good = "metric: speaking/clear, margin: 0.03" if name == "keep" else GOOD
        text = text.replace(name.upper(), asked if name == section else good)
    beside = Surroundings(CARDS, {"chameleon-hf/image_generation": recipe()}, {"tiny": None})
    listed = problems(parse_policy(text, "p.yaml"), beside)
    assert all(p.where.startswith(f"p.yaml:{PLACES[section]}") for p in listed)
    inner = "safeguards.protected" if section == "safeguards" else section
    return [f"{p.what} | {p.fix}".removeprefix(f"capabilities.0.{inner}.0").removeprefix(".") for p in listed]


SLICED = f"{GOOD}, slices: [attack]"
EXCUSE = "excused: {metric: speaking/usable, at_most: 0.1}"


@pytest.mark.parametrize(
    "asked",
    [
        f"{GOOD}, values: {{attack: [none, mp3_64k]}}",
        f"{SLICED}, values: {{attack: [none], speaker: [f, m]}}",
        f"{GOOD}, slices: [[attack, speaker]], values: {{attack: [none]}}",
        "metric: cast/clear, at_most: 0.2, values: {speaker: [f]}",
        "metric: voices/clear, at_most: 0.2, values: {attack: [none]}",
        f"{SLICED}, {EXCUSE}",
        f"{SLICED}, values: {{attack: [none, noise]}}, {EXCUSE}",
        f"{SLICED}, excused: {{metric: speaking/ruined, at_least: 0.9}}",
        f"metric: speaking/found, at_least: 0.9, slices: all, {EXCUSE}",
        "metric: cast/clear, at_most: 0.2, slices: [attack], excused: {metric: cast/usable, at_most: 0.1}",
    ],
)
def test_what_can_be_gated_and_excused_is_no_problem(asked: str) -> None:
    assert found(asked) == []


def test_a_paired_comparison_may_have_a_threat_set() -> None:
    assert found("metric: speaking/clear, margin: 0.03, values: {attack: [none]}", "keep") == []


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ("{}", "values: must not be empty | name a dimension and its values, or remove the key"),
        ("{atack: [none]}", "values.atack: eval speaking has no dimension 'atack' | use one of attack, speaker"),
        ("{attack: []}", "values.attack: must not be empty | list the values that are gated, or remove it"),
        ("{attack: [none, mp3, none]}", "values.attack.2: 'none' stands twice | list each value once"),
    ],
)
def test_a_threat_set_that_is_none_is_refused(values: str, problem: str) -> None:
    assert found(f"{GOOD}, values: {values}") == [problem]


def test_chosen_clusters_are_no_sample() -> None:
    assert found("metric: voices/clear, at_most: 0.2, values: {speaker: [f]}") == [
        "values.speaker: eval voices samples its clusters, and those that somebody chose are no sample | remove it"
    ]


def test_values_are_text() -> None:
    with pytest.raises(DocumentError) as caught:
        found(f"{GOOD}, values: {{attack: [3]}}")
    assert "values.attack.0: must be text; got 3" in str(caught.value)


ONE = "state exactly one"


@pytest.mark.parametrize(
    ("asked", "problem"),
    [
        (f"{GOOD}, {EXCUSE}", "excused: excuses slices, and the requirement has none | state `slices`"),
        (
            f"{SLICED}, excused: {{metric: speaking/usable}}",
            f"excused: needs one of at_most, at_least; has none | {ONE}",
        ),
        (
            f"{SLICED}, excused: {{metric: speaking/usable, at_most: 0.1, at_least: 0.9}}",
            f"excused: needs one of at_most, at_least; has at_most and at_least | {ONE}",
        ),
        (
            f"{SLICED}, excused: {{metric: cast/usable, at_most: 0.1}}",
            "excused.metric: cast/usable is of another eval than speaking/clear | name a metric of eval speaking",
        ),
        (
            f"{SLICED}, excused: {{metric: speaking/useable, at_most: 0.1}}",
            "excused.metric: eval speaking has no metric 'useable' "
            "| use one of clean, clear, eer, found, quality, ratio, ruined, said, sure, true, usable",
        ),
        (
            f"{SLICED}, excused: {{metric: speaking/quality, at_most: 20}}",
            "excused.metric: speaking/quality is bounded_mean, and only a share of calibration items excuses "
            "| name a bernoulli metric, such as the share of items above a quality",
        ),
        (
            f"{SLICED}, excused: {{metric: speaking/sure, at_most: 0.1}}",
            "excused.metric: speaking/sure measures the judge, not the material | name another metric",
        ),
        (
            f"{SLICED}, excused: {{metric: speaking/said, at_most: 0.1}}",
            "excused.metric: speaking/said is what a judge says, whose errors could excuse "
            "| use a metric that no judge decides",
        ),
        (
            f"{SLICED}, excused: {{metric: speaking/usable, at_most: 1}}",
            "excused.at_most: 1 is at or beyond the range 0 to 1 of speaking/usable: it would excuse all, or nothing "
            "| choose a limit inside the range",
        ),
        (
            f"{SLICED}, excused: {{metric: speaking/usable, at_least: 0.1}}",
            "excused.at_least: would excuse an attack because it keeps the material good: speaking/usable is better higher "
            "| state at_most",
        ),
        (
            f"{SLICED}, excused: {{metric: speaking/ruined, at_most: 0.9}}",
            "excused.at_most: would excuse an attack because it keeps the material good: speaking/ruined is better lower "
            "| state at_least",
        ),
        (
            "metric: bare/clear, at_most: 0.2, slices: [attack], excused: {metric: bare/usable, at_most: 0.1}",
            "excused: rests on calibration items, and eval bare has none | state their number in the card: `items.calibration`",
        ),
        (
            "metric: voices/clear, at_most: 0.2, slices: [attack], excused: {metric: voices/usable, at_most: 0.1}",
            "excused: eval voices samples clusters, whose calibration items are not independent "
            "| use an eval whose clusters are named, or that has none",
        ),
    ],
)
def test_an_excuse_that_proves_nothing_is_refused(asked: str, problem: str) -> None:
    assert found(asked) == [problem]


@pytest.mark.parametrize("section", ["misuse", "removal"])
def test_only_a_safeguard_is_excused(section: str) -> None:
    """Elsewhere it would leave out the slices in which the model is able."""
    assert found(f"{SLICED}, {EXCUSE}", section) == [
        f"excused: {section} would be shown by leaving out slices in which it is not | remove it: only a safeguard is excused"
    ]


def test_a_margin_is_not_excused() -> None:
    assert found(f"metric: speaking/clear, margin: 0.03, slices: [attack], {EXCUSE}", "keep") == [
        "excused: keep would be shown by leaving out slices in which it is not | remove it: only a safeguard is excused",
        "excused: a margin has no excuse | remove it",
    ]
