"""What `make texts` fetches, for tests that need it: they are skipped where RELEASEGATE_TEXTS does not say where it is."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from evals.texts import VARIABLE

FOLDER = os.environ.get(VARIABLE, "")
REASON = f"needs what `make texts` fetches, and {VARIABLE}"

needs_texts = pytest.mark.skipif(not FOLDER, reason=REASON)


def fetched(name: str) -> Path:
    """The folder of a fetched model; the test is skipped where there is none."""
    if not FOLDER:
        pytest.skip(REASON)
    return Path(FOLDER).absolute() / name
