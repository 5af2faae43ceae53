"""What an attack on audio is: what it is given, what it does, and what it declares about itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from torch import Tensor

    from releasegate.subjects import WatermarksAudio

Target = Literal["any", "marked", "clean"]
"""Which audio an attack is for: whatever it is, marked audio (to remove the mark), or clean audio (to forge one)."""


@dataclass(frozen=True)
class Given:
    """The clips that an attack works on, all of one length.

    Attributes:
        audio: float32 [n, t] in [-1, 1], on the device where the attack computes.
        rate: samples a second.
        seeds: one a clip, 63 bits; all randomness of a clip comes from its own.
        clean: float32 [n, t], what each clip was before it was marked; None where nothing was marked. Whoever attacks does
            not have it: splices are made from it, and forgeries take the residual of others.
        subject: the watermark under attack, for attacks that use its generator or its detector.
    """

    audio: Tensor
    rate: int
    seeds: Sequence[int]
    clean: Tensor | None = None
    subject: WatermarksAudio | None = None


@dataclass(frozen=True)
class Attack:
    """One attack, at any strength.

    Attributes:
        name: its identifier, such as `highpass`.
        title: what it does, for readers.
        unit: of its strength, as a label shows it: `Hz`, `dB`, `kbit/s`; empty for a bare number.
        family: the module that it stands in.
        apply: float32 [n, t'] in [-1, 1], the attacked clips, on the device of the given ones. Each depends on its own row, its
            own seed and the strength alone: batching and order change nothing.
        aligned: whether sample i of what comes out is sample i of what went in, so that a place in time keeps its meaning.
            Then t' >= t, or t' = t.
        target: which audio it is for.
        needs: what it needs of the watermark under attack: nothing, its generator, its detector's score, or its gradient.
        domain: the lowest and the highest strength that make sense.
        marks: whether it puts a mark in itself, so that a clip's being marked says nothing of the one that was there.
        wanted: what a strength within the domain must be that the given one is not, such as `a whole number`; None if it is
            that. What clips cannot take is told when they are attacked.
    """

    name: str
    title: str
    unit: str
    family: str
    apply: Callable[[Given, float], Tensor]
    aligned: bool
    domain: tuple[float, float]
    target: Target = "any"
    needs: Literal["nothing", "generator", "score", "gradient"] = "nothing"
    marks: bool = False
    wanted: Callable[[float], str | None] = lambda strength: None

    def label(self, strength: float | None) -> str:
        """The name of the attack at a strength, as items are labelled: letters, digits, `_`, `.`, `-` and `+`.

        Spaces and slashes of the unit are left out.

        Args:
            strength: None for an attack that has none.
        """
        if strength is None:
            return self.name
        unit = "".join(c for c in self.unit if c.isalnum())
        return f"{self.name}_{strength:g}{unit}"

    def strength_label(self, strength: float | None) -> str:
        """The strength for readers, such as `32 kbit/s`."""
        return "-" if strength is None else f"{strength:g} {self.unit}".strip()
