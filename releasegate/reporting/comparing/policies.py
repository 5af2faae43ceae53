"""What changed between two policies, part by part."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

from releasegate.difference import Change, PolicyDifference, written
from releasegate.reporting.comparing.views import PolicyChange, PolicyChangeGroup, PolicyChanges, PolicyComparison
from releasegate.reporting.wording.numbers import MOST_TITLE, plural, shortened
from releasegate.reporting.wording.words import Mark

Effect = Literal["looser", "stricter"]
EFFECT: Mapping[Effect, Mark] = {
    "looser": Mark("looser", "looser"),
    "stricter": Mark("stricter", "stricter"),
}
MOST_VALUE = 600
"""Characters shown of a value."""


def policy_comparison(difference: PolicyDifference, names: tuple[str, str]) -> PolicyComparison:
    """The page of two policies.

    Args:
        names: of their files.
    """
    n = len(difference.changes)
    changes = policy_changes(difference.changes)
    return PolicyComparison(f"{plural(n, 'value')} changed" if n else "No difference", changes.counted, names, changes)


def policy_changes(changes: Sequence[Change]) -> PolicyChanges:
    """What makes the policy looser or stricter, and what else changed."""
    effects = Counter(change.effect for change in changes)
    parts = [f"{effects[name]} {name}" for name in EFFECT if effects[name]]
    if effects[None]:
        parts.append(plural(effects[None], "other") if parts else f"{effects[None]} neither looser nor stricter")
    return PolicyChanges(
        marked=_groups(change for change in changes if change.effect is not None),
        other=_groups(change for change in changes if change.effect is None),
        counted=", ".join(parts),
    )


def _groups(changes: Iterable[Change]) -> tuple[PolicyChangeGroup, ...]:
    """The changes, those of each capability together."""
    found: dict[str, list[PolicyChange]] = {}
    for change in changes:
        title, path = _parted(change.path)
        mark = EFFECT[change.effect] if change.effect is not None else None
        before, after = (shortened(written(value), MOST_VALUE) for value in (change.before, change.after))
        found.setdefault(title, []).append(PolicyChange(shortened(path, MOST_TITLE), before, after, mark))
    return tuple(PolicyChangeGroup(shortened(title, MOST_TITLE), tuple(lines)) for title, lines in found.items())


def _parted(path: str) -> tuple[str, str]:
    """The part of a policy that a value stands in, and the way to it from there."""
    head, _, rest = path.partition(".")
    if head != "capabilities" or not rest:
        return "The policy as a whole", path
    name, _, key = rest.partition(".")
    return f"Capability {name}", key or "all of it"
