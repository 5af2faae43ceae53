"""Samples of sensitive evals: each is folded up and blurred by itself, whatever becomes of the capability."""

from __future__ import annotations

from dataclasses import replace
from html.parser import HTMLParser
from typing import Literal

import pytest

from releasegate.reporting import gather, make_view, render_report, templates_of
from releasegate.repository import GateRepository, starter
from tests.reporting.example_run import Example, Words, example

DETAIL, ERROR = "draw a quetzal", "the harness broke"
VOID = {"meta", "link", "img", "input", "br", "use", "path", "circle", "line", "rect"}


class Places(HTMLParser):
    """Where a text stands: for each place the classes and tags around it; and every attribute that holds it."""

    def __init__(self, wanted: str) -> None:
        super().__init__()
        self._wanted = wanted
        self._around: list[tuple[str, str]] = []
        self.found: list[list[tuple[str, str]]] = []
        self.attributes: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.attributes += [name for name, value in given.items() if self._wanted in (value or "")]
        if tag not in VOID:
            self._around.append((tag, f"{given.get('class') or ''}{' open' * ('open' in given)}"))

    def handle_endtag(self, tag: str) -> None:
        while tag not in VOID and self._around and self._around.pop()[0] != tag:
            pass

    def handle_data(self, data: str) -> None:
        if self._wanted in data:
            self.found.append(list(self._around))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Example:
    return example(tmp_path_factory.mktemp("run") / "run", words=Words(detail=DETAIL))


def page_of(made: Example, sensitive: Literal["harmful", "personal"] | None, *, hashed: bool = False) -> str:
    cards = {name: card.model_copy(update={"sensitive": sensitive}) for name, card in made.plan.cards.items()}
    policy = made.plan.policy.model_copy(update={"samples": "hashed" if hashed else None})
    of = replace(made, plan=made.plan.model_copy(update={"cards": cards, "policy": policy}))
    gathered = gather(made.run, made.plan, made.decision)
    view = make_view(of.decision, of.plan, of.receipt, gathered, of.run.outputs)
    return render_report(view, templates_of(GateRepository(starter())))


@pytest.mark.parametrize("sensitive", ["harmful", "personal"])
def test_every_text_of_a_sensitive_eval_is_folded_up_and_blurred(
    made: Example, sensitive: Literal["harmful", "personal"]
) -> None:
    page = page_of(made, sensitive)
    places = Places(DETAIL)
    places.feed(page)
    assert len(places.found) > 20
    for around in places.found:
        assert ("details", "held") in around
        assert ("div", "veil-text") in around
        assert any("veiled" in classes.split() and "folded" in classes.split() for _, classes in around)
    assert places.attributes == []
    assert 'id="reveal-all"' in page
    assert ("may do harm" if sensitive == "harmful" else "may tell of somebody") in page


def test_images_of_a_sensitive_eval_are_folded_up_too(made: Example) -> None:
    body = page_of(made, "harmful").split("<body>")[1]
    assert body.count("<img ") > 20
    assert all(
        part.rpartition('<details class="held">')[2].count("</details>") == 0 for part in body.split("<img ")[:-1]
    )


def test_texts_that_are_not_sensitive_stay_in_the_open(made: Example) -> None:
    places = Places(DETAIL)
    page = page_of(made, None)
    places.feed(page)
    assert places.found
    assert not any(("details", "held") in around for around in places.found)
    assert "may do harm" not in page


def test_what_is_folded_up_is_not_printed_unless_it_was_opened(made: Example) -> None:
    style = page_of(made, "harmful").split("<style>")[1].split("</style>")[0]
    printed = style[style.index("@media print") :]
    assert "details:not(.held)::details-content" in printed


def test_of_a_run_that_kept_digests_alone_nothing_is_folded_up(made: Example) -> None:
    page = page_of(made, "harmful", hashed=True)
    assert 'class="held"' not in page
    assert "of each, the sha256 and the length stand here" in page
