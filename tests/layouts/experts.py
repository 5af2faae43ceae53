"""Mixtures of experts: the parts that the layouts of several families share.

Source of the names: the published form is what transformers writes with `save_pretrained` (instantiated and saved);
in memory it holds the experts of a layer fused, as `experts.gate_up_proj` [E, 2I, H] and `experts.down_proj` [E, H, I].
"""

from __future__ import annotations

from tests.layouts.layout import Shapes, under
from tests.layouts.llama import gated


def each(hidden: int, width: int, count: int) -> Shapes:
    """`count` experts under names of their own."""
    one = gated(hidden, width)
    shapes: Shapes = {}
    for number in range(count):
        shapes |= under(f"experts.{number}", one)
    return shapes


def fused(hidden: int, width: int, count: int) -> Shapes:
    """`count` experts along the first dimension of two tensors, in which gate and up lie one after the other."""
    return {"experts.gate_up_proj": (count, 2 * width, hidden), "experts.down_proj": (count, hidden, width)}


def router(hidden: int, count: int, *, corrected: bool = False) -> Shapes:
    """The router, a row an expert; DeepSeek's has a bias for each expert besides."""
    return {
        "gate.weight": (count, hidden),
        **({"gate.e_score_correction_bias": (count,)} if corrected else {}),
    }
