"""The report of a run: one HTML file that says what was decided, why, and what is not known; and other forms of the same.

What is named here is imported when it is asked for: `check` says what is wrong with a policy in the forms that a CI system
reads, and needs none of what makes pages.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from releasegate.reporting.gathered.gathering import gather
    from releasegate.reporting.making import make_view
    from releasegate.reporting.page import render_report
    from releasegate.reporting.templating import templates_of
    from releasegate.reporting.writing import write_report

__all__ = ["gather", "make_view", "render_report", "templates_of", "write_report"]

_MODULES = {
    "gather": "gathered.gathering",
    "make_view": "making",
    "render_report": "page",
    "templates_of": "templating",
    "write_report": "writing",
}


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
