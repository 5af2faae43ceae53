"""The JSON Schemas that editors use: fresh, and of one mind with the reader."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from releasegate.repository import GateRepository
from releasegate.repository.shipped import FILE, shipped_text
from releasegate.schemas import RENDERED, SCHEMAS, schema_text
from releasegate.yamltext import parse_yaml
from tests.test_policy import BAD, POLICY

ROOT = Path(__file__).parents[1]
DOCUMENTS = {
    "policies/policy.schema.json": sorted((ROOT / "policies").glob("*.yaml")),
    "policies/recipes/recipe.schema.json": sorted((ROOT / "policies" / "recipes").glob("*/*.yaml")),
    "policies/tests/policytest.schema.json": sorted((ROOT / "policies" / "tests").glob("*.yaml")),
    "evals/eval.schema.json": sorted((ROOT / "evals").glob("*/eval.yaml")),
    "evals/suite.schema.json": sorted((ROOT / "evals").glob("*/suite*.yaml")),
}


def schema(place: str) -> Draft202012Validator:
    return Draft202012Validator(json.loads((ROOT / place).read_text()))


def data(text: str) -> Any:
    return parse_yaml(text, "x.yaml").data


@pytest.mark.parametrize("place", [*SCHEMAS, *RENDERED])
def test_a_committed_schema_is_fresh(place: str) -> None:
    assert (ROOT / place).read_text() == schema_text({**SCHEMAS, **RENDERED}[place]), "run `make schemas`"


def test_the_digests_of_the_recipes_that_ship_are_fresh() -> None:
    committed = ROOT / "releasegate" / "repository" / FILE
    assert committed.read_text() == shipped_text(GateRepository(ROOT)), "run `make schemas`"


@pytest.mark.parametrize("place", [*SCHEMAS, *RENDERED])
def test_a_schema_is_a_schema(place: str) -> None:
    Draft202012Validator.check_schema(json.loads((ROOT / place).read_text()))


@pytest.mark.parametrize("place", SCHEMAS)
def test_what_ships_is_valid_by_its_schema(place: str) -> None:
    assert DOCUMENTS[place]
    for path in DOCUMENTS[place]:
        assert [error.message for error in schema(place).iter_errors(data(path.read_text()))] == [], path.name


@pytest.mark.parametrize(("before", "after"), [case[:2] for case in BAD], ids=[case[2].split("|")[0] for case in BAD])
def test_what_the_reader_refuses_for_its_form_the_editor_marks(before: str, after: str) -> None:
    text = POLICY.replace(before, after, 1)
    unseen = 'title: "  "' in text or "\\n" in text  # white space; and Python's `$` also matches before a line's end
    assert schema("policies/policy.schema.json").is_valid(data(text)) == unseen


@pytest.mark.parametrize("empty", ["slices", "n_max", "enforced_by"])
def test_a_key_without_a_value_is_marked(empty: str) -> None:
    text = POLICY.replace("at_most: 0.20}", f"at_most: 0.20, {empty}: null}}", 1)
    assert not schema("policies/policy.schema.json").is_valid(data(text))


@pytest.mark.parametrize(
    "before", ["hits: {legible_rate: 20}", "verdict: release,", "n: 400, hits: {legible_rate: 380}"]
)
def test_a_mistake_in_a_policy_test_is_marked(before: str) -> None:
    place = "policies/tests/policytest.schema.json"
    text = next(path for path in DOCUMENTS[place] if path.stem == "mini-chameleon").read_text()
    assert text.count(before) > 0
    assert not schema(place).is_valid(data(text.replace(before, before.replace(":", "s:", 1), 1)))


@pytest.mark.parametrize("place", [place for place in SCHEMAS if place != "policies/tests/policytest.schema.json"])
def test_every_document_names_its_schema_for_editors(place: str) -> None:
    for path in DOCUMENTS[place]:
        first = path.read_text().splitlines()[0]
        assert first.startswith("# yaml-language-server: $schema="), path
        assert (path.parent / first.split("=", 1)[1]).resolve() == ROOT / place
