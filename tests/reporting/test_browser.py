"""What a page does in a real browser: what is blurred, folded up or silent until it is asked for, and what then plays."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.reporting.example_run import Words, example
from tests.reporting.test_sensitive_samples import page_of

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def page(browser: Any, page_file: Callable[[str], Path]) -> Iterator[Any]:
    opened = browser.new_page(viewport={"width": 1280, "height": 800})
    opened.goto(page_file("report").as_uri())
    yield opened
    opened.close()


def test_the_stylesheet_is_allowed_by_the_content_policy(page: Any) -> None:
    assert page.evaluate("getComputedStyle(document.querySelector('.seal')).width") == "68px"


def test_outputs_are_blurred_until_asked(page: Any) -> None:
    blur = "getComputedStyle(document.querySelector('.veiled img')).filter"
    assert page.evaluate(blur).startswith("blur")
    page.check("#samples-drawing-reveal")
    assert page.evaluate(blur) == "none"
    page.uncheck("#samples-drawing-reveal")


def test_a_sample_is_shown_by_itself_and_all_of_a_page_at_once(page: Any) -> None:
    blurred = "[...document.querySelectorAll('.veiled img')].filter(i => getComputedStyle(i).filter !== 'none').length"
    every = page.evaluate(blurred)
    assert every > 10
    first = page.locator(".exhibit", has=page.locator("img")).first
    first.locator(".reveal-one").check()
    assert page.evaluate(blurred) == every - first.locator("img").count()
    first.locator(".reveal-one").uncheck()
    page.check("#reveal-all")
    assert page.evaluate(blurred) == 0
    page.uncheck("#reveal-all")
    assert page.evaluate(blurred) == every


def test_what_is_blurred_is_not_printed_unless_it_was_shown_by_itself(page: Any) -> None:
    page.emulate_media(media="print")
    seen = "[...document.querySelectorAll('.veiled .exhibit')].filter(e => e.checkVisibility()).length"
    assert page.evaluate(seen) == 0
    page.evaluate("document.querySelector('.veiled .reveal-one').checked = true")
    assert page.evaluate(seen) == 1
    page.evaluate("document.querySelector('.veiled .reveal-one').checked = false")
    page.emulate_media(media="screen")


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
    folded.locator("details.held", has_text="quetzal").first.locator("summary").first.click()
    assert seen(folded) == (1, 1)
    folded.locator("details.held", has_text="quetzal").first.locator("summary").first.click()
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
def heard(browser: Any, page_file: Callable[[str], Path]) -> Iterator[Any]:
    opened = browser.new_page(viewport={"width": 1280, "height": 800})
    opened.said = []
    opened.on("console", lambda m: opened.said.append(m.text))
    opened.on("pageerror", lambda e: opened.said.append(str(e)))
    opened.goto(page_file("sounds").as_uri())
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


def test_a_sound_can_be_asked_for_by_itself(heard: Any) -> None:
    visible = "[...document.querySelectorAll('audio')].filter(a => a.checkVisibility()).length"
    assert heard.evaluate(visible) == 0
    clip = heard.locator(".clip").first
    clip.locator(".reveal-one").check()
    assert heard.evaluate(visible) == clip.locator("audio").count() > 0
    clip.locator(".reveal-one").uncheck()
    assert heard.evaluate(visible) == 0


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


def test_every_player_and_drawing_has_a_name(heard: Any) -> None:
    nameless = (
        "[...document.querySelectorAll('audio, svg[role=img]')].filter((e) => !e.getAttribute('aria-label')).length"
    )
    assert heard.evaluate(nameless) == 0
    assert heard.locator("audio").count() > 0
