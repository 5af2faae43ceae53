"""The sounds of a model that clones voices and marks what it says: its clones, and recordings of the people whom it clones."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from releasegate.evidence import Item
from releasegate.subjects import WatermarksAudio

from . import voices
from .cloning import Request, clones
from .recordings import RATE
from .voices import Voice
from .watermark_marking import made_by, marked

MarkedBy = Literal["wrapper", "weights"]
"""Who marks a clone: code around the model, be it a user's or a server's, or nobody but the weights that speak."""
STEP = RATE // 2
"""Samples that the length of a clip is a multiple of: half a second. Clips of one length are attacked and detected together."""
STEPS = 6
"""The most such steps of a clip: three seconds."""


class Clones:
    """Clones of a person, which somebody marks; and the person's own recordings, which nobody does.

    The content of an item whose clip is a clone holds the `clip` that is asked for, a `Request`; `with`, all requests that it is
    made together with, itself among them; and `mark_by`, who marks it: `wrapper`, for whom the subject marks the clone, or
    `weights`, which speak as they are. Whatever item comes first, a clone is made in the same company: a run that was broken off
    goes on with the same clones.
    """

    def __init__(self, subject: WatermarksAudio, device: torch.device) -> None:
        self._subject = subject
        self._device = device
        self._made = made_by(subject)

    def unmarked(self, item: Item) -> Tensor | str:
        """The person's recording, or the clone before a wrapper marks it; nobody has a clone without the weights' mark."""
        if isinstance(item.content["clip"], Voice):
            return cut(voices.read(item.content["clip"])).to(self._device)
        if item.content["mark_by"] == "weights":
            return "nobody has what the weights say without what they put into it"
        return self._clone(item)

    def marked(self, item: Item, message: tuple[int, ...]) -> Tensor | str:
        """The clone as somebody gets it."""
        clone = self._clone(item)
        if isinstance(clone, str) or item.content["mark_by"] == "weights":
            return clone
        return marked(self._subject, self._made, item.content["clip"], clone, message)

    def about(self, item: Item) -> dict[str, str]:
        """Which recording it is, or what was said, and after which recording of the person."""
        clip: Voice | Request = item.content["clip"]
        if isinstance(clip, Voice):
            return {"clip": _name(clip), "language": clip.language}
        marks = {"mark_by": item.content["mark_by"]}
        return {"clip": f"clone {_name(clip.words)}", "prompt": _name(clip.prompts[0]), **marks}

    def _clone(self, item: Item) -> Tensor | str:
        asked: Request = item.content["clip"]
        if ("clone", asked) not in self._made:
            company: tuple[Request, ...] = item.content["with"]
            for request, clone in zip(company, clones(self._subject, company, len(company)), strict=True):
                self._made["clone", request] = clone if isinstance(clone, str) else self._cut(clone)
        return self._made["clone", asked]

    def _cut(self, clone: Tensor) -> Tensor | str:
        clip = cut(clone).to(self._device)
        return clip if len(clip) else f"the clone has {len(clone)} samples, and the shortest clip has {STEP}"


def cut(audio: Tensor) -> Tensor:
    """The first three seconds of a sound, float [t], or as many half seconds as it has: float [t'].

    >>> len(cut(torch.zeros(40000))), len(cut(torch.zeros(50000))), len(cut(torch.zeros(7999)))
    (40000, 48000, 0)
    """
    return audio[: min(len(audio) // STEP, STEPS) * STEP]


def _name(voice: Voice) -> str:
    return voice.path.rpartition("/")[2]
