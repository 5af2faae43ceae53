"""What a watermark promises of its answers, checked: nothing is read from one that breaks it, and nothing is broadcast."""

from __future__ import annotations

import torch
from torch import Tensor

from releasegate.subjects import Detection

ROUNDING = 1e-6
"""By how much a sample or a score may lie outside its range: what arithmetic in float32 does."""
BATCHED = 1e-4
"""By how much an answer for a clip in a batch may differ from that for the clip alone."""


def mark_problem(marked: object, clips: int, samples: int) -> str | None:
    """Why `marked` is no marked audio; None if it is float [clips, samples], finite and in [-1, 1]."""
    if not isinstance(marked, Tensor):
        return f"`mark` gave {type(marked).__name__}, and no tensor"
    if tuple(marked.shape) != (clips, samples):
        return f"`mark` gave a shape of {list(marked.shape)} for audio of {[clips, samples]}"
    if not marked.is_floating_point():
        return f"`mark` gave {marked.dtype}, which is no audio: it must be floating point"
    if not bool(torch.isfinite(marked).all()):
        return "`mark` gave samples that are not numbers"
    peak = float(marked.abs().max()) if marked.numel() else 0.0
    return f"`mark` left [-1, 1]: a sample is {peak:g}, which no file can hold" if peak > 1 + ROUNDING else None


def detection_problems(found: object, clips: int, samples: int, bits: int) -> list[str | None]:
    """Why nothing can be read from a detection, one a clip; None for those from which it can.

    A wrong shape or dtype is every clip's, since nobody can tell which row is whose; a value that is no number, or not in
    [0, 1], is its own clip's.

    Args:
        found: what `detect` gave.
        clips: how many it was given.
        samples: of each of them.
        bits: that the watermark says it carries.
    """
    whole = _structure_problem(found, clips, samples, bits)
    if whole is not None:
        return [whole] * clips
    assert isinstance(found, tuple)
    problems: list[str | None] = [None] * clips
    for name, value in zip(Detection._fields, found, strict=True):
        rows = value.reshape(clips, value.numel() // max(clips, 1))  # [n], [n, t] or [n, k]
        sound = torch.isfinite(rows) & (rows >= -ROUNDING) & (rows <= 1 + ROUNDING)
        for row in torch.nonzero(~sound.all(dim=1))[:, 0].tolist():
            strange = float(rows[row][~sound[row]][0])
            problems[row] = problems[row] or f"`detect` gave {strange:g} in its {name}, which must be in [0, 1]"
    return problems


def _structure_problem(found: object, clips: int, samples: int, bits: int) -> str | None:
    """What is wrong with the shapes or the dtypes."""
    if not isinstance(found, tuple) or len(found) != len(Detection._fields):
        return f"`detect` gave {type(found).__name__}, and no score, presence and bits"
    shapes = ((clips,), (clips, samples), (clips, bits))
    for name, value, shape in zip(Detection._fields, found, shapes, strict=True):
        if not isinstance(value, Tensor):
            return f"`detect` gave {type(value).__name__} for its {name}, and no tensor"
        if tuple(value.shape) != shape:
            return f"`detect` gave a {name} of shape {list(value.shape)}, which must be {list(shape)}"
        if not value.is_floating_point():
            return f"`detect` gave a {name} of {value.dtype}, which must be floating point"
    return None


def company_problem(alone: Detection, together: Detection) -> str | None:
    """Why a detector answers for the company a clip is in; None if it gives that clip alone what it gives in a batch.

    Args:
        alone: of one clip, as users ask.
        together: of the same clip, out of a batch.
    """
    for name, one, other in zip(Detection._fields, alone, together, strict=True):
        differ = float((one.reshape(-1) - other.reshape(-1)).abs().max()) if one.numel() else 0.0
        if differ > BATCHED:
            what = f"the {name} of a clip alone and in a batch differ by {differ:.2g}"
            return f"`detect` answers a clip alone in another way: {what}, at most {BATCHED:g} is allowed"
    return None
