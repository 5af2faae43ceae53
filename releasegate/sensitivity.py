"""Which texts may be read in passing, which may be kept, and whether a policy has settled that. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from releasegate.discretion import is_hashed, says_nothing
from releasegate.evalcard import EvalCard
from releasegate.figures import TimelineFigure
from releasegate.policy import Policy

if TYPE_CHECKING:
    from releasegate.evidence import Failed, Measured  # with numpy, which who only checks a policy does without


def is_discreet(card: EvalCard, policy: Policy) -> bool:
    """Whether nothing may be said of prompts and answers: they are sensitive, or the policy lets none be kept or shown."""
    return card.sensitive is not None or policy.hashes_samples or not policy.shows_samples


def text_in(sample: Measured | Failed) -> str | None:
    """What a sample holds that is neither a number nor a digest, in words that do not quote it; None if there is nothing."""
    if sample.outcome == "failed":
        return None if says_nothing(sample.error) else "a text as the reason of a failure"
    text = next((name for name, value in sample.detail.items() if not is_hashed(value)), None)
    output = next(iter(sample.outputs), None)
    if text is not None:
        return f"the text {text!r}"
    return None if output is None else f"the output {output!r}"


def unsettled(policy: Policy, cards: Mapping[str, EvalCard]) -> list[str]:
    """Sentences about samples: what a policy leaves open that it should state, and what it does away with unawares."""
    named = {r.eval: cards[r.eval] for r in policy.requirements if r.eval in cards}
    found = []
    sensitive = [f"{name} ({card.sensitive})" for name, card in sorted(named.items()) if card.sensitive is not None]
    if sensitive and policy.samples is None:
        found.append(
            f"samples: prompts and answers of {', '.join(sensitive)} stay in the run folder, which is often stored or "
            "published whole; say `samples: hashed`, or `samples: kept` if that is meant"
        )
    drawn = [n for n, c in sorted(named.items()) if any(isinstance(f, TimelineFigure) for f in c.figures or ())]
    if drawn and (policy.hashes_samples or not policy.shows_samples):
        found.append(f"samples: {policy.samples} leaves nothing for the timelines of {', '.join(drawn)} to show")
    return found
