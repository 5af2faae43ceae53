"""From what a report shows to one HTML file that loads nothing."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, assert_never

from jinja2 import BaseLoader, StrictUndefined, TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment
from markupsafe import Markup

from releasegate.errors import DocumentError, Problem
from releasegate.reporting.charts.curve_chart import curve_chart
from releasegate.reporting.charts.e_process_chart import e_process_chart
from releasegate.reporting.charts.effect_chart import effect_chart
from releasegate.reporting.charts.forest import NARROW, WIDE, forest
from releasegate.reporting.charts.spread_chart import spread_chart
from releasegate.reporting.charts.svg import ROLES
from releasegate.reporting.charts.track_chart import track_chart
from releasegate.reporting.charts.tradeoff_chart import tradeoff_chart
from releasegate.reporting.pagepolicy import content_policy, held
from releasegate.reporting.templating import MISTAKES, fault
from releasegate.reporting.views.charts import Chart, Effect, EProcess
from releasegate.reporting.views.figures import Curve, Spread, Track, Tradeoff
from releasegate.reporting.views.report import ReportView
from releasegate.reporting.wording.visible import visible

PAGE, STYLESHEET, SCRIPT, THEME = "report.html", "report.css", "report.js", "chart_theme.json"


def render_report(view: ReportView, templates: BaseLoader) -> str:
    """The report as one HTML document. Pure: the same view and templates give the same text.

    Raises:
        DocumentError: as of `render`.
    """
    return render(PAGE, templates, report=view)


def render(page: str, templates: BaseLoader, **data: Any) -> str:
    """A page as one HTML document, which loads nothing.

    Args:
        page: the name of its template, which extends `base.html`.
        data: what the template loops over.

    Raises:
        DocumentError: a template, the stylesheet, the script or the theme is missing, or is not what it must be; or what
            they make does not stand under the content security policy.
    """
    environment = ImmutableSandboxedEnvironment(
        loader=templates,
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_finalize,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    try:
        style, script = _stylesheet(_source(environment, STYLESHEET)), _script(_source(environment, SCRIPT))
        policy = content_policy(style, script)
        context = {
            "style": Markup(style),
            "script": Markup(script),
            "policy": policy,
            "chart": _Drawer(_theme(_source(environment, THEME))),
        }
        return held(environment.get_template(page).render(**context, **data), page, policy)
    except (TemplateError, *MISTAKES) as error:
        found = fault(error, page)
        if found is None:
            raise
        raise found from error


Drawable = Chart | Effect | Tradeoff | Track | Curve | Spread


class _Drawer:
    """Draws charts for the templates."""

    def __init__(self, theme: Mapping[str, Any]) -> None:
        self._theme = theme

    def wide(self, chart: Drawable) -> Markup:
        """For a desk."""
        return self._drawn(chart, WIDE)

    def narrow(self, chart: Drawable) -> Markup:
        """For a phone."""
        return self._drawn(chart, NARROW)

    def either(self, chart: EProcess) -> Markup:
        """For both: drawn once."""
        return e_process_chart(chart, self._theme)

    def _drawn(self, chart: Drawable, width: int) -> Markup:
        match chart:
            case Chart():
                return forest(chart, width, self._theme)
            case Effect():
                return effect_chart(chart, width, self._theme)
            case Tradeoff():
                return tradeoff_chart(chart, width, self._theme)
            case Track():
                return track_chart(chart, width, self._theme)
            case Curve():
                return curve_chart(chart, width, self._theme)
            case Spread():
                return spread_chart(chart, width, self._theme)
            case _:
                assert_never(chart)


def _finalize(value: Any) -> Any:
    return value if isinstance(value, Markup) or not isinstance(value, str) else visible(value)


def _source(environment: ImmutableSandboxedEnvironment, name: str) -> str:
    assert environment.loader is not None
    return environment.loader.get_source(environment, name)[0].replace("\r\n", "\n")


def _stylesheet(text: str) -> str:
    if "</" in text or "@import" in text or "url(" in text:
        what = "holds `</`, `@import` or `url(`: the page loads nothing"
        raise DocumentError([Problem(f"reports/{STYLESHEET}", what, "write everything into the stylesheet itself")])
    return text


def _script(text: str) -> str:
    if "</" in text or "<!--" in text:
        what = "holds `</` or `<!--`, which a page reads as its own"
        raise DocumentError(
            [Problem(f"reports/{SCRIPT}", what, "write it otherwise, or remove it to use the bundled one")]
        )
    return text


def _theme(text: str) -> Mapping[str, Any]:
    try:
        theme = json.loads(text)
    except ValueError as error:
        problem = Problem(
            f"reports/{THEME}", f"is not JSON: {error}", "correct it, or remove it to use the bundled one"
        )
        raise DocumentError([problem]) from None
    if not isinstance(theme, dict):
        raise DocumentError([Problem(f"reports/{THEME}", "is not an object", "write a Vega configuration")])
    if unknown := sorted(_colours(theme) - set(ROLES)):
        what = f"names no colour of the page: ${unknown[0]}"
        raise DocumentError(
            [Problem(f"reports/{THEME}", what, f"use one of {', '.join(f'${role}' for role in ROLES)}")]
        )
    return theme


def _colours(theme: Any) -> set[str]:
    """What stands for colours of the page in a theme, without the `$`."""
    match theme:
        case dict():
            return set().union(*map(_colours, theme.values()))
        case list():
            return set().union(*map(_colours, theme))
        case str() if theme.startswith("$"):
            return {theme[1:]}
        case _:
            return set()
