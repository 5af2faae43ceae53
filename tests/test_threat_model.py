"""Every threat that the page calls covered is covered by a test that exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

TOP = Path(__file__).parents[1]
PAGE = (TOP / "docs" / "threat-model.md").read_text()


def rows() -> list[list[str]]:
    """The cells of each row of the table of threats, which ends in the name of a test."""
    covered = PAGE.split("## Covered")[1].split("## Not covered")[0]
    lines = [line for line in covered.splitlines() if line.startswith("|") and not line.startswith("|-")]
    cells = [[cell.strip() for cell in re.split(r"(?<!\\)\|", line.strip("|"))] for line in lines]
    return [row for row in cells if len(row) == 4 and row[3] != "test"]


def known_tests() -> set[str]:
    found: set[str] = set()
    for path in (TOP / "tests").rglob("test_*.py"):
        found |= set(re.findall(r"^def (test_\w+)\(", path.read_text(), re.MULTILINE))
    return found


def test_every_threat_names_tests_that_exist() -> None:
    known = known_tests()
    assert len(rows()) >= 14
    for who, what, _, tests in rows():
        named = re.findall(r"`(test_\w+)`", tests)
        assert named, (who, what)
        assert [name for name in named if name not in known] == [], (who, what)


@pytest.mark.parametrize("who", ["author", "harness", "runner", "hub", "signer", "pull request", "measure job"])
def test_everybody_who_may_lie_is_on_the_page(who: str) -> None:
    assert any(who in row[0] for row in rows())


def test_what_is_not_covered_is_said() -> None:
    assert len(re.findall(r"^- \*\*", PAGE.split("## Not covered")[1], re.MULTILINE)) >= 5
