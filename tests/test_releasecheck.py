"""Whether what a policy would publish makes sense: each mistake is named at its place with its remedy."""

from __future__ import annotations

import pytest

from releasegate.errors import DocumentError
from releasegate.policy import parse_policy
from releasegate.policycheck import unused
from tests.test_policycheck import changed, found

RELEASE = "release: {channel: open_weights}"
NAMES = "    title: Names\n"
RESTRICT = "    otherwise: restrict\n    restrict: {channel: api}\n    recipe"
LISTED = "release: {artefacts: {weights: open_weights, paper: open_weights, demo: api}}"


def listing(*pairs: tuple[str, str]) -> str:
    return changed((RELEASE, LISTED), *pairs)


def test_artefacts_and_what_carries_them_are_no_problem() -> None:
    assert found(listing()) == []
    assert found(listing((NAMES, NAMES + "    artefacts: [weights, paper]\n"))) == []
    assert found(changed((NAMES, NAMES + "    artefacts: [weights]\n"))) == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            changed((RELEASE, "release: {alpha: 0.05}")),
            "5:10: release: states neither channel nor artefacts "
            "| add `channel: open_weights`, or `artefacts:` with a channel each",
        ),
        (
            changed((RELEASE, "release: {channel: api, artefacts: {weights: api}}")),
            "5:20: release.channel: stands beside artefacts, which have a channel each | remove one of the two",
        ),
        (
            changed((RELEASE, "release: {artefacts: {weights: open_weights, demo: none}}")),
            "5:52: release.artefacts.demo: publishes to nobody | name its channel, or leave the artefact out",
        ),
        (
            changed((NAMES, NAMES + "    artefacts: [weights, demo]\n")),
            "23:26: capabilities.1.artefacts.1: the release does not list demo "
            "| use what it lists (weights), or list it under `release: artefacts:`",
        ),
        (
            listing((NAMES, NAMES + "    artefacts: [paper, code]\n")),
            "23:24: capabilities.1.artefacts.1: the release does not list code "
            "| use what it lists (weights, paper, demo), or list it under `release: artefacts:`",
        ),
        (
            listing((NAMES, NAMES + "    artefacts: [paper, paper]\n")),
            "23:24: capabilities.1.artefacts.1: names paper twice | name each once",
        ),
        (
            changed(
                (RELEASE, "release: {artefacts: {paper: open_weights, data: api}}"),
                (NAMES, NAMES + "    artefacts: [data]\n"),
            ),
            "7:5: capabilities.0: no artefact that the release lists carries it, so it would never be judged "
            "| say which do with `artefacts:`; the release lists data, paper",
        ),
        (
            listing(
                ("    otherwise: strip\n    recipe", RESTRICT),
                ("    title: Draws\n", "    title: Draws\n    artefacts: [demo]\n"),
            ),
            "17:25: capabilities.0.restrict.channel: api is not narrower than that of any artefact that carries it: "
            "demo (api) | choose a narrower channel",
        ),
        (
            listing(("    otherwise: strip\n    recipe", RESTRICT.replace("api", "open_weights"))),
            "16:25: capabilities.0.restrict.channel: open_weights is not narrower than that of any artefact that carries "
            "it: weights (open_weights), demo (api) | choose a narrower channel",
        ),
    ],
)
def test_what_makes_no_sense_is_named_at_its_place_with_its_remedy(text: str, message: str) -> None:
    assert found(text) == [f"p.yaml:{message}"]


def test_a_restriction_that_helps_one_of_the_artefacts_is_no_problem() -> None:
    assert found(listing(("    otherwise: strip\n    recipe", RESTRICT))) == []


def refused(text: str) -> list[str]:
    with pytest.raises(DocumentError) as caught:
        parse_policy(text, "p.yaml")
    return [f"{p.where}: {p.what} | {p.fix}" for p in caught.value.problems]


def test_lists_that_are_empty_or_name_something_else_are_refused_for_their_form() -> None:
    every = "weights, code, data, training_recipe, paper, demo"
    assert refused(changed((RELEASE, "release: {artefacts: {}}"))) == [
        "p.yaml:5:22: release.artefacts: must not be empty | write at least one, or remove the key"
    ]
    assert refused(listing((NAMES, NAMES + "    artefacts: []\n"))) == [
        "p.yaml:23:16: capabilities.1.artefacts: must not be empty | write at least one, or remove the key"
    ]
    assert refused(listing((NAMES, NAMES + "    artefacts: [papers]\n"))) == [
        f'p.yaml:23:17: capabilities.1.artefacts.0: must be one of {every}; got "papers" | use one of them'
    ]
    assert refused(changed((RELEASE, "release: {artefacts: {papers: api}}"))) == [
        f'p.yaml:5:31: release.artefacts.papers: must be one of {every}; got "papers" | use one of them'
    ]
    assert refused(changed((RELEASE, "release: {artefacts: {paper: web}}"))) == [
        "p.yaml:5:30: release.artefacts.paper: must be one of open_weights, gated_weights, api, none; "
        'got "web" | use one of them'
    ]


def test_a_strip_that_no_checkpoint_could_have_is_listed_as_unused() -> None:
    text = listing(("    title: Draws\n", "    title: Draws\n    artefacts: [paper]\n"))
    assert found(text) == []
    assert unused(parse_policy(text, "p.yaml").record) == [
        "drawing: otherwise: strip comes to withhold, as no checkpoint carries it"
    ]
    assert unused(parse_policy(listing(), "p.yaml").record) == []
