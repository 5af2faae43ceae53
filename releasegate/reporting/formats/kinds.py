"""The kinds of output, each declared once. What one needs is imported when it is rendered."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from releasegate.reporting.formats.rendered import Rendered

Renderer = Callable[[Rendered], bytes]
"""From a decided run to the bytes of a file. The same run gives the same bytes, wherever and whenever it is rendered."""


def _html(rendered: Rendered) -> bytes:
    from releasegate.reporting.page import render_report

    return render_report(rendered.view, rendered.templates).encode()


def _markdown(rendered: Rendered) -> bytes:
    from releasegate.reporting.formats.markdown import markdown

    return markdown(rendered).encode()


def _json(rendered: Rendered) -> bytes:
    from releasegate.reporting.formats.reported import report

    return report(rendered.decision, rendered.plan, rendered.receipt, rendered.gathered).text().encode()


def _csv(rendered: Rendered) -> bytes:
    from releasegate.reporting.formats.table import csv_table
    from releasegate.reporting.wording.discreet import told

    return csv_table(told(rendered.decision, rendered.plan.policy), rendered.plan)


def _case(rendered: Rendered) -> bytes:
    from releasegate.reporting.case import assurance_case

    return assurance_case(rendered.decision, rendered.plan, rendered.receipt, rendered.gathered).text().encode()


KINDS: Mapping[str, Renderer] = {"html": _html, "md": _markdown, "json": _json, "csv": _csv, "case": _case}
"""By the name that `--output KIND=PATH` calls it."""
