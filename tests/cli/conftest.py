"""A run that others only look at."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.tiny_repository import Tiny


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Tiny:
    """A gate repository with a run that came to `release_stripped`; tests leave both as they are, or work on a copy."""
    from releasegate.gate import gate
    from tests.tiny_repository import OPENED, Silent, make_repository

    made = make_repository(tmp_path_factory.mktemp("cli") / "repo")
    assert gate(made.call(today=OPENED), Silent()).verdict == "release_stripped"
    return made
