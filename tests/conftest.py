"""What several tests start from."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.tiny_repository import Tiny


@pytest.fixture
def made(tmp_path: Path) -> Tiny:
    """A gate repository with a subject that draws too well and names well."""
    from tests.tiny_repository import make_repository  # imports torch, which most tests do without

    return make_repository(tmp_path / "repo")
