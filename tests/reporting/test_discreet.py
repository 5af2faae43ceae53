"""A decision without the reasons of failures: no word of any of them is left, and nothing else is lost."""

from __future__ import annotations

import pytest

from releasegate.decision import Decision
from releasegate.reporting.wording.discreet import without_reasons
from tests.reporting.example_run import Example, example

SECRET = "the answer was a quetzal"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Example:
    return example(tmp_path_factory.mktemp("discreet") / "run", more=1)


def failing(decision: Decision, *said: tuple[str, str]) -> Decision:
    """The decision, its first findings with these sentences, each of which tells why an item failed."""
    capabilities = list(decision.capabilities)
    places = [i for i, c in enumerate(capabilities) if c.findings]
    for place, (sentence, error) in zip(places, said, strict=False):
        c = capabilities[place]
        finding = c.findings[0].model_copy(update={"sentence": sentence, "errors": (error,)})
        whole = f"withheld: {finding.requirement}: {sentence}"
        capabilities[place] = c.model_copy(update={"findings": (finding, *c.findings[1:]), "sentence": whole})
    return decision.model_copy(update={"capabilities": tuple(capabilities)})


def test_a_reason_before_what_was_excused_is_left_out_too(made: Example) -> None:
    seen = f"2 of 30 planned items failed or are missing: {SECRET}; excused: attack flip (ruins it)"
    told = without_reasons(failing(made.decision, (seen, SECRET)))
    assert SECRET not in told.text()
    assert told.capabilities[0].findings[0].sentence == (
        "2 of 30 planned items failed or are missing; excused: attack flip (ruins it)"
    )


def test_a_reason_that_another_one_begins_with_is_left_out_whole(made: Example) -> None:
    seen = "none of 60 planned items was scored: "
    first, second = (f"{seen}broke", "broke"), (f"{seen}broke; {SECRET}", f"broke; {SECRET}")
    told = without_reasons(failing(made.decision, first, second))
    assert SECRET not in told.text()
    assert told.capabilities[-1].sentence == "withheld: weak-0: none of 60 planned items was scored"


def test_numbers_stay_where_a_reason_is_one(made: Example) -> None:
    [finding, *_] = made.decision.capabilities[0].findings
    told = without_reasons(failing(made.decision, (f"{finding.sentence}: 0", "0")))
    assert told.capabilities[0].findings[0].sentence == finding.sentence
