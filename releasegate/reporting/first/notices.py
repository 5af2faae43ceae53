"""What makes a verdict count for less than it says."""

from __future__ import annotations

from collections.abc import Iterable

from releasegate.decision import Decision
from releasegate.reporting.wording.words import VERDICT


def notices(decision: Decision) -> Iterable[str]:
    """A sentence each: rehearsal, replay, a strip that is to come, waivers."""
    if decision.rehearsal:
        yield (
            f"Rehearsal: measured on rehearsal items, at the alpha of attempt {decision.attempt}. It counts for nothing, and "
            "nothing of it may go out."
        )
    if decision.replay:
        yield "Replay: judged by another policy than the one that was fixed before measuring. Never to be published."
    if decision.awaiting_strip:
        yield "No stripped checkpoint was measured yet, so nothing is decided about it."
    if decision.verdict_without_waivers != decision.verdict:
        yield f"Rests on waivers: without them, the verdict would be “{VERDICT[decision.verdict_without_waivers].word}”."
