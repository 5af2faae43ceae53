"""Every kind of page can be read by everybody: by rule (axe-core), by keyboard, narrow, enlarged, without scripts or colours."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tests.reporting.page_kinds import KINDS

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module", params=sorted(KINDS))
def page(request: pytest.FixtureRequest, browser: Any, page_file: Callable[[str], Path]) -> Iterator[Any]:
    opened = browser.new_page(viewport={"width": 1280, "height": 900}, color_scheme="light")
    opened.goto(page_file(request.param).as_uri())
    yield opened
    opened.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_violation(page: Any, scheme: str) -> None:
    """Of the dark page, what colours alone can change."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    page.emulate_media(color_scheme=scheme)
    page.evaluate("for (const part of document.querySelectorAll('details')) part.open = true")
    only = {"runOnly": ["color-contrast", "link-in-text-block"]} if scheme == "dark" else {}
    found = axe.run(page, options={"resultTypes": ["violations"], **only}).response["violations"]
    page.emulate_media(color_scheme="light")
    assert [(v["id"], v["nodes"][0]["html"]) for v in found] == []


def test_headings_stand_in_their_order_and_no_id_twice(page: Any) -> None:
    levels = page.evaluate("[...document.querySelectorAll('h1,h2,h3,h4,h5,h6')].map((h) => Number(h.tagName[1]))")
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert [(a, b) for a, b in pairwise(levels) if b > a + 1] == []
    ids = page.evaluate("[...document.querySelectorAll('[id]')].map((e) => e.id)")
    assert len(ids) == len(set(ids))


def test_every_link_within_the_page_leads_somewhere(page: Any) -> None:
    lost = """[...document.querySelectorAll('a[href^="#"], use')].map((a) => a.getAttribute('href').slice(1))
        .filter((id) => !document.getElementById(id))"""
    assert page.evaluate(lost) == []


def test_the_keyboard_reaches_everything_and_one_sees_where_it_is(page: Any) -> None:
    page.evaluate("document.activeElement.blur(); getSelection().removeAllRanges(); scrollTo(0, 0)")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    assert page.evaluate("location.hash") == "#main"
    unreached = """[...document.querySelectorAll('*')].filter((e) => e.scrollWidth > e.clientWidth + 1
        && ['auto', 'scroll'].includes(getComputedStyle(e).overflowX) && e.checkVisibility() && e.tabIndex < 0).length"""
    assert page.evaluate(unreached) == 0
    for selector in ("button", "a[href]", "summary"):
        first = page.locator(f"main {selector}:visible, .first {selector}:visible").first
        if first.count():
            first.focus()
            page.keyboard.press("Tab")
            page.keyboard.press("Shift+Tab")
            assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"


@pytest.mark.parametrize("width", [1280, 640, 360, 320])
def test_nothing_sticks_out_sideways_at_any_width_or_at_twice_the_size(page: Any, width: int) -> None:
    """640 is what a window of 1280 has at 200 %."""
    page.set_viewport_size({"width": width, "height": 800})
    wide = page.evaluate("document.documentElement.scrollWidth")
    page.set_viewport_size({"width": 1280, "height": 900})
    assert wide <= width


def test_a_status_has_a_word_and_borders_stay_where_colours_are_forced(page: Any) -> None:
    page.emulate_media(forced_colors="active")
    wordless = "[...document.querySelectorAll('.mark')].filter((m) => !m.textContent.trim()).length"
    assert page.evaluate(wordless) == 0
    shown = page.evaluate("[...document.querySelectorAll('.finding')].map((f) => getComputedStyle(f).borderLeftStyle)")
    page.emulate_media(forced_colors="none")
    assert set(shown) <= {"solid", "dashed", "double", "dotted"}


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_without_a_script_all_is_there_and_no_control_is_dead(
    browser: Any, page_file: Callable[[str], Path], kind: str
) -> None:
    context = browser.new_context(java_script_enabled=False)
    plain = context.new_page()
    plain.goto(page_file(kind).as_uri())
    assert plain.locator("button, [aria-sort] button").count() == 0
    assert plain.locator("main").is_visible()
    assert plain.locator("h1").inner_text()
    closed = plain.locator("details:not([open])").count()
    if closed:
        plain.locator("details:not([open]) > summary:visible").first.click()
        assert plain.locator("details:not([open])").count() == closed - 1
    context.close()
