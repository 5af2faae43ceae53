"""What is missing is named with the command that installs it, for every eval that ships, before an attempt opens."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from releasegate import extras
from releasegate.errors import NotFound
from releasegate.evaluation import missing_material
from releasegate.policy import parse_policy
from releasegate.repository import GateRepository

TOP = Path(__file__).parents[1]
NEEDS = {
    "mini-chameleon": {"image"},
    "audioseal": {"audio"},
    "perth": {"audio"},
    "voice-synthesis": {"audio"},
    "text-assistant": {"text"},
}
"""Extras without which a policy's evals cannot run."""


def test_every_package_is_one_of_the_extra_that_is_named() -> None:
    declared = tomllib.loads((TOP / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    names = {extra: {re.split(r"[<>=\[!~;]", one)[0] for one in listed} for extra, listed in declared.items()}
    for package, extra in extras.PACKAGES.values():
        assert package in names[extra]


def test_all_that_is_missing_is_named_at_once() -> None:
    with pytest.raises(NotFound) as raised:
        extras.require_packages(["json", "nobody_has_this", "nor_this.inside"], "a test")
    assert [(p.where, p.fix) for p in raised.value.problems] == [
        ("package nobody_has_this", "install the package that has the module nobody_has_this"),
        ("package nor_this", "install the package that has the module nor_this"),
    ]


@pytest.mark.parametrize("policy", NEEDS)
def test_a_plain_installation_is_told_which_extra_each_policy_needs(
    policy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As if nothing of an extra were installed: no attempt would open, and every problem says what to do."""
    real = extras.find_spec
    monkeypatch.setattr(extras, "find_spec", lambda name: None if name in extras.PACKAGES else real(name))
    repository = GateRepository(TOP)
    text = repository.policy_path(policy).read_bytes()
    found = missing_material(repository, parse_policy(text, policy).record)
    fixes = [p.fix for error in found for p in error.problems]
    assert all(fixes)
    named = {extra for fix in fixes for extra in re.findall(r"releasegate\[(\w+)\]", fix)}
    assert NEEDS[policy] <= named
