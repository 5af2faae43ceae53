"""Runs whose weights may go out: each is made once, and read only."""

from __future__ import annotations

import pytest

from tests.tiny_repository import Tiny


@pytest.fixture(scope="session")
def stripped_run(tmp_path_factory: pytest.TempPathFactory) -> Tiny:
    """A decided run from which a stripped checkpoint may go out."""
    from tests.tiny_decided import decided_run  # imports torch, which many tests do without

    return decided_run(tmp_path_factory.mktemp("stripped") / "repo")


@pytest.fixture(scope="session")
def whole_run(tmp_path_factory: pytest.TempPathFactory) -> Tiny:
    """A decided run from which the source goes out as it is."""
    from tests.tiny_decided import decided_run, whole

    return decided_run(tmp_path_factory.mktemp("whole") / "repo", whole)
