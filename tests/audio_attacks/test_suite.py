"""Suites: attacks and strengths in order, and every mistake at its place with its remedy."""

from __future__ import annotations

import pytest
import torch

from releasegate.attacks import FAMILIES, Given, find_attack
from releasegate.attacks.suite import NAMES, Suite, SuiteAttack, parse_suite, takes_strength
from releasegate.errors import DocumentError, UsageError
from tests.spread_spectrum import SpreadSpectrum

SUITE = """\
schema: releasegate/suite/v1
id: speech
title: What happens to speech on its way
attacks:
  - {attack: none}
  - {attack: splice_marked, strengths: [500, 1e3]}
  - {attack: overwrite}
  - attack: square
    strengths: [30.5]
"""


def problems(text: str) -> list[str]:
    with pytest.raises(DocumentError) as caught:
        parse_suite(text, "s.yaml")
    return [f"{p.where}: {p.what} | {p.fix}" for p in caught.value.problems]


def test_the_cells_are_the_attacks_at_their_strengths_in_order():
    cells = list(parse_suite(SUITE, "s.yaml").record.cells())
    labels = [attack.label(strength) for attack, strength in cells]
    assert labels == ["none", "splice_marked_500ms", "splice_marked_1000ms", "overwrite", "square_30.5dB"]
    assert [strength for _, strength in cells] == [None, 500.0, 1000.0, None, 30.5]


def test_a_suite_comes_back_from_what_it_is_stored_as():
    suite = parse_suite(SUITE, "s.yaml").record
    assert parse_suite(suite.text(), "s.yaml").record == suite
    assert Suite.from_text(suite.text()).digest() == suite.digest()
    assert suite.attacks[2] == SuiteAttack(attack="overwrite")


BAD = [
    (
        "attack: square",
        "attack: sqare",
        "s.yaml:8:13: attacks.3.attack: no attack 'sqare' | did you mean `square`?",
    ),
    (
        "[500, 1e3]",
        "[500, 0.5]",
        "s.yaml:6:46: attacks.1.strengths.1: splice_marked takes 1 to 600000 ms; got 0.5 | choose a strength in that range",
    ),
    (
        "{attack: overwrite}",
        "{attack: overwrite, strengths: [1]}",
        "s.yaml:7:25: attacks.2.strengths: overwrite is not more or less strong | remove `strengths`",
    ),
    (
        "{attack: none}",
        "{attack: none, strengths: [0]}",
        "s.yaml:5:20: attacks.0.strengths: none is not more or less strong | remove `strengths`",
    ),
    (
        "splice_marked, strengths: [500, 1e3]",
        "splice_marked",
        "s.yaml:6:14: attacks.1.attack: splice_marked needs `strengths` | "
        "add `strengths:` with numbers from 1 to 600000 ms",
    ),
    (
        "attack: overwrite",
        "attack: none",
        "s.yaml:7:14: attacks.2.attack: none stands in the list already | list its strengths together",
    ),
    (
        "[500, 1e3]",
        "[500, 500.0]",
        "s.yaml:6:46: attacks.1.strengths.1: 500 ms stands in the list already | "
        "keep one; strengths are told apart by six digits",
    ),
    (
        "[500, 1e3]",
        "[500, 500.0001]",
        "s.yaml:6:46: attacks.1.strengths.1: 500 ms stands in the list already | "
        "keep one; strengths are told apart by six digits",
    ),
    (
        "[30.5]",
        "[.nan]",
        's.yaml:9:17: attacks.3.strengths.0: must be a number; got ".nan" | correct the value',
    ),
    (
        "[30.5]",
        "[true]",
        "s.yaml:9:17: attacks.3.strengths.0: must be a number; got true | correct the value",
    ),
    (
        "[30.5]",
        "30.5",
        "s.yaml:9:16: attacks.3.strengths: must be a list; got 30.5 | correct the value",
    ),
    (
        "[30.5]",
        "[]",
        "s.yaml:9:16: attacks.3.strengths: must not be empty | write at least one, or remove the key",
    ),
    (
        "    strengths: [30.5]",
        "    strength: [30.5]",
        "s.yaml:9:5: attacks.3.strength: unknown key | did you mean `strengths`?",
    ),
    (
        "suite/v1",
        "suite/v2",
        's.yaml:1:9: schema: unknown version "releasegate/suite/v2"; this releasegate reads "releasegate/suite/v1" | '
        "write `schema: releasegate/suite/v1`",
    ),
    (
        "suite/v1",
        "policy/v1",
        "s.yaml:1:9: schema: is a policy, and a suite of attacks is wanted | check it with `releasegate check FILE`",
    ),
]


@pytest.mark.parametrize(("before", "after", "message"), BAD, ids=[after for _, after, _ in BAD])
def test_a_mistake_is_told_with_its_place_and_remedy(before, after, message):
    assert SUITE.count(before) == 1
    assert problems(SUITE.replace(before, after)) == [message]


def test_every_mistake_is_told_at_once_in_the_order_of_the_file():
    text = SUITE.replace("attack: none", "attack: nun").replace("[30.5]", "[-1, 81]")
    assert [line.split(": ")[0] for line in problems(text)] == ["s.yaml:5:14", "s.yaml:9:17", "s.yaml:9:21"]


def test_numbers_beyond_all_bounds_are_refused():
    assert problems(SUITE.replace("30.5", "1e999")) != []


@pytest.mark.parametrize("name", ["none", *FAMILIES["splicing"], *FAMILIES["forging"], "square", "pgd_remove"])
def test_an_attack_says_itself_which_strengths_make_sense(name):
    attack = find_attack(name)
    low, high = attack.domain
    listed = (
        f"  - {{attack: {name}, strengths: [{low:g}, {high:g}]}}\n"
        if takes_strength(attack)
        else f"  - attack: {name}\n"
    )
    suite = parse_suite(SUITE.split("  - ")[0] + listed, "s.yaml").record
    assert [strength for _, strength in suite.cells()] == ([low, high] if takes_strength(attack) else [None])


def test_every_attack_stands_in_one_family():
    assert len(set(NAMES)) == len(NAMES) > 40


@pytest.mark.parametrize(
    ("name", "strength", "wanted"),
    [
        ("smooth", 2.5, "a whole number"),
        ("median", 4, "an odd whole number"),
        ("resample", 8000.5, "a whole number"),
        ("requantise", 7.5, "a whole number"),
        ("average_removal", 1.5, "a whole number"),
        ("mp3", 33, "one of 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160, 192, 224, 256, 320"),
        ("amr", 5, "one of 4.75, 5.15, 5.9, 6.7, 7.4, 7.95, 10.2, 12.2"),
    ],
)
def test_a_strength_that_its_attack_would_refuse_is_refused_with_its_place(name, strength, wanted):
    listed = f"  - {{attack: {name}, strengths: [{strength}]}}\n"
    (problem,) = problems(SUITE.split("  - ")[0] + listed)
    assert problem.startswith("s.yaml:5:")
    assert problem.endswith(
        f"attacks.0.strengths.0: {name} takes {wanted}; got {strength:g} | choose a strength that it takes"
    )
    attack = find_attack(name)
    given = Given(torch.zeros(1, 1600), 16000, [1], torch.zeros(1, 1600), SpreadSpectrum())
    with pytest.raises(UsageError):
        attack.apply(given, strength)


def test_every_attack_takes_both_ends_of_its_domain():
    for name in NAMES:
        attack = find_attack(name)
        assert [attack.wanted(end) for end in attack.domain if takes_strength(attack)] in ([], [None, None])
