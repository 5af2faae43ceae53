"""The page in a real browser: it asks for nothing, says nothing on the console, and fits."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from releasegate.reporting import write_report
from releasegate.repository import GateRepository, starter
from tests.reporting.audio_run import Shape, audio_run
from tests.reporting.example_run import Words, example
from tests.reporting.test_report import HOSTILE
from tests.reporting.test_sensitive_samples import page_of
from tests.reporting.voice_run import Cast, voice_run

pytestmark = pytest.mark.browser
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-sync"]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    api = pytest.importorskip("playwright.sync_api")
    if CHROMIUM is None:
        pytest.skip("Chromium is not installed")
    with api.sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield opened
        opened.close()


@pytest.fixture(scope="module", params=["plain", "hostile"])
def page(request: pytest.FixtureRequest, browser: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    words = (
        Words(HOSTILE, HOSTILE, "x" * 10_000, HOSTILE, "y" * 200, HOSTILE) if request.param == "hostile" else Words()
    )
    made = example(tmp_path_factory.mktemp("run") / "run", words)
    path = write_report(made.run, GateRepository(starter()), made.decision, made.plan, made.receipt)
    opened = browser.new_page(viewport={"width": 1280, "height": 800})
    opened.asked, opened.said = [], []
    opened.on("request", lambda r: opened.asked.append(r.url))
    opened.on("console", lambda m: opened.said.append(m.text))
    opened.on("pageerror", lambda e: opened.said.append(str(e)))
    opened.goto(path.as_uri())
    opened.file = Path(path).as_uri()
    yield opened
    opened.close()


def test_no_request_leaves_and_the_console_is_silent(page: Any) -> None:
    page.wait_for_timeout(100)
    assert [url for url in page.asked if not url.startswith("data:")] == [page.file]
    assert page.said == []


def test_the_stylesheet_is_allowed_by_the_content_policy(page: Any) -> None:
    assert page.evaluate("getComputedStyle(document.querySelector('.seal')).width") == "68px"


def test_outputs_are_blurred_until_asked(page: Any) -> None:
    blur = "getComputedStyle(document.querySelector('.veiled img')).filter"
    assert page.evaluate(blur).startswith("blur")
    page.check("#samples-drawing-reveal")
    assert page.evaluate(blur) == "none"
    page.uncheck("#samples-drawing-reveal")


@pytest.mark.parametrize("width", [1280, 375, 320])
def test_nothing_sticks_out_sideways(page: Any, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= width


# A page of sensitive samples.


@pytest.fixture(scope="module")
def folded(browser: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    folder = tmp_path_factory.mktemp("run")
    text = page_of(example(folder / "run", Words(detail="draw a quetzal")), "harmful")
    (folder / "page.html").write_text(text)
    (folder / "bare.html").write_text(text[: text.index("<style>")] + text[text.index("</style>") + len("</style>") :])
    opened = browser.new_page(viewport={"width": 1280, "height": 800})
    opened.folder = folder
    yield opened
    opened.close()


def seen(page: Any) -> tuple[int, int]:
    """How many of the texts are rendered at all, and how many of those without a blur."""
    script = """() => {
        const texts = [...document.querySelectorAll('.veil-text')].filter(t => t.textContent.includes('quetzal'));
        const shown = texts.filter(t => t.checkVisibility({contentVisibilityAuto: true}));
        return [shown.length, shown.filter(t => getComputedStyle(t).filter === 'none').length];
    }"""
    rendered, plain = page.evaluate(script)
    return rendered, plain


def test_sensitive_texts_are_shown_one_by_one_by_eval_or_all_at_once(folded: Any) -> None:
    folded.goto((folded.folder / "page.html").as_uri())
    assert seen(folded) == (0, 0)
    folded.locator("details.held > summary").first.click()
    assert seen(folded) == (1, 1)
    folded.locator("details.held > summary").first.click()
    folded.check("#samples-drawing-reveal")
    of_drawing = seen(folded)
    assert of_drawing[0] == of_drawing[1] > 1
    folded.uncheck("#samples-drawing-reveal")
    assert seen(folded) == (0, 0)
    folded.check("#reveal-all")
    everywhere = seen(folded)
    assert everywhere[0] == everywhere[1] > of_drawing[0]
    folded.uncheck("#reveal-all")


def test_without_a_stylesheet_sensitive_texts_stay_folded_up(folded: Any) -> None:
    folded.goto((folded.folder / "bare.html").as_uri())
    assert seen(folded)[0] == 0


def test_what_was_not_opened_is_not_printed(folded: Any) -> None:
    folded.goto((folded.folder / "page.html").as_uri())
    folded.emulate_media(media="print")
    assert seen(folded) == (0, 0)
    folded.emulate_media(media="screen")


# A page with figures and sounds, of a capability that is withheld.


@pytest.fixture(scope="module")
def heard(browser: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    made = audio_run(tmp_path_factory.mktemp("audio") / "run", Shape(limit=0.999, speaker="y" * 200))
    path = write_report(made.run, GateRepository(starter()), made.decision, made.plan, None)
    opened = browser.new_page(viewport={"width": 1280, "height": 800})
    opened.said = []
    opened.on("console", lambda m: opened.said.append(m.text))
    opened.on("pageerror", lambda e: opened.said.append(str(e)))
    opened.goto(path.as_uri())
    yield opened
    opened.close()


def tabbed(page: Any) -> list[str]:
    """What the keyboard reaches after the box that lifts the veil."""
    page.focus("#sounds-watermark-reveal")
    reached = []
    for _ in range(5):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.tagName"))
    return reached


def test_a_sound_cannot_be_played_until_it_is_asked_for(heard: Any) -> None:
    player = heard.locator("audio").first
    assert not player.is_visible()
    assert "AUDIO" not in tabbed(heard)
    heard.check("#sounds-watermark-reveal")
    assert player.is_visible()
    assert "AUDIO" in tabbed(heard)
    heard.uncheck("#sounds-watermark-reveal")
    assert not player.is_visible()


def test_a_sound_is_allowed_by_the_content_policy_and_plays(heard: Any) -> None:
    heard.check("#sounds-watermark-reveal")
    length = heard.evaluate(
        """() => new Promise((done) => {
             const player = document.querySelector("audio");
             player.onloadedmetadata = () => done(player.duration);
             player.onerror = () => done(player.error.message);
             player.load(); player.preload = "auto";
           })"""
    )
    assert length == pytest.approx(0.05, abs=0.01)
    assert heard.said == []
    heard.uncheck("#sounds-watermark-reveal")


@pytest.mark.parametrize("width", [1280, 375, 320])
def test_no_figure_sticks_out_sideways(heard: Any, width: int) -> None:
    heard.set_viewport_size({"width": width, "height": 800})
    assert heard.evaluate("document.documentElement.scrollWidth") <= width


def test_every_player_and_drawing_has_a_name(heard: Any) -> None:
    nameless = (
        "[...document.querySelectorAll('audio, svg[role=img]')].filter((e) => !e.getAttribute('aria-label')).length"
    )
    assert heard.evaluate(nameless) == 0
    assert heard.locator("audio").count() > 0


@pytest.mark.parametrize("width", [1280, 375, 320])
def test_no_curve_and_no_spread_sticks_out_sideways(browser: Any, tmp_path: Path, width: int) -> None:
    made = voice_run(tmp_path / "run", Cast(person="y" * 150))
    path = write_report(made.run, GateRepository(starter()), made.decision, made.plan, None)
    opened = browser.new_page(viewport={"width": width, "height": 800})
    opened.goto(path.as_uri())
    assert opened.evaluate("document.documentElement.scrollWidth") <= width
    assert opened.locator(".figure svg[role=img]").count() > 0
    opened.close()
