"""What the requests of a pool may be used for, by their digests: no request is in two parts, whatever sets are read.

A quarter is set aside. Rehearsals ask for it, and answers to it are labelled: of these, three eighths may train graders, and the
others say in every run how often the graders err. The gate asks for the rest.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from .prompt_sets import Request

Part = Literal["gate", "training", "calibration"]


def part_of(digest: str) -> Part:
    """The part of a request, by the first two digits of its digest.

    >>> part_of("4" + "0" * 63), part_of("35" + "0" * 62), part_of("36" + "0" * 62)
    ('gate', 'training', 'calibration')
    """
    if int(digest[0], 16) >= 4:
        return "gate"
    return "training" if int(digest[1], 16) < 6 else "calibration"


def gated(requests: Iterable[Request]) -> list[Request]:
    """The requests of gates."""
    return [request for request in requests if part_of(request.digest) == "gate"]


def set_aside(requests: Iterable[Request]) -> list[Request]:
    """The requests of rehearsals and of labelled answers."""
    return [request for request in requests if part_of(request.digest) != "gate"]
