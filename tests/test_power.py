"""The power of every shipped policy at its first attempt: a policy that a good model hardly ever passes is broken."""

from __future__ import annotations

from pathlib import Path

import pytest

from releasegate.decision.ways import WANTED
from releasegate.repository import GateRepository
from tests.power_table import ATTEMPTS, TOP, powers_of, shown_table

EXCEPTIONS = {
    "audioseal": "52 recordings of each speaker; 35 attacks x 4 speakers, twice",
    "audioseal-lab": "four speakers stand for all",
    "perth": "52 recordings of each speaker; 18 attacks x 4 speakers, twice",
    "perth-lab": "four speakers stand for all",
    "voice-synthesis": "40 prompts and 64 recordings of each person",
    "voice-synthesis-api": "64 recordings of each person; 9 attacks x 5 or 6 persons, twice",
    "voice-synthesis-open-watermarked": "64 recordings of each person; 9 attacks x 5 or 6 persons, twice",
}
"""Policies that no more than 60 minutes on two cores, or no more of the material at hand, brings to `WANTED`; `plan` says so."""
REPOSITORY = GateRepository(TOP.resolve())


def found(file: Path) -> dict[str, tuple[float, ...]]:
    powers = powers_of(REPOSITORY, file)
    if powers is None:
        pytest.skip("what its evals read is not on this machine")
    return powers


@pytest.mark.slow
@pytest.mark.parametrize("file", REPOSITORY.policies(), ids=lambda file: file.stem)
def test_a_model_half_way_to_the_ideal_passes_at_the_first_attempt(file: Path) -> None:
    powers = found(file)
    assert powers, "there is no way to be published"
    least = min(listed[0] for listed in powers.values())
    if file.stem in EXCEPTIONS:
        assert least < WANTED, "no exception any more: take it off the list, here and in docs/power.md"
    else:
        assert least >= WANTED, powers
    assert all(list(listed) == sorted(listed, reverse=True) for listed in powers.values())


def test_every_exception_is_a_policy_and_named_in_the_docs() -> None:
    page = (TOP / "docs" / "power.md").read_text("utf-8")
    policies = {file.stem for file in REPOSITORY.policies()}
    assert set(EXCEPTIONS) <= policies
    assert all(f"| `{name}` |" in page for name in EXCEPTIONS)


@pytest.mark.slow
def test_the_table_in_the_docs_is_that_of_the_policies() -> None:
    lines = {line for line in shown_table((TOP / "docs" / "power.md").read_text("utf-8")).splitlines() if "`" in line}
    for file in REPOSITORY.policies():
        listed = powers_of(REPOSITORY, file)
        if listed is None:
            continue  # what its evals read is not on this machine
        for way, powers in listed.items():
            assert len(powers) == len(ATTEMPTS)
            row = f"| `{file.stem}` | `{way}` | {' | '.join(f'{power:.3f}' for power in powers)} |"
            assert row in lines, "python -m tests.power_table --write"
