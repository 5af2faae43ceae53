"""GitLab's code quality report: a JSON list with one entry an annotation.

Source: GitLab's page "Code Quality", section "Import code quality results from a CI/CD job".
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping

from releasegate.reporting.annotations.annotation import Annotation, Level, shown, worst_first

SEVERITY: Mapping[Level, str] = {"error": "critical", "warning": "major", "note": "info"}
"""GitLab's words are info, minor, major, critical and blocker."""


def code_quality(annotations: Iterable[Annotation]) -> str:
    """The report, the worst first."""
    entries = [
        {
            "description": shown(f"{a.title}: {a.text}"),
            "check_name": a.rule,
            "fingerprint": a.fingerprint,
            "severity": SEVERITY[a.level],
            "location": {"path": shown(a.place.file), "lines": {"begin": a.place.line}},
        }
        for a in worst_first(list(annotations))
    ]
    return json.dumps(entries, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
