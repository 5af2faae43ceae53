"""What the script of a page adds: the theme, copying, sorting, opening everything."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def page(browser: Any, page_file: Callable[[str], Path]) -> Iterator[Any]:
    context = browser.new_context(viewport={"width": 1280, "height": 900}, color_scheme="light")
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    opened = context.new_page()
    opened.file = page_file("report")
    opened.goto(opened.file.as_uri())
    yield opened
    context.close()


def full(page: Any) -> str:
    """The digest of the model, as it stands on the first screen."""
    text: str = page.locator(".facts .digest").first.text_content()
    return text


def test_the_theme_is_switched_and_nothing_is_remembered(page: Any) -> None:
    colour = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(colour)
    page.click("text=Dark page")
    assert page.evaluate(colour) != light
    page.click("text=Light page")
    assert page.evaluate(colour) == light
    page.click("text=Dark page")
    page.goto(page.file.as_uri())
    assert page.evaluate(colour) == light


def test_the_whole_digest_is_copied_though_its_beginning_is_shown(page: Any) -> None:
    assert len(full(page)) == len("sha256:") + 64
    assert page.locator(".facts .digest").first.bounding_box()["width"] < 120
    page.locator(".facts .copy").first.click()
    page.locator("#said", has_text="Copied").wait_for(state="attached")
    assert page.evaluate("navigator.clipboard.readText()") == full(page)


def test_where_there_is_no_clipboard_the_whole_digest_is_selected(page: Any) -> None:
    page.evaluate("Object.defineProperty(navigator, 'clipboard', {value: undefined, configurable: true})")
    page.locator(".facts .copy").first.click()
    page.locator("#said", has_text="Selected").wait_for(state="attached")
    assert page.evaluate("getSelection().toString()") == full(page)
    page.goto(page.file.as_uri())


def test_everything_that_is_folded_up_opens_and_closes_at_once(page: Any) -> None:
    some = page.locator("details:not(.held)").count()
    assert some > 0
    page.click("text=Open everything")
    assert page.locator("details:not(.held)[open]").count() == some
    page.click("text=Close everything")
    assert page.locator("details[open]").count() == 0


def test_a_table_is_sorted_by_numbers_as_numbers_and_back(page: Any) -> None:
    table = page.locator("#evidence table").first
    heading = table.get_by_role("button", name="planned")
    column = "(table) => [...table.tBodies[0].rows].map((row) => Number(row.cells[3].textContent))"
    table.evaluate("(table) => (table.tBodies[0].rows[1].cells[3].textContent = '9')")
    numbers = table.evaluate(column)
    assert sorted(numbers) != sorted(numbers, key=str), "as texts they must stand otherwise"
    heading.focus()
    page.keyboard.press("Enter")
    assert table.evaluate(column) == sorted(numbers)
    assert table.locator("th[aria-sort=ascending]").inner_text().startswith("planned")
    page.keyboard.press("Enter")
    assert table.evaluate(column) == sorted(numbers, reverse=True)
    assert table.locator("th[aria-sort]").count() == 1


def test_what_is_beyond_a_limit_is_sorted_below_what_is_inside(page: Any) -> None:
    texts = ["0.0444 inside", "0.652 beyond", "on the limit", "0.01 beyond"]
    rising = "(texts) => texts.sort((a, b) => before(a, b))"
    assert page.evaluate(rising, texts) == ["0.652 beyond", "0.01 beyond", "on the limit", "0.0444 inside"]


def test_a_table_of_one_row_has_nothing_to_sort(page: Any) -> None:
    rows = "[...document.querySelectorAll('main table:has(.sort)')].map((table) => table.tBodies[0].rows.length)"
    assert min(page.evaluate(rows)) > 1
    assert page.locator(".finding > .scroll > table .sort").count() == 0
