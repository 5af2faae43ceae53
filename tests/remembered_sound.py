"""DNSMOS with a memory: the network gives one clip one number, and takes a second of processor time to do so."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from releasegate.audio import dnsmos

_ASKED = dnsmos._score
_KNOWN: dict[bytes, float] = {}


def remember_dnsmos(patch: pytest.MonkeyPatch) -> None:
    """Nothing; each clip is heard once in a process, however many gates ask about the very same samples."""

    def score(session: Any, wave: NDArray[np.float32]) -> float:
        key = hashlib.sha256(wave.tobytes()).digest()
        if key not in _KNOWN:
            _KNOWN[key] = _ASKED(session, wave)
        return _KNOWN[key]

    patch.setattr(dnsmos, "_score", score)
