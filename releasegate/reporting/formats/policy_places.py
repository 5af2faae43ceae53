"""Where the requirements of a run stand: at which lines of the policy's file, if it is still what was judged by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from releasegate.errors import ReleaseGateError
from releasegate.policy import Policy, parse_policy
from releasegate.reporting.annotations.annotation import Place
from releasegate.reporting.annotations.tops import within_top
from releasegate.repository import GateRepository
from releasegate.repository.reading import read_file
from releasegate.yamltext import MAX_BYTES

UNKNOWN = "The policy's file at hand does not have the rules that were judged by, so the line is not known."


@dataclass(frozen=True)
class PolicyPlaces:
    """The places of one policy.

    Attributes:
        file: of the policy, relative to the top of the repository.
        known: whether the lines are those of what was judged by.
        requirements: lines by id.
        capabilities: lines by id.
    """

    file: str
    known: bool = False
    requirements: Mapping[str, int] = field(default_factory=dict)
    capabilities: Mapping[str, int] = field(default_factory=dict)

    @property
    def top(self) -> Place:
        """The first line."""
        return Place(self.file)

    def requirement(self, name: str) -> Place:
        """Of a requirement; the first line where it is not known."""
        return Place(self.file, self.requirements.get(name, 1))

    def capability(self, name: str) -> Place:
        """Of a capability; the first line where it is not known."""
        return Place(self.file, self.capabilities.get(name, 1))


def policy_places(policy: Policy, file: Path | None) -> PolicyPlaces:
    """The places of the requirements of `policy`.

    Args:
        policy: that was judged by.
        file: where it may lie, if a gate repository is at hand. What it holds may be anything.
    """
    if file is None:
        return PolicyPlaces(f"policies/{policy.id}.yaml")
    repository = GateRepository.here(file)
    shown = within_top(file, repository.root if repository else None)
    if not file.is_file() or file.stat().st_size > MAX_BYTES:
        return PolicyPlaces(shown)
    try:
        located = parse_policy(read_file(file, "policy", "name it"), shown)
    except ReleaseGateError:
        return PolicyPlaces(shown)
    if _rules(located.record) != _rules(policy):
        return PolicyPlaces(shown)
    lines = {path: mark.line for path, mark in located.parsed.marks.items()}
    requirements, capabilities = {}, {}
    for number, capability in enumerate(located.record.capabilities):
        capabilities[capability.id] = lines[("capabilities", number)]
        for _, path, requirement in capability.sections():
            requirements[requirement.id] = lines[("capabilities", number, *path)]
    return PolicyPlaces(shown, True, requirements, capabilities)


def _rules(policy: Policy) -> str:
    """Of all but prose, and but for what a replay replaces: whether samples are shown."""
    return policy.model_copy(update={"samples": None}).rules_digest()
