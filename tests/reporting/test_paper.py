"""A report on paper, or as a PDF: what a sheet says of itself, what is unfolded, and what stays out of sight."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def page(browser: Any, page_file: Callable[[str], Path]) -> Iterator[Any]:
    opened = browser.new_page(viewport={"width": 720, "height": 1000}, color_scheme="dark")
    opened.goto(page_file("report").as_uri())
    opened.emulate_media(media="print")
    yield opened
    opened.close()


def test_every_sheet_names_policy_verdict_and_model(page: Any) -> None:
    running, aside = page.evaluate(
        "['--running', '--aside'].map((name) => getComputedStyle(document.documentElement).getPropertyValue(name))"
    )
    assert running == '"toy · Release the stripped checkpoint"'
    assert re.fullmatch(r'"model sha256:[0-9a-f]{64}"', aside)
    printed = page.pdf(prefer_css_page_size=True)
    assert len(re.findall(rb"/Type\s*/Page\b", printed)) > 2


def test_paper_is_white_and_everything_is_unfolded(page: Any) -> None:
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    folded = """[...document.querySelectorAll('details:not(.held)')]
        .filter((part) => part.checkVisibility()
            && !part.lastElementChild.checkVisibility({contentVisibilityAuto: true})).length"""
    assert page.locator("details:not(.held):not([open])").count() > 0
    assert page.evaluate(folded) == 0


def test_digests_are_printed_in_full_and_controls_are_not(page: Any) -> None:
    cut = "[...document.querySelectorAll('.digest')].filter((d) => d.scrollWidth > d.clientWidth + 1 && d.clientWidth).length"
    assert page.evaluate(cut) == 0
    assert page.locator(".facts .digest").first.bounding_box()["height"] > 12
    assert page.locator(".tools, .copy, .skip, .contents").first.is_visible() is False


def test_what_is_blurred_is_printed_only_after_it_was_shown(page: Any) -> None:
    pictures = page.locator(".veiled img")
    assert pictures.count() > 0
    assert not any(pictures.nth(i).is_visible() for i in range(3))
    page.emulate_media(media="screen")
    page.check("#samples-drawing-reveal")
    page.emulate_media(media="print")
    assert pictures.first.is_visible()
    page.emulate_media(media="screen")
    page.uncheck("#samples-drawing-reveal")
    page.emulate_media(media="print")
