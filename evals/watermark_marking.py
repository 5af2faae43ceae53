"""Marked clips: each is marked once, alone, so that its batch cannot matter, and remembered as long as its subject lives."""

from __future__ import annotations

from collections.abc import Callable
from weakref import ref

import torch
from torch import Tensor

from releasegate.subjects import WatermarksAudio

from .speech import Clip
from .watermark_contract import mark_problem

Marked = dict[tuple[Clip, tuple[int, ...]], Tensor | str]
"""What marking a clip with a message gave, or why that is no marked clip."""

_REMEMBERED: dict[int, tuple[ref[object], Marked]] = {}
"""By the identity of a subject: subjects that compare equal, or that have no hash, each have their own."""


def marks_of(subject: object) -> Marked:
    """The clips that this very subject marked; what they take goes with the subject.

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
    made: Marked = {}
    _REMEMBERED[key] = (weak, made)
    return made


def _forgets(key: int) -> Callable[[ref[object]], None]:
    def forget(weak: ref[object]) -> None:
        if key in _REMEMBERED and _REMEMBERED[key][0] is weak:  # another subject may stand in its place by now
            del _REMEMBERED[key]

    return forget


def marked(
    subject: WatermarksAudio, known: Marked, clip: Clip, clean: Tensor, message: tuple[int, ...]
) -> Tensor | str:
    """The clip with the message: [t] in [-1, 1], of the dtype of `clean`; or why what `mark` gave cannot be that.

    Args:
        known: clips that were marked before; gets this one.
        clean: float32 [t], the clip's sound.
        message: the bits.
    """
    if (clip, message) not in known:
        bits = torch.tensor([message], dtype=torch.int64, device=clean.device).reshape(1, len(message))
        made = subject.mark(clean[None], bits)
        problem = mark_problem(made, 1, len(clean))
        known[clip, message] = problem or made[0].to(clean).clamp(-1, 1)
    return known[clip, message]
