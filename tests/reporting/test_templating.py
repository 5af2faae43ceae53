"""A template of a gate repository that is wrong: it is named with its line, and nothing is written."""

from __future__ import annotations

from pathlib import Path

import pytest

from releasegate.errors import DocumentError
from releasegate.reporting import write_report
from releasegate.repository import GateRepository
from tests.reporting.example_run import Example, example

FIRST = "reports/first_screen.html"
WRONG = {
    "a name that is not there": ("<p>\n{{ report.nothing }}", f"{FIRST}:2: does not render: "),
    "no end": ("{% if report %}", f"{FIRST}:1: does not render: "),
    "a division by zero": ("{{ 1 / 0 }}", f"{FIRST}:1: does not render: division by zero"),
    "a sum of unlike things": ("{{ 1 + 'a' }}", f"{FIRST}:1: does not render: unsupported operand"),
    "a loop without end": ("{% for i in range(10 ** 9) %}{% endfor %}", f"{FIRST}:1: does not render: Range too big"),
    "what is unsafe": ("{{ ''.__class__ }}", f"{FIRST}:1: does not render: access to attribute"),
    "a template that is not there": ("{% include 'x.html' %}", f"{FIRST}:1: asks for the template 'x.html', which is"),
    "itself": ("{% include 'first_screen.html' %}", f"{FIRST}:1: does not render: it includes itself"),
    "bytes": ("\udcff", f"{FIRST}: is not UTF-8"),
}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Example:
    return example(tmp_path_factory.mktemp("run") / "run")


def lab(folder: Path, name: str, text: str) -> GateRepository:
    """A gate repository with one file of its own."""
    (folder / "reports").mkdir()
    (folder / "reports" / name).write_text(text, encoding="utf-8", errors="surrogateescape")
    return GateRepository(folder)


@pytest.mark.parametrize("wrong", WRONG)
def test_a_template_that_is_wrong_is_named_with_its_line(made: Example, tmp_path: Path, wrong: str) -> None:
    text, told = WRONG[wrong]
    with pytest.raises(DocumentError) as caught:
        write_report(made.run, lab(tmp_path, "first_screen.html", text), made.decision, made.plan, made.receipt)
    assert str(caught.value).startswith(told)
    assert not made.run.report_path.exists()


def test_a_theme_with_a_colour_that_the_page_does_not_have_is_refused(made: Example, tmp_path: Path) -> None:
    repository = lab(tmp_path, "chart_theme.json", '{"axis": {"labelColor": ["$ink", "$inkk"]}}')
    with pytest.raises(DocumentError) as caught:
        write_report(made.run, repository, made.decision, made.plan, made.receipt)
    assert str(caught.value) == "reports/chart_theme.json: names no colour of the page: $inkk"
    assert caught.value.problems[0].fix.startswith("use one of $ink, $muted, ")


def test_what_goes_wrong_behind_a_template_is_no_fault_of_it(made: Example, tmp_path: Path) -> None:
    own = lab(tmp_path, "first_screen.html", "{{ chart.either(3) }}")
    with pytest.raises(AttributeError, match="'int' object"):
        write_report(made.run, own, made.decision, made.plan, made.receipt)
