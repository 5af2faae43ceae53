"""What a report shows of a threat set and of what is excused."""

from __future__ import annotations

from pathlib import Path

import pytest

from releasegate.reporting import gather, make_view, render_report, templates_of
from releasegate.repository import GateRepository, starter
from tests.reporting.example_run import Example
from tests.tiny_watermarks import watermark

REPOSITORY = GateRepository(starter())


def rendered(made: Example) -> str:
    view = make_view(made.decision, made.plan, None, gather(made.run, made.plan), made.run.outputs)
    return render_report(view, templates_of(REPOSITORY))


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    return rendered(watermark(tmp_path_factory.mktemp("watermark") / "run"))


def first_screen(page: str) -> str:
    return page[page.index('<header class="first') : page.index('<section id="capabilities"')]


def test_the_first_screen_says_what_defeats_a_safeguard_outside(page: str) -> None:
    first = first_screen(page)
    assert "Outside the threat set</h2>" in first
    assert "highpass_1500 defeats watermark: Detected 41 %, 41 of 100" in first
    assert "excused attacks of marked on source: attack white_noise" in first


def test_a_requirement_shows_its_threat_set_and_what_lies_outside(page: str) -> None:
    finding = page[page.index('id="finding-source-marked"') :]
    assert "Gated is the threat set: attack none, mp3_64k, lowpass_500, white_noise." in finding
    outside = finding[finding.index("1 slice outside the threat set, worst first, measured and not gated") :]
    assert "Attack: highpass_1500" in outside
    assert "violated" in outside[: outside.index("</details>")]


def test_an_excused_slice_is_called_that_with_its_proof(page: str) -> None:
    finding = page[page.index('id="finding-source-marked"') :]
    gated = finding[finding.index("4 gated slices, worst first") : finding.index("outside the threat set, worst")]
    assert "tone-excused" in gated
    assert "audio_watermark/quality_kept at most 0.1: 2 of 100, upper bound 0.076" in gated


def test_without_a_threat_set_nothing_is_said_of_one(tmp_path: Path) -> None:
    page = rendered(watermark(tmp_path / "run", values=None, excused=None))
    assert "threat set" not in page[page.index("<body>") :]
    assert "excused attacks" not in page
