"""Hostile texts, in every place of every kind of page that a text comes to, stay texts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from jinja2 import ChoiceLoader, DictLoader

from releasegate.errors import DocumentError
from releasegate.reporting import render_report, templates_of
from releasegate.reporting.wording.numbers import shortened
from releasegate.reporting.wording.visible import visible
from releasegate.repository import GateRepository, starter
from tests.reporting.example_run import example, viewed
from tests.reporting.hostile import HOSTILE
from tests.reporting.page_kinds import KINDS

SHIPPED = templates_of(GateRepository(starter()))


@pytest.fixture(scope="module", params=sorted(KINDS))
def page(request: pytest.FixtureRequest, browser: Any, page_file: Callable[[str], Path]) -> Iterator[Any]:
    path = page_file(request.param)
    opened = browser.new_page(viewport={"width": 1280, "height": 900})
    opened.kind, opened.asked, opened.said = request.param, [], []
    opened.on("request", lambda r: opened.asked.append(r.url))
    opened.on("console", lambda m: opened.said.append(m.text))
    opened.on("pageerror", lambda e: opened.said.append(str(e)))
    opened.on("dialog", lambda d: (opened.said.append(d.message), d.dismiss()))
    opened.goto(path.as_uri())
    opened.asked.remove(path.as_uri())
    yield opened
    opened.close()


@pytest.mark.browser
def test_nothing_is_asked_for_said_or_run(page: Any) -> None:
    page.evaluate("for (const part of document.querySelectorAll('details, input')) part.open = part.checked = true")
    page.mouse.wheel(0, 100_000)
    page.wait_for_timeout(50)
    assert [url for url in page.asked if not url.startswith("data:")] == []
    assert page.said == []
    assert page.evaluate("window.ran") is None
    assert page.locator("script").count() == 1
    assert page.locator("iframe, object, embed, base, form, link:not([rel=icon])").count() == 0


def test_every_hostile_text_stands_there_as_it_was_written(page_file: Callable[[str], Path]) -> None:
    text = unescape(page_file("hostile").read_text())
    assert [name for name, one in HOSTILE.items() if visible(shortened(one)) not in text] == []


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (
            "base.html",
            "<!doctype html><html><head><title>x</title></head><body>{% block page %}{% endblock %}</body></html>",
        ),
        ("base.html", "<!doctype html><html><head><script>1</script>{POLICY}</head></html>"),
        (
            "base.html",
            '<!doctype html><html><head>{POLICY}<meta http-equiv="refresh" content="0;url=//x.org"></head></html>',
        ),
        (
            "base.html",
            '<!doctype html><html><head>{POLICY}<META/HTTP-EQUIV=refresh content="0;url=//x.org"></head></html>',
        ),
        ("base.html", '<!doctype html><html><head>{POLICY}<link rel="dns-prefetch" href="//x.org"></head></html>'),
        ("base.html", "<!doctype html><html><head>{POLICY}</head></html>".replace("{POLICY}", "{OTHER}")),
        (
            "first_screen.html",
            '{% autoescape false %}<meta name="a>" http-equiv="refresh" content="0">{% endautoescape %}',
        ),
        ("report.html", "<h1>Released</h1>"),
    ],
    ids=[
        "no policy",
        "too late",
        "refresh",
        "refresh in disguise",
        "fetched ahead",
        "another policy",
        "in a part",
        "no base",
    ],
)
def test_a_template_that_takes_a_page_out_of_its_policy_is_refused(tmp_path: Path, name: str, text: str) -> None:
    policy = '<meta http-equiv="Content-Security-Policy" content="{{ policy }}">'
    other = policy.replace("{{ policy }}", "default-src *")
    own = DictLoader({name: text.replace("{POLICY}", policy).replace("{OTHER}", other)})
    with pytest.raises(DocumentError) as refused:
        render_report(viewed(example(tmp_path / "run", strip=False)), ChoiceLoader([own, SHIPPED]))
    assert "reports/report.html: makes a page" in str(refused.value)


@pytest.mark.browser
def test_a_script_that_a_template_adds_does_not_run(browser: Any, tmp_path: Path) -> None:
    """The policy stands, and so the browser refuses it and says so."""
    own = DictLoader({"evidence.html": "<script>window.ran = 1</script><img src='https://example.org/x.png' alt=''>"})
    path = tmp_path / "page.html"
    made = example(tmp_path / "run", strip=False)
    path.write_text(render_report(viewed(made), ChoiceLoader([own, SHIPPED])))
    opened, said = browser.new_page(), []
    opened.on("console", lambda m: said.append(m.text))
    opened.goto(path.as_uri())
    assert opened.evaluate("window.ran") is None
    assert len([line for line in said if "Content Security Policy" in line]) == 2
    opened.close()
