"""A decision as a report may tell it: in the policy's words, and of samples no more than the policy lets it show."""

from __future__ import annotations

from typing import Any

from releasegate.decision import Decision, Finding
from releasegate.decision.wording import worded
from releasegate.policy import Policy


def told(decision: Decision, policy: Policy) -> Decision:
    """The decision, its capabilities in the words of `policy`, which may be newer than the decision.

    Without the reasons of failures, which come from samples, where the policy lets none be shown.

    Numbers, statuses and counts stay. Its digest is another one: that of the stored decision is asked of that.
    """
    decision = worded(decision, policy)
    return decision if policy.shows_samples else without_reasons(decision)


def without_reasons(decision: Decision) -> Decision:
    """The decision without the reasons of failures."""
    shorter = {f.sentence: _without_reason(f) for f in decision.findings if f.errors}
    longest_first = dict(sorted(shorter.items(), key=lambda entry: -len(entry[0])))  # one may begin another
    return Decision.model_validate(_replaced(decision.model_dump(by_alias=True), longest_first))


def _without_reason(finding: Finding) -> str:
    """The sentence without the first reason, which ends it, or stands before what was excused."""
    end, before = f": {finding.errors[0]}", f": {finding.errors[0]}; excused: "
    if before in finding.sentence:
        return finding.sentence.replace(before, "; excused: ")
    return finding.sentence.removesuffix(end)


def _replaced(data: Any, shorter: dict[str, str]) -> Any:
    if isinstance(data, str):
        for long, short in shorter.items():
            data = data.replace(long, short)
        return data
    if isinstance(data, dict):
        return {key: () if key == "errors" else _replaced(part, shorter) for key, part in data.items()}
    if isinstance(data, list | tuple):
        return type(data)(_replaced(part, shorter) for part in data)
    return data
