"""What would change a verdict that is not a clean release."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from releasegate.decision import Decision, Finding
from releasegate.policy import Section
from releasegate.reporting.findings.finding import anchor
from releasegate.reporting.firstview import Change
from releasegate.reporting.wording.numbers import MOST_TEXT, beside, sentence, shortened

REFUTED: Mapping[Section, str] = {
    "misuse": "Refuted: only a weaker model would be let out",
    "safeguards": "Refuted: only stronger protection would do",
    "removal": "Refuted: only a strip that takes out more would do",
    "keep": "Refuted: only a strip that spares more would do",
}
"""What a violated requirement leaves, by its section: more items of the same would not help."""
MOST_NAMED = 5
"""Requirements named of which the same is said."""
ELSEWHERE = "Does not count at this channel: enforce it in the weights, or publish where it counts."


def changes(decision: Decision) -> tuple[Change, ...]:
    """What stands between a verdict and a clean release, the nearest first: what more evidence may settle, then the rest,
    each with the shortest first; findings of which the same is said together. None where all may go out."""
    held = [f for c in decision.capabilities if c.verdict != "release" for f in c.findings]
    held += decision.strip.findings if decision.strip else ()
    found: dict[tuple[bool, str], dict[str, str]] = {(False, text): {} for text in _awaited(decision)}
    for f in held:
        if not f.holds:
            far = f.status == "violated" or f.reason == "does_not_count"
            found.setdefault((far, _text(f)), {})[anchor(f)] = f.requirement
    ordered = sorted(found, key=lambda one: (one[0], len(one[1])))
    return tuple(
        Change(tuple(found[one].items())[:MOST_NAMED], max(len(found[one]) - MOST_NAMED, 0), one[1]) for one in ordered
    )


def _text(f: Finding) -> str:
    if f.status == "violated":
        return f"{REFUTED[f.section]} ({_seen(f)})."
    if f.reason == "does_not_count":
        return ELSEWHERE
    return shortened(sentence(f.settle or f.sentence), MOST_TEXT)


def _seen(f: Finding) -> str:
    """What refuted it, of its worst slice."""
    e = f.slices[0].estimate
    if e.gains is not None:
        return f"{e.hits} losses and {e.gains} gains in {e.scored} pairs"
    if e.hits is None:
        return f"mean {beside(e.value, f.limit)} of {e.scored}"
    return f"{e.hits} of {e.scored}"


def _awaited(decision: Decision) -> Iterable[str]:
    if decision.awaiting_strip:
        names = ", ".join(name.replace("_", " ") for name in decision.awaiting_strip)
        yield shortened(f"Strip {names}, and measure the stripped checkpoint.", MOST_TEXT)
