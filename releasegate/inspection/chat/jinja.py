"""The dialect of Jinja that transformers renders chat templates in, without transformers."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from jinja2 import TemplateError
from jinja2.ext import loopcontrols
from jinja2.sandbox import ImmutableSandboxedEnvironment

from releasegate.checkpoint.escapes import Generation

MOST_STEPS = 20_000
"""Numbers of all ranges of one template."""
TODAY = "01 Jan 2025"
"""What `strftime_now` says: a template may tell the day, and must not go by it."""


def environment() -> ImmutableSandboxedEnvironment:
    """An environment that renders one template; its ranges are counted."""
    made = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=[Generation, loopcontrols])
    made.filters["tojson"] = _to_json
    made.globals["raise_exception"] = _raise
    made.globals["strftime_now"] = lambda _: TODAY
    made.globals["range"] = _counted()
    return made


def _to_json(value: Any, *, ensure_ascii: bool = False, indent: int | None = None, **_: Any) -> str:
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, default=str)


def _raise(message: object) -> None:
    raise TemplateError(str(message)[:400])


def _counted() -> Callable[..., range]:
    left = MOST_STEPS

    def counted(*bounds: int) -> range:
        nonlocal left
        found = range(*bounds)
        left -= len(found)
        if left < 0:
            raise TemplateError("counts too far")
        return found

    return counted
