"""Where the sounds come from that a watermark is measured on: recordings, or what else has these three answers.

What measures does not know: it asks for a clip without the mark, and for the same clip with it.
"""

from __future__ import annotations

from typing import Protocol, cast

import torch
from torch import Tensor

from releasegate.evidence import Item
from releasegate.subjects import WatermarksAudio

from .speech import Clip, read
from .watermark_marking import made_by, marked


class Sounds(Protocol):
    """The sounds of items, at 16 kHz, on the device where they are measured."""

    def unmarked(self, item: Item) -> Tensor | str:
        """The clip without a mark: float32 [t] in [-1, 1]; or why nobody has it."""

    def marked(self, item: Item, message: tuple[int, ...]) -> Tensor | str:
        """The marked clip: float [t] in [-1, 1]; or why there is none.

        Args:
            message: the bits that it is to carry, where somebody puts them in.
        """

    def about(self, item: Item) -> dict[str, str]:
        """What a report says of the clip."""


class OpensSounds(Protocol):
    """What makes the sounds that one subject is measured on."""

    def __call__(self, subject: WatermarksAudio, device: torch.device) -> Sounds:
        """The sounds, on `device`."""


class Recordings:
    """Three seconds of recordings, which the subject marks."""

    def __init__(self, subject: WatermarksAudio, device: torch.device) -> None:
        self._subject = subject
        self._device = device
        self._made = made_by(subject)

    def unmarked(self, item: Item) -> Tensor:
        """The recording, float32 [48000]."""
        return read(_clip(item)).to(self._device)

    def marked(self, item: Item, message: tuple[int, ...]) -> Tensor | str:
        """The recording as the subject marks it."""
        return marked(self._subject, self._made, _clip(item), self.unmarked(item), message)

    def about(self, item: Item) -> dict[str, str]:
        """Which recording it is."""
        clip = _clip(item)
        return {"clip": clip.path.rpartition("/")[2], "language": clip.language}


def _clip(item: Item) -> Clip:
    return cast(Clip, item.content["clip"])
