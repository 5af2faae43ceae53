"""A malformed recipe has one clear problem, at its place, with a remedy."""

from __future__ import annotations

import pytest

from releasegate.documents import parse_document
from releasegate.errors import DocumentError
from releasegate.recipe import EDITS, Recipe

TEXT = """\
schema: releasegate/recipe/v1
id: toy-hf/insults
title: Insults out of the toy
rationale: Only one tensor is read.
layout: toy-hf
edits:
  - %s
keep: {tensors: [greetings]}
"""
NUMBER = "must be a number, `{config: PATH}`, `{tensor: NAME}`, or `{min: A, max: B}`"
ROWS = "must be either `{vocabulary: PATTERN}` or `{ids: [3, [8, 15]]}`"
SLICES = "must be either `{ids: [3, [8, 15]]}` or `{last: 1}`"
BRACES = "braces hold a bound: `{<path}` or `{>=path}`, a path of the configuration; or `{<path-1}`"
ONE_OF_THREE = "give one of a value, other than null, less, or tokens"

MALFORMED: dict[str, tuple[str, int, str]] = {
    "unknown_edit": (
        "{remove: x, expect: 1}",
        5,
        "edits.0: no edit is called `remove`",
    ),
    "no_edit": ("x", 5, f'edits.0: must have one verb of {", ".join(EDITS)}; got "x"'),
    "two_edits": (
        "{drop: x, zero_fill: y, expect: 1}",
        5,
        "edits.0: has 2 verbs, drop, zero_fill, where one is wanted",
    ),
    "no_verb": ("{expect: 1}", 5, "edits.0: has no verb"),
    "nothing_expected": ("{drop: x}", 5, "edits.0.expect: missing"),
    "unknown_key": ("{drop: x, expects: 1, expect: 1}", 15, "edits.0.expects: unknown key"),
    "expects_none": ("{drop: x, expect: 0}", 23, "edits.0.expect: must be greater than or equal to 1; got 0"),
    "expects_words": ("{drop: x, expect: many}", 23, f'edits.0.expect: {NUMBER}; got "many"'),
    "expects_a_list": ("{drop: x, expect: [1]}", 23, f"edits.0.expect: {NUMBER}; got a list"),
    "expects_nothing_stated": ("{drop: x, expect: {}}", 23, f"edits.0.expect: {NUMBER}; got a mapping"),
    "expects_half_a_range": ("{drop: x, expect: {min: 3}}", 23, "edits.0.expect.max: missing"),
    "expects_a_reversed_range": (
        "{drop: x, expect: {min: 3, max: 1}}",
        23,
        "edits.0.expect: no number is at least 3 and at most 1",
    ),
    "expects_both": ("{drop: x, expect: {config: a, min: 1}}", 35, "edits.0.expect.min: unknown key"),
    "rows_both_forms": (
        "{zero_rows: x, rows: {vocabulary: a, ids: [1]}, expect: 1}",
        26,
        f"edits.0.rows: {ROWS}; got a mapping",
    ),
    "rows_neither_form": ("{zero_rows: x, rows: {}, expect: 1}", 26, f"edits.0.rows: {ROWS}; got a mapping"),
    "rows_a_list": ("{zero_rows: x, rows: [1], expect: 1}", 26, f"edits.0.rows: {ROWS}; got a list"),
    "rows_none": ("{zero_rows: x, rows: {ids: []}, expect: 1}", 32, "edits.0.rows.ids: must not be empty"),
    "rows_reversed": (
        "{zero_rows: x, rows: {ids: [[8, 3]]}, expect: 1}",
        26,
        "edits.0.rows: the range [8, 3] ends before it begins",
    ),
    "rows_of_three": (
        "{zero_rows: x, rows: {ids: [[1, 2, 3]]}, expect: 1}",
        33,
        "edits.0.rows.ids.0: must be a whole number, or a range: `[first, last]`; got a list",
    ),
    "rows_negative": (
        "{zero_rows: x, rows: {ids: [-1]}, expect: 1}",
        33,
        "edits.0.rows.ids.0: must be greater than or equal to 0; got -1",
    ),
    "no_std": ("{reinitialise_rows: x, rows: {ids: [1]}, expect: 1}", 5, "edits.0.std: missing"),
    "std_0": (
        "{reinitialise_rows: x, rows: {ids: [1]}, std: 0, expect: 1}",
        51,
        "edits.0.std: must be greater than 0; got 0",
    ),
    "of_0": (
        "{zero_slices: x, slices: {ids: [1]}, of: 0, expect: 1}",
        46,
        "edits.0.of: must be greater than or equal to 1; got 0",
    ),
    "of_words": (
        "{zero_slices: x, slices: {last: 1}, of: two, expect: 1}",
        45,
        'edits.0.of: must be a number or `{config: PATH}`; got "two"',
    ),
    "slices_both_forms": (
        "{remove_slices: x, slices: {ids: [1], last: 2}, of: 2, expect: 1}",
        32,
        f"edits.0.slices: {SLICES}; got a mapping",
    ),
    "slices_none": (
        "{remove_slices: x, slices: {last: 0}, of: 2, expect: 1}",
        39,
        "edits.0.slices.last: must be greater than or equal to 1; got 0",
    ),
    "dimension_negative": (
        "{zero_rows: x, rows: {ids: [1]}, dimension: -1, expect: 1}",
        49,
        "edits.0.dimension: must be greater than or equal to 0; got -1",
    ),
    "braces_without_a_sign": ("{drop: 'layers.{n}.*', expect: 1}", 12, f"edits.0.drop: {BRACES}"),
    "braces_with_another_sign": ("{drop: 'layers.{<=n}.*', expect: 1}", 12, f"edits.0.drop: {BRACES}"),
    "braces_left_open": ("{drop: 'layers.{>=n', expect: 1}", 12, f"edits.0.drop: {BRACES}"),
    "empty_pattern": ("{drop: '', expect: 1}", 12, "edits.0.drop: must not be empty"),
    "tokens_without_rows": (
        "{drop_tokens: x, expect: 1}",
        0,
        "drop_tokens without remove_rows: the rows of the tokens would get other tokens' ids",
    ),
    "set_to_nothing": ("{set: config.json, key: a}", 5, f"edits.0: {ONE_OF_THREE}"),
    "set_twice_over": ("{set: config.json, key: a, value: 1, less: 1}", 5, f"edits.0: {ONE_OF_THREE}"),
    "less_0": (
        "{set: config.json, key: a, less: 0}",
        38,
        "edits.0.less: must be greater than or equal to 1; got 0",
    ),
    "set_no_key": ("{set: config.json, value: 1}", 5, "edits.0.key: missing"),
    "unset_no_key": ("{unset: config.json}", 5, "edits.0.key: missing"),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_a_malformed_edit_has_one_problem_at_its_place(name: str) -> None:
    edit, column, what = MALFORMED[name]
    with pytest.raises(DocumentError) as caught:
        parse_document(Recipe, TEXT % edit, "recipe.yaml")
    (problem,) = caught.value.problems
    assert problem.where == (f"recipe.yaml:7:{column}" if column else "recipe.yaml:1:1")
    assert problem.what == what
    assert problem.fix


@pytest.mark.parametrize(
    ("verb", "fix"),
    [("drop_tensor", "drop_tokens"), ("zerofill", "zero_fill"), ("remove", "remove_rows"), ("st", "set")],
)
def test_a_verb_that_is_nearly_one_is_recognised(verb: str, fix: str) -> None:
    with pytest.raises(DocumentError) as caught:
        parse_document(Recipe, TEXT % f"{{{verb}: x, expect: 1}}", "recipe.yaml")
    assert [problem.fix for problem in caught.value.problems] == [f"did you mean `{fix}`?"]


def test_a_residual_names_tensors_or_files() -> None:
    text = TEXT % "{drop: x, expect: 1}" + "residual:\n  - {why: It stays.}\n"
    with pytest.raises(DocumentError) as caught:
        parse_document(Recipe, text, "recipe.yaml")
    assert [problem.what for problem in caught.value.problems] == ["residual.0: give either tensors or files"]


def test_every_edit_has_a_form_that_parses() -> None:
    rows = "rows: {ids: [3, [8, 15]]}, expect: 9"
    slices = "slices: {last: 1}, of: {config: heads}, expect: 1"
    forms = {
        "drop": "drop: x, expect: 1",
        "zero_fill": "zero_fill: x, expect: {min: 0, max: 2}",
        "zero_rows": f"zero_rows: x, dimension: 1, parallel: 0, {rows}",
        "reinitialise_rows": f"reinitialise_rows: x, std: 0.02, {rows}",
        "remove_rows": f"remove_rows: x, {rows}",
        "zero_slices": f"zero_slices: x, {slices}",
        "remove_slices": f"remove_slices: x, dimension: 1, {slices}",
        "drop_tokens": f"drop_tokens: x, expect: 9}}\n  - {{remove_rows: x, {rows}",
        "drop_file": "drop_file: x, expect: {config: a.b, plus: -1, times: 3}",
        "set": "set: config.json, key: a.b, less: {config: a.c}",
        "unset": "unset: config.json, key: a, expect: {min: 0, max: 1}",
    }
    assert list(forms) == list(EDITS)
    for form in forms.values():
        parse_document(Recipe, TEXT % f"{{{form}}}", "recipe.yaml")
