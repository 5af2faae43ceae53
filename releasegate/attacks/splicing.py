"""Marked and clean audio of the same recording, put together: where the mark is must be told to the sample.

There is no cross-fade: the two differ by the watermark alone, so that a joint does not click, and the truth is sharp.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Literal

import torch
from torch import Tensor

from releasegate.attacks.attack import Attack, Given
from releasegate.attacks.messages import separate
from releasegate.attacks.requiring import clean
from releasegate.attacks.seeding import uniform

Splice = Literal["splice_marked", "splice_clean"]


def segment(given: Given, strength: float, splice: Splice = "splice_marked") -> Tensor:
    """bool [n, t], true where a splice has marked audio, on the device of the clips.

    The piece that is put in lies at a seeded place, the same for both splices: of one, marked audio is in it, of the other
    around it. A clip that is no longer than the piece is taken whole.

    Args:
        given: the clips.
        strength: how long the piece is, in milliseconds; at least one sample.
        splice: which of the two.
    """
    samples = given.audio.shape[1]
    length = min(max(round(strength / 1000 * given.rate), 1), samples)
    where = uniform(separate(given.seeds, "splice"), 1, torch.zeros((), dtype=torch.float64))  # [n, 1]
    start = (where * (samples - length + 1)).long().to(given.audio.device)
    place = torch.arange(samples, device=given.audio.device)  # [t]
    inside = (place >= start) & (place < start + length)  # [n, t]
    return inside if splice == "splice_marked" else ~inside


def _splice(given: Given, strength: float, splice: Splice) -> Tensor:
    return torch.where(segment(given, strength, splice), given.audio, clean(given, splice)).clamp(-1, 1)


def _attack(name: Splice, title: str) -> Attack:
    return Attack(
        name=name,
        title=title,
        unit="ms",
        family="splicing",
        apply=partial(_splice, splice=name),
        aligned=True,
        domain=(1.0, 600_000.0),
        target="marked",
    )


ATTACKS: Mapping[str, Attack] = {
    "splice_marked": _attack("splice_marked", "A marked piece inside the clean clip"),
    "splice_clean": _attack("splice_clean", "A clean piece inside the marked clip"),
}
