"""The kinds of output, each declared once. What one needs is imported when it is rendered."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from releasegate.reporting.formats.rendered import Rendered

if TYPE_CHECKING:
    from releasegate.reporting.annotations.annotation import Annotation

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

    return (
        report(rendered.decision, rendered.plan, rendered.receipt, rendered.gathered, rendered.approvals)
        .text()
        .encode()
    )


def _csv(rendered: Rendered) -> bytes:
    from releasegate.reporting.formats.table import csv_table
    from releasegate.reporting.wording.discreet import told

    return csv_table(told(rendered.decision, rendered.plan.policy), rendered.plan)


def _case(rendered: Rendered) -> bytes:
    from releasegate.reporting.case import assurance_case

    return assurance_case(rendered.decision, rendered.plan, rendered.receipt, rendered.gathered).text().encode()


def _decision(rendered: Rendered) -> bytes:
    return rendered.decision.text().encode()


def _junit(rendered: Rendered) -> bytes:
    from releasegate.reporting.annotations.junit import junit_xml
    from releasegate.reporting.formats.cased import suites

    return junit_xml(f"releasegate: {rendered.decision.policy}", suites(rendered))


def _sarif(rendered: Rendered) -> bytes:
    from releasegate.reporting.annotations.sarif import sarif_log
    from releasegate.reporting.formats.annotated import annotated, properties, rules

    return sarif_log(rules(rendered), _unsettling(annotated(rendered)), properties(rendered)).encode()


def _gitlab(rendered: Rendered) -> bytes:
    from releasegate.reporting.annotations.gitlab import code_quality
    from releasegate.reporting.formats.annotated import annotated

    return code_quality(_unsettling(annotated(rendered))).encode()


def _github(rendered: Rendered) -> bytes:
    from releasegate.reporting.annotations.github import github_commands
    from releasegate.reporting.formats.annotated import annotated

    return github_commands(annotated(rendered)).encode()


def _unsettling(found: list[Annotation]) -> list[Annotation]:
    """Without a verdict that lets the model out: where findings are tracked, it would stand open as one."""
    return found[1:] if found[0].level == "note" else found


KINDS: Mapping[str, Renderer] = {
    "html": _html,
    "md": _markdown,
    "json": _json,
    "decision": _decision,
    "csv": _csv,
    "case": _case,
    "junit": _junit,
    "sarif": _sarif,
    "gitlab": _gitlab,
    "github": _github,
}
"""By the name that `--output KIND=PATH` and `--format KIND` call it."""
