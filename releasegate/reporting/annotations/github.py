"""Workflow commands of GitHub Actions: one line an annotation, which the runner shows at the line of the file.

Source: GitHub's page "Workflow commands for GitHub Actions", and the escapes of the package @actions/core.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from releasegate.reporting.annotations.annotation import Annotation, Level, shown, worst_first

COMMAND: Mapping[Level, str] = {"error": "error", "warning": "warning", "note": "notice"}


def github_commands(annotations: Iterable[Annotation]) -> str:
    """The commands, the worst first: GitHub shows ten of a level and step."""
    return "".join(f"{_command(a)}\n" for a in worst_first(list(annotations)))


def _command(a: Annotation) -> str:
    properties = {"file": a.place.file, "line": str(a.place.line)}
    if a.place.column is not None:
        properties["col"] = str(a.place.column)
    properties["title"] = shown(a.title, 200)
    listed = ",".join(f"{name}={escaped_property(value)}" for name, value in properties.items())
    return f"::{COMMAND[a.level]} {listed}::{escaped(shown(a.text))}"


def escaped(text: str) -> str:
    r"""A text that stays on its line.

    >>> escaped("50 %\nmore")
    '50 %25%0Amore'
    """
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def escaped_property(text: str) -> str:
    """A text that ends neither its property nor the list of them.

    >>> escaped_property("a: b, c")
    'a%3A b%2C c'
    """
    return escaped(shown(text)).replace(":", "%3A").replace(",", "%2C")
