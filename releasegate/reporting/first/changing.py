"""What would change a verdict that is not a clean release."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from releasegate.decision import Decision, Finding
from releasegate.policy import Section
from releasegate.reporting.findings.distances import worst_first
from releasegate.reporting.findings.finding import anchor
from releasegate.reporting.views.first import Change
from releasegate.reporting.wording.numbers import MOST_TEXT, beside, sentence, shortened

BETTER: Mapping[Section, str] = {
    "misuse": "a weaker model",
    "working": "a model that works",
    "safeguards": "stronger protection",
    "removal": "a strip that takes out more",
    "keep": "a strip that spares more",
}
"""What would help where more items of the same would not, by the section of a requirement."""
_HOPELESS = re.compile(r"(?P<seen>\d+ (?:hits|misses) in \d+); no number of items would show [^ ]+ at that rate")
"""What `releasegate.decision.explaining` says where the rate lies on the wrong side of what is tested."""
MOST_NAMED = 5
"""Requirements named of which the same is said."""
ELSEWHERE = "Does not count at this channel: enforce it in the weights, or publish where it counts."


def changes(decision: Decision) -> tuple[Change, ...]:
    """What stands between a verdict and a clean release, the nearest first: what more evidence may settle, then the rest,
    each with the shortest first; findings of which the same is said together. None where all may go out."""
    held = [f for c in decision.capabilities if c.verdict != "release" for f in c.telling]
    held += decision.stripped_findings
    found: dict[tuple[bool, str], dict[str, str]] = {(False, text): {} for text in _awaited(decision)}
    closed = dict.fromkeys(one for c in decision.capabilities if c.verdict != "release" for one in c.closed or ())
    found |= {(False, shortened(sentence(f"{one.sentence}; {one.remedy}"), MOST_TEXT)): {} for one in closed}
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
        return f"Refuted ({_seen(f)}): only {_better(f)} would do."
    if f.reason == "does_not_count":
        return ELSEWHERE
    if found := _HOPELESS.fullmatch(f.settle or ""):
        return f"At that rate, {found['seen']}, no number of items would do; {_remedy(f)} would."
    return shortened(sentence(f.settle or f.sentence), MOST_TEXT)


def _remedy(f: Finding) -> str:
    """What is left where the rate lies beyond what is tested: where it keeps the limit itself, the judge may be at fault."""
    worst = worst_first(f, f.slices)[0].estimate.value
    kept = worst is not None and (worst < f.limit if f.side == "at_most" else worst > f.limit)
    return f"{_better(f)}, or a judge that errs less" if kept else _better(f)


def _better(f: Finding) -> str:
    """What would help: of a tripwire, a sign of the capability, no better model does."""
    return "a model without the capability" if f.tripwire is not None else BETTER[f.section]


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
