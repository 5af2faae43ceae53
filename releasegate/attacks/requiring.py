"""What some attacks need beside the clips: the watermark itself, or what the clips were before they were marked."""

from __future__ import annotations

from torch import Tensor

from releasegate.attacks.attack import Given
from releasegate.errors import UsageError
from releasegate.subjects import WatermarksAudio

FIX = "name the watermark: on the command line, --model CHECKPOINT --subject NAME"


def generator(given: Given, attack: str) -> WatermarksAudio:
    """The watermark under attack, to mark with.

    Raises:
        UsageError: there is none.
    """
    return _watermark(given, attack, "marks audio with the generator of the watermark under attack, and there is none")


def detector(given: Given, attack: str) -> WatermarksAudio:
    """The watermark under attack, to ask for its score.

    Raises:
        UsageError: there is none.
    """
    return _watermark(given, attack, "asks the detector of the watermark under attack, and there is none")


def clean(given: Given, attack: str) -> Tensor:
    """float32 [n, t], the clips before they were marked.

    Raises:
        UsageError: they are not there.
    """
    if given.clean is None:
        raise UsageError(f"attack {attack}", "needs what the clips were before they were marked", FIX)
    return given.clean


def _watermark(given: Given, attack: str, missing: str) -> WatermarksAudio:
    if given.subject is None:
        raise UsageError(f"attack {attack}", missing, FIX)
    return given.subject
