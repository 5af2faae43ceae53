"""The closed vocabularies of a decision, as words for people. Every one of them is complete."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from releasegate.decision.record import Method, Reason, SliceStatus, Verdict
from releasegate.plan import SOURCE
from releasegate.policy import Artefact, Channel, Section
from releasegate.receipt import Tier


@dataclass(frozen=True)
class Mark:
    """A status or verdict as it is shown: never by colour alone.

    Attributes:
        tone: names its colour and its icon in the stylesheet and the templates.
        word: what it says.
    """

    tone: str
    word: str


VERDICT: Mapping[Verdict, Mark] = {
    "release": Mark("release", "Release"),
    "release_stripped": Mark("stripped", "Release the stripped checkpoint"),
    "restrict": Mark("restrict", "Restrict"),
    "withhold": Mark("withhold", "Withhold"),
    "incomplete": Mark("incomplete", "Incomplete"),
}
CAPABILITY: Mapping[Verdict, Mark] = {
    "release": Mark("release", "Released"),
    "release_stripped": Mark("stripped", "Stripped"),
    "restrict": Mark("restrict", "Restricted"),
    "withhold": Mark("withhold", "Withheld"),
    "incomplete": Mark("incomplete", "Incomplete"),
}
OUTCOME: Mapping[Verdict, str] = {
    "release": "Goes out with the model",
    "release_stripped": "Taken out of the checkpoint that is published",
    "restrict": "Goes out through a narrower channel only",
    "withhold": "Keeps the model in",
    "incomplete": "Cannot be decided yet",
}
STATUS: Mapping[SliceStatus, Mark] = {
    "met": Mark("met", "met"),
    "violated": Mark("violated", "violated"),
    "not_shown": Mark("not_shown", "not shown"),
    "waived": Mark("waived", "waived"),
    "excused": Mark("excused", "excused"),
}
REASON: Mapping[Reason, str] = {
    "unsettled": "unsettled",
    "want_of_evidence": "want of evidence",
    "does_not_count": "does not count here",
}
METHOD: Mapping[Method, str] = {
    "clopper_pearson": "exact binomial bounds (Clopper–Pearson), each one-sided",
    "paired_clopper_pearson": "difference over pairs, from exact binomial bounds of losses and of gains",
    "likelihood_ratio_e_process": "bounds that hold after every item, from a mixture of likelihood ratios",
    "betting": "bounds that hold after every item, from betting on the mean",
    "paired_betting": "bounds that hold after every pair, from betting on the difference",
    "clustered_betting": "bounds from betting on one mean a cluster, for clusters like these",
}
SIDE: Mapping[str, str] = {"at_most": "at most", "at_least": "at least", "margin": "worse by at most"}
SECTION: Mapping[Section, str] = {
    "misuse": "too weak to harm",
    "working": "shown to work",
    "safeguards": "protected well enough",
    "removal": "gone from the stripped checkpoint",
    "keep": "kept by the strip",
}
CHANNEL: Mapping[Channel, str] = {
    "open_weights": "open weights",
    "gated_weights": "gated weights",
    "api": "API only",
    "none": "none: nothing is published",
}
ARTEFACT: Mapping[Artefact, str] = {
    "weights": "Weights",
    "code": "Code",
    "data": "Data",
    "training_recipe": "Training recipe",
    "paper": "Paper",
    "demo": "Demo",
}
TIER: Mapping[Tier, tuple[str, str]] = {
    "interface_disabled": (
        "Interface disabled",
        "The weights still hold the capability; only the way to it was closed. Who has the weights can open it.",
    ),
    "named_weights_absent": (
        "Named weights absent",
        "The parts that the recipe names are no longer in the files. The recipe keeps by wide patterns, so that nobody "
        "checked whether other tensors carry the capability too.",
    ),
    "weights_absent": (
        "Weights absent",
        "The parts that carry the capability are no longer in the files. That it no longer works does not say what it would "
        "cost to bring it back.",
    ),
    "dear_to_restore": (
        "As dear to restore as never trained",
        "Bringing the capability back was measured, and costs about as much as training it into a model that never had it.",
    ),
}
CHEAP = (
    "Weights absent, cheap to restore",
    "The parts that carry the capability are no longer in the files. Where it was tried, half of it or more came back for at "
    "most half of the training that the model had.",
)
"""What is said in place of `weights_absent` where the recipe knows what it cost to bring the parts back."""


def checkpoint(name: str) -> str:
    """The name of a checkpoint as words.

    >>> checkpoint("source"), checkpoint("stripped:image_generation")
    ('as trained', 'after the strip')
    """
    if name == SOURCE:
        return "as trained"
    return "after the strip" if name.startswith("stripped:") else name


def argued(name: str) -> str:
    """What a route shows, as words.

    >>> argued("safeguards/watermark"), argued("strip")
    ('protected well enough (watermark)', 'taken out of the checkpoint')
    """
    head, _, rest = name.partition("/")
    words = {
        "misuse": SECTION["misuse"],
        "safeguards": SECTION["safeguards"],
        "strip": "taken out of the checkpoint",
    }
    return words.get(head, head) + (f" ({rest})" if rest else "")


def route(name: str | None) -> str:
    """How a capability is published, as words.

    >>> route("safeguards/watermark"), route(None)
    ('shown to be protected well enough (watermark)', 'none is open')
    """
    if name is None:
        return "none is open"
    shown = "shown to be " if name.partition("/")[0] in ("misuse", "safeguards") else ""
    return shown + argued(name)
