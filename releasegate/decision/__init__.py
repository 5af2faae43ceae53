"""From a plan and its evidence to a verdict. Pure: no clock, no disk, no randomness."""

from releasegate.decision.deciding import decide
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
