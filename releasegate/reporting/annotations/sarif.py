"""SARIF 2.1.0 (OASIS standard): rules, and results at lines of files."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from releasegate import __version__
from releasegate.reporting.annotations.annotation import Annotation, Place, Rule, shown, worst_first

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/os/schemas/sarif-schema-2.1.0.json"
TOP = "%SRCROOT%"
"""The top of the repository, which every path is relative to."""
MOST_TITLE = 250
FINGERPRINT = "releasegate/v1"


def sarif_log(rules: Sequence[Rule], annotations: Iterable[Annotation], properties: Mapping[str, Any]) -> str:
    """A log of one run of releasegate.

    Args:
        rules: at least those that annotations name.
        properties: of the run, as JSON data.
    """
    number = {rule.id: n for n, rule in enumerate(rules)}
    run = {
        "tool": {
            "driver": {"name": "releasegate", "semanticVersion": __version__, "rules": [_rule(rule) for rule in rules]}
        },
        "columnKind": "unicodeCodePoints",
        "originalUriBaseIds": {TOP: {"description": {"text": "The top of the repository."}}},
        "results": [_result(a, number[a.rule]) for a in worst_first(list(annotations))],
        "properties": dict(properties),
    }
    log = {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}
    return json.dumps(log, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def _rule(rule: Rule) -> dict[str, Any]:
    return {
        "id": rule.id,
        "shortDescription": {"text": shown(rule.title, MOST_TITLE)},
        "help": {"text": shown(rule.help)},
        "properties": dict(rule.properties),
    }


def _result(a: Annotation, number: int) -> dict[str, Any]:
    result: dict[str, Any] = {
        "ruleId": a.rule,
        "ruleIndex": number,
        "level": a.level,
        "message": {"text": shown(f"{a.title}: {a.text}")},
        "locations": [{"physicalLocation": _location(a.place)}],
        "partialFingerprints": {FINGERPRINT: a.fingerprint, "primaryLocationLineHash": f"{a.fingerprint[:16]}:1"},
        "properties": dict(a.properties),
    }
    if a.waived is not None:
        result["suppressions"] = [{"kind": "external", "status": "accepted", "justification": shown(a.waived)}]
    return result


def _location(place: Place) -> dict[str, Any]:
    region = {"startLine": place.line, **({"startColumn": place.column} if place.column is not None else {})}
    return {"artifactLocation": {"uri": uri(place.file), "uriBaseId": TOP}, "region": region}


def uri(file: str) -> str:
    """A path as a relative reference of RFC 3986: a colon in its first part would be taken for a scheme.

    >>> uri("policies/a b.yaml"), uri("c:/x.yaml")
    ('policies/a%20b.yaml', 'c%3A/x.yaml')
    """
    return quote(file, safe="/", errors="surrogateescape")
