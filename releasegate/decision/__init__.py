"""From a plan and its evidence to a verdict. Pure: no clock, no disk, no randomness.

`decide` is loaded when it is asked for: what a decision says is read by many who decide nothing.
"""

from typing import TYPE_CHECKING, Any

from releasegate.decision.record import (
    VERDICTS,
    ArtefactDecision,
    CapabilityDecision,
    Decision,
    Estimate,
    Finding,
    SliceFinding,
    StripDecision,
    Verdict,
    worst,
)

if TYPE_CHECKING:
    from releasegate.decision.deciding import decide

__all__ = [
    "VERDICTS",
    "ArtefactDecision",
    "CapabilityDecision",
    "Decision",
    "Estimate",
    "Finding",
    "SliceFinding",
    "StripDecision",
    "Verdict",
    "decide",
    "worst",
]


def __getattr__(name: str) -> Any:
    if name != "decide":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from releasegate.decision.deciding import decide

    return decide
