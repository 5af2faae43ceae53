"""What `check` found, in each of its forms."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from releasegate.errors import Problem

if TYPE_CHECKING:
    from releasegate.reporting.annotations.annotation import Annotation, Level, Place

ERROR, NOTE = "check", "check-note"
"""The ids of the two rules."""
_PLACE = re.compile(r"(?P<file>.*?)(?::(?P<line>[0-9]{1,9}):(?P<column>[0-9]{1,9}))?", re.DOTALL)


@dataclass(frozen=True)
class Found:
    """One problem; or a note, which has no remedy and refuses nothing.

    Attributes:
        root: the gate repository that its place is relative to.
    """

    root: Path
    problem: Problem
    note: bool = False


@dataclass(frozen=True)
class Checked:
    """What was found in which files.

    Attributes:
        files: as they were named.
        places: of each, as messages name it, behind the gate repository that it lies in.
    """

    files: Sequence[Path]
    places: Sequence[tuple[Path, str]]
    found: Sequence[Found]

    @property
    def problems(self) -> list[Problem]:
        """What is wrong."""
        return [one.problem for one in self.found if not one.note]

    @property
    def notes(self) -> list[str]:
        """What is pointed out."""
        return [f"{one.problem.where}: {one.problem.what}" for one in self.found if one.note]


def _json(checked: Checked) -> bytes:
    listed = [{"where": p.where, "what": p.what, "fix": p.fix} for p in checked.problems]
    data = {"checked": [str(file) for file in checked.files], "problems": listed, "notes": checked.notes}
    text = json.dumps(data, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    return text.encode("utf-8", "backslashreplace")  # the bytes of a name that are no text, as JSON escapes them


def _github(checked: Checked) -> bytes:
    from releasegate.reporting.annotations.github import github_commands

    return github_commands(_annotations(checked)).encode()


def _gitlab(checked: Checked) -> bytes:
    from releasegate.reporting.annotations.gitlab import code_quality

    return code_quality(_annotations(checked)).encode()


def _sarif(checked: Checked) -> bytes:
    from releasegate.reporting.annotations.annotation import Rule
    from releasegate.reporting.annotations.sarif import sarif_log

    rules = [
        Rule(ERROR, "A document that is not what it must be", "What `releasegate check` refuses, and how to mend it."),
        Rule(NOTE, "Something to think about", "What `releasegate check` points out, and refuses nothing for."),
    ]
    return sarif_log(rules, _annotations(checked), {"checked": len(checked.files)}).encode()


def _junit(checked: Checked) -> bytes:
    """A case a file that was checked, and one for each other file with a problem (a recipe, a card)."""
    from releasegate.reporting.annotations.junit import Case, Suite, junit_xml

    wrong: dict[tuple[Path, str], list[Problem]] = {place: [] for place in checked.places}
    for one in checked.found:
        if not one.note:
            wrong.setdefault((one.root, _split(one.problem.where)[0]), []).append(one.problem)
    cases = []
    for (root, file), problems in wrong.items():
        first = place_of(root, problems[0].where if problems else file)
        detail = "\n".join(f"{p.where}: {p.what}\n  fix: {p.fix}" for p in problems)
        cases.append(
            Case(first.file, "check", "failure", first, "check", problems[0].what, detail)
            if problems
            else Case(first.file, "check", "passed", first)
        )
    return junit_xml("releasegate check", [Suite("check", cases)])


FORMS: Mapping[str, Callable[[Checked], bytes]] = {
    "json": _json,
    "junit": _junit,
    "sarif": _sarif,
    "gitlab": _gitlab,
    "github": _github,
}
"""By the name that `--format` calls them, beside the text."""


def _annotations(checked: Checked) -> list[Annotation]:
    """What is said of a line is told apart by file and sentence, and where one stands twice, by which of them it is."""
    from releasegate.reporting.annotations.annotation import Annotation

    seen: dict[tuple[str, str], int] = {}
    made = []
    for one in checked.found:
        place, problem = place_of(one.root, one.problem.where), one.problem
        key = (place.file, problem.what)
        seen[key] = seen.get(key, 0) + 1
        text = f"{problem.what}. Fix: {problem.fix}" if problem.fix else problem.what
        rule, title = (NOTE, "Note") if one.note else (ERROR, "Policy check")
        level: Level = "note" if one.note else "error"
        made.append(Annotation(rule, level, place, title, text, (*key, str(seen[key]))))
    return made


def _split(where: str) -> tuple[str, int, int | None]:
    """File, line and column of `file:line:column` or `file`."""
    found = _PLACE.fullmatch(where)
    assert found is not None, "any text is a file, if nothing else"
    line, column = found["line"], found["column"]
    return found["file"], max(int(line or 1), 1), max(int(column), 1) if column else None


def place_of(root: Path, where: str) -> Place:
    """The place, its file relative to the top of the repository.

    Args:
        root: the gate repository that `where` is relative to.
    """
    from releasegate.reporting.annotations.annotation import Place
    from releasegate.reporting.annotations.tops import within_top

    file, line, column = _split(where)
    return Place(within_top(root / file, root), line, column)
