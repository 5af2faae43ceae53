"""Marked clips: each is marked once, alone, so that its batch cannot matter; what a subject made is remembered while it lives."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from weakref import ref

import torch
from torch import Tensor

from releasegate.subjects import WatermarksAudio

from .watermark_contract import mark_problem

Made = dict[Hashable, Tensor | str]
"""What a subject made, by what it was asked for: a sound, float [t], or why what it gave is none."""

_REMEMBERED: dict[int, tuple[ref[object], Made]] = {}
"""By the identity of a subject: subjects that compare equal, or that have no hash, each have their own."""


def made_by(subject: object) -> Made:
    """The sounds that this very subject made; what they take goes with the subject.

    A subject that cannot be referred to weakly gets an empty memory at each call.
    """
    key = id(subject)
    held = _REMEMBERED.get(key)
    if held is not None and held[0]() is subject:
        return held[1]
    try:
        weak = ref(subject, _forgets(key))
    except TypeError:
        return {}
    made: Made = {}
    _REMEMBERED[key] = (weak, made)
    return made


def _forgets(key: int) -> Callable[[ref[object]], None]:
    def forget(weak: ref[object]) -> None:
        if key in _REMEMBERED and _REMEMBERED[key][0] is weak:  # another subject may stand in its place by now
            del _REMEMBERED[key]

    return forget


def marked(
    subject: WatermarksAudio, known: Made, clip: Hashable, clean: Tensor, message: tuple[int, ...]
) -> Tensor | str:
    """The clip with the message: [t] in [-1, 1], of the dtype of `clean`; or why what `mark` gave cannot be that.

    Args:
        known: what was made before; gets this clip.
        clip: which it is.
        clean: float32 [t], the clip's sound.
        message: the bits.
    """
    key = ("marked", clip, message)
    if key not in known:
        bits = torch.tensor([message], dtype=torch.int64, device=clean.device).reshape(1, len(message))
        made = subject.mark(clean[None], bits)
        problem = mark_problem(made, 1, len(clean))
        known[key] = problem or made[0].to(clean).clamp(-1, 1)
    return known[key]
