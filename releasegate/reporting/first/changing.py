"""What would change a verdict that is not a clean release."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from releasegate.decision import Decision, Finding
from releasegate.policy import Section
from releasegate.reporting.findings.finding import anchor
from releasegate.reporting.firstview import Change
from releasegate.reporting.wording.numbers import MOST_TEXT, sentence, shortened

REFUTED: Mapping[Section, str] = {
    "misuse": "Refuted: only a weaker model would be let out",
    "safeguards": "Refuted: only stronger protection would do",
    "removal": "Refuted: only a strip that takes out more would do",
    "keep": "Refuted: only a strip that spares more would do",
}
"""What a violated requirement leaves, by its section: more items of the same would not help."""
ELSEWHERE = "Does not count at this channel: enforce it in the weights, or publish where it counts."


def changes(decision: Decision) -> tuple[Change, ...]:
    """What stands between a verdict and a clean release, the nearest first: what more evidence may settle, then the rest,
    each with the shortest first. None where all may go out."""
    held = [f for c in decision.capabilities if c.verdict != "release" for f in c.findings]
    held += decision.strip.findings if decision.strip else ()
    found = {(f.requirement, _text(f)): f for f in held if not f.holds}
    told = [
        (f.status == "violated" or f.reason == "does_not_count", len(text), Change(anchor(f), requirement, text))
        for (requirement, text), f in found.items()
    ]
    told += [(False, len(change.text), change) for change in _awaited(decision)]
    return tuple(change for *_, change in sorted(told, key=lambda one: one[:2]))


def _text(f: Finding) -> str:
    if f.status == "violated":
        seen = f.settle.split(";", 1)[0] if f.settle else ""
        return f"{REFUTED[f.section]}{f' ({seen})' if seen else ''}."
    if f.reason == "does_not_count":
        return ELSEWHERE
    return shortened(sentence(f.settle or f.sentence), MOST_TEXT)


def _awaited(decision: Decision) -> Iterable[Change]:
    if decision.awaiting_strip:
        names = ", ".join(name.replace("_", " ") for name in decision.awaiting_strip)
        yield Change("", "", shortened(f"Strip {names}, and measure the stripped checkpoint.", MOST_TEXT))
