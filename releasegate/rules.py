"""Which parts of a policy rule: all but its prose, and what only those who receive a release read. Pure.

A path is a tuple of keys; `*` stands for every element of a list. What is not listed is a rule, so that a key that a later
release adds is one until somebody takes it out here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Step = str
PathOutside = tuple[Step, ...]

PROSE: tuple[PathOutside, ...] = (
    ("title",),
    ("model", "name"),
    ("capabilities", "*", "title"),
    ("capabilities", "*", "rationale"),
    ("capabilities", "*", "tags"),
)
"""What people read. No verdict, measurement, alpha or family depends on it."""

RECEIVED: tuple[PathOutside, ...] = (
    ("publication",),
    ("trust", "approvals"),
    ("trust", "revocations"),
    ("trust", "attestations"),
    ("trust", "identities"),
)
"""What is read after the decision alone: by whoever publishes the weights, and by whoever verifies them."""

OUTSIDE = PROSE + RECEIVED


def rules_of(policy: Mapping[str, Any]) -> dict[str, Any]:
    """The policy, as JSON data, without what is `OUTSIDE`; a mapping of which nothing is left goes too.

    >>> rules_of({"id": "a", "title": "A", "trust": {"approvals": []}, "capabilities": [{"id": "c", "tags": []}]})
    {'id': 'a', 'capabilities': [{'id': 'c'}]}
    """
    return dict(_without(policy, OUTSIDE))


def with_rules_of(policy: Mapping[str, Any], ruling: Mapping[str, Any]) -> dict[str, Any]:
    """The policy, as JSON data, with the rules of `ruling`, which are the same and may stand in another order.

    >>> with_rules_of({"title": "B", "capabilities": []}, {"title": "A", "capabilities": []})
    {'capabilities': [], 'title': 'B'}
    """
    return dict(_merged(rules_of(ruling), _only(policy, OUTSIDE)))


def _without(data: Any, outside: tuple[PathOutside, ...]) -> Any:
    if isinstance(data, list):
        return [_without(part, _below(outside, "*")) for part in data]
    if not isinstance(data, Mapping) or not outside:
        return data
    kept = {key: _without(part, _below(outside, key)) for key, part in data.items() if (key,) not in outside}
    return {key: part for key, part in kept.items() if part != {} or not _below(outside, key)}


def _only(data: Any, outside: tuple[PathOutside, ...]) -> Any:
    """What `_without` leaves out; None for a part of which it leaves out nothing."""
    if isinstance(data, list):
        return [_only(part, _below(outside, "*")) for part in data]
    found = {}
    for key, part in data.items():
        if (key,) in outside:
            found[key] = part
        elif below := _below(outside, key):
            found[key] = _only(part, below)
    return found


def _merged(one: Any, other: Any) -> Any:
    if isinstance(one, list):
        return [_merged(mine, its) for mine, its in zip(one, other, strict=True)]
    if isinstance(one, dict):
        return one | {key: _merged(one[key], part) if key in one else part for key, part in other.items()}
    return one


def _below(outside: tuple[PathOutside, ...], step: Step) -> tuple[PathOutside, ...]:
    return tuple(path[1:] for path in outside if path[0] == step and len(path) > 1)
