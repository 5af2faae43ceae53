"""The index in a browser: it is filtered and sorted without a library, and read without a script."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from releasegate.__main__ import run as call
from tests.reporting.example_run import example

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two days; on the later one run that may go out and one that is incomplete; and a folder that is no run."""
    folder = tmp_path_factory.mktemp("runs")
    for name, drawn, day in (("alpha", 3, 2), ("beta", 40, 2), ("gamma", 3, 1)):
        made = example(folder / name, drawn=drawn, opened=date(2025, 1, day), strip=False)
        made.run.write_decision(made.decision)
    (folder / "none").mkdir()
    assert call(["report", *(str(folder / name) for name in ("alpha", "beta", "gamma", "none"))]) == 2
    return folder / "index.html"


@pytest.fixture
def page(browser: Any, file: Path) -> Iterator[Any]:
    opened = browser.new_page(viewport={"width": 1280, "height": 800})
    opened.asked, opened.said = [], []
    opened.on("request", lambda r: opened.asked.append(r.url))
    opened.on("console", lambda m: opened.said.append(m.text))
    opened.on("pageerror", lambda e: opened.said.append(str(e)))
    opened.goto(file.as_uri())
    yield opened
    opened.close()


def shown(page: Any) -> list[str]:
    """The runs that are in sight, from the top."""
    names: list[str] = page.evaluate(
        "[...document.querySelectorAll('#runs tbody tr')].filter((r) => r.checkVisibility())"
        ".map((r) => r.cells[0].innerText.split('\\n')[0].trim())"
    )
    return names


def test_it_asks_for_nothing_and_says_nothing_on_the_console(page: Any, file: Path) -> None:
    page.fill("input[type=search]", "alpha")
    assert [url for url in page.asked if not url.startswith("data:")] == [file.as_uri()]
    assert page.said == []


def test_without_a_script_it_is_in_order_and_holds_no_dead_control(browser: Any, file: Path) -> None:
    context = browser.new_context(java_script_enabled=False)
    opened = context.new_page()
    opened.goto(file.as_uri())
    assert opened.locator("#runs tbody tr").all_inner_texts()[0].startswith("none")
    assert [t.split()[0] for t in opened.locator("#runs tbody tr").all_inner_texts()] == [
        "none",
        "beta",
        "alpha",
        "gamma",
    ]
    assert opened.locator("button, input, select").count() == 0
    context.close()


def test_the_keyboard_sorts_and_what_cannot_be_trusted_stays_on_top(page: Any) -> None:
    assert shown(page) == ["none", "beta", "alpha", "gamma"]
    assert page.locator("#runs th[aria-sort]").inner_text().startswith("Opened")
    page.focus("#runs thead th:first-child button")
    page.keyboard.press("Enter")
    assert shown(page) == ["none", "alpha", "beta", "gamma"]
    assert page.locator("#runs th[aria-sort=ascending]").inner_text().startswith("Run")
    page.keyboard.press("Space")
    assert shown(page) == ["none", "gamma", "beta", "alpha"]
    assert page.locator("#runs th[aria-sort]").count() == 1
    page.click("#runs thead button:has-text('Verdict')")
    assert shown(page)[0] == "none"
    assert shown(page)[-1] == "beta"


def test_a_filter_tells_how_many_it_leaves(page: Any) -> None:
    said = page.locator(".controls [role=status]")
    page.fill("input[type=search]", "GAMMA")
    assert shown(page) == ["gamma"]
    assert said.inner_text() == "1 of 4 shown"
    page.fill("input[type=search]", "nowhere")
    assert said.inner_text() == "0 of 4 shown"
    page.fill("input[type=search]", "")
    page.get_by_label("Verdict", exact=True).select_option("Cannot be trusted")
    assert shown(page) == ["none"]
    page.get_by_label("Verdict", exact=True).select_option("Incomplete")
    assert shown(page) == ["beta"]
    assert said.inner_text() == "1 of 4 shown"


def test_a_link_leads_to_the_report_of_its_run(page: Any) -> None:
    page.click("#runs a:has-text('gamma')")
    assert page.url.endswith("/gamma/report.html")
    assert page.locator("h1").inner_text() == "Release"


@pytest.mark.parametrize("width", [375, 320])
def test_on_a_phone_it_can_be_sorted_too_and_nothing_sticks_out(page: Any, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.get_by_label("Sort by", exact=True).select_option("Run, ascending")
    assert shown(page) == ["none", "alpha", "beta", "gamma"]
