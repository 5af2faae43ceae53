"""Templates of a gate repository: how they are found, and what is said where one is wrong."""

from __future__ import annotations

import traceback
from pathlib import Path, PurePosixPath
from typing import Any

from jinja2 import BaseLoader, ChoiceLoader, Environment, FileSystemLoader, TemplateNotFound, TemplateSyntaxError

from releasegate.errors import DocumentError, Problem
from releasegate.reporting.wording.numbers import MOST_TEXT, shortened
from releasegate.repository import GateRepository, starter

FIX = "correct it, or remove it to use the bundled one"
MISTAKES = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)
"""What an expression of a template can raise beside what Jinja2 says of it."""
_PACKAGE = Path(__file__).resolve().parents[1]
_UNNAMED = "<template>"
"""What Jinja2 calls a template that lies in no file."""
_DEEP = 100
"""Templates within templates, from which on they include themselves."""


def templates_of(repository: GateRepository) -> BaseLoader:
    """Templates, stylesheet and chart theme: each from the gate repository if it has it, else from the starter."""
    folders = [*repository.template_folders(), starter() / "reports"]
    return ChoiceLoader([_Folder(folder) for folder in folders])


class _Folder(FileSystemLoader):
    """A folder of templates in UTF-8."""

    def get_source(self, environment: Environment, template: str) -> tuple[str, str, Any]:
        """The text of one.

        Raises:
            DocumentError: it is not UTF-8.
        """
        try:
            return super().get_source(environment, template)
        except UnicodeDecodeError:
            raise DocumentError([Problem(f"reports/{template}", "is not UTF-8", FIX)]) from None


def fault(error: Exception, page: str) -> DocumentError | None:
    """What is wrong with a template, by what it raised; None: it is no fault of a template.

    Args:
        page: the template that was rendered.
    """
    frames = traceback.extract_tb(error.__traceback__)
    inside = [f for f in frames if f.filename.endswith(".html") or f.filename == _UNNAMED]
    ours = not inside or (Path(frames[-1].filename).is_relative_to(_PACKAGE) and frames[-1] not in inside)
    if isinstance(error, RecursionError):
        ours = len(inside) < _DEEP
    if ours and isinstance(error, MISTAKES):
        return None
    if isinstance(error, TemplateSyntaxError):
        return _problem(error.name or page, error.lineno, f"does not render: {error.message}")
    if isinstance(error, TemplateNotFound) and not inside:
        return _problem(str(error.name or page), None, "is missing")
    last = inside[-1] if inside else None
    name = page if last is None or last.filename == _UNNAMED else PurePosixPath(last.filename).name
    return _problem(name, last.lineno if last else None, _what(error))


def _what(error: Exception) -> str:
    match error:
        case TemplateNotFound():
            return f"asks for the template {error.name!r}, which is not there"
        case RecursionError():
            return "does not render: it includes itself"
        case _:
            said = str(error) or type(error).__name__
            return f"does not render: {said}"


def _problem(name: str, line: int | None, what: str) -> DocumentError:
    where = f"reports/{name}" + (f":{line}" if line else "")
    return DocumentError([Problem(where, shortened(what, MOST_TEXT), FIX)])
