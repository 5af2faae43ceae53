"""Whether the weights of a decided run may leave the house. Pure."""

from __future__ import annotations

from typing import NamedTuple

from releasegate.decision import Decision
from releasegate.errors import Exit
from releasegate.policy import Channel

WEIGHTS_CHANNELS: tuple[Channel, ...] = ("open_weights", "gated_weights")
"""Channels through which people come to hold the weights."""


class Hindrance(NamedTuple):
    """Why nothing goes out.

    Attributes:
        exit: that of a command which was asked to let it out all the same.
        sentence: without a full stop.
    """

    exit: Exit
    sentence: str


def hindrance(decision: Decision) -> Hindrance | None:
    """What keeps the weights from being published; None where nothing does."""
    if decision.rehearsal:
        return Hindrance(Exit.CANNOT, "it is a rehearsal, which counts for nothing")
    if decision.replay:
        return Hindrance(Exit.CANNOT, "it is a replay: its limits were chosen after looking")
    weights = decision.weights
    if weights is None:
        return Hindrance(Exit.CANNOT, "the policy does not list the weights among what would go out")
    if weights.verdict == "incomplete" or decision.awaiting_strip:
        return Hindrance(Exit.INCOMPLETE, f"the verdict on the weights is incomplete: {_bare(weights.sentence)}")
    if weights.verdict not in ("release", "release_stripped"):
        return Hindrance(Exit.NO, f"the verdict on the weights is {weights.verdict}: {_bare(weights.sentence)}")
    if weights.granted not in WEIGHTS_CHANNELS:
        return Hindrance(Exit.NO, f"the weights may be used through {weights.granted}, and go to nobody")
    return None


def _bare(sentence: str) -> str:
    return sentence.removesuffix(".")
