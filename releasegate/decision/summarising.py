"""The verdict in a sentence: of each artefact, and of the release."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from releasegate.decision.artefacts import NAMES, Carried, Standing
from releasegate.decision.record import Verdict
from releasegate.policy import Policy

_RELEASES: Mapping[Verdict, str] = {
    "release": "The model may be published as it is.",
    "release_stripped": "The model may be published without {0}.",
    "restrict": "The model may be published through a narrower channel only, because of {0}.",
    "withhold": "The model may not be published, because of {0}.",
    "incomplete": "Nothing can be published yet: evidence is wanting on {0}.",
}
_ARTEFACTS: Mapping[Verdict, str] = {
    "release": "{1} may be published unchanged.",
    "release_stripped": "{1} may be published without {0}.",
    "restrict": "{1} may be published through channel {2} only, because of {0}.",
    "withhold": "{1} may not be published, because of {0}.",
    "incomplete": "{1} may not be published yet: evidence is wanting on {0}.",
}


def summary(policy: Policy, standings: list[Standing]) -> str:
    """What may be published: about the model where the policy names a channel alone, else artefact by artefact."""
    if policy.release.artefacts is None:
        return " ".join(_sentence(_RELEASES, standing) for standing in standings)
    return " ".join(artefact_sentence(standing) for standing in standings)


def artefact_sentence(standing: Standing) -> str:
    """What becomes of one artefact."""
    if not standing.carried:
        return f"{_name(standing)} may be published: nothing that is judged goes out with it."
    return _sentence(_ARTEFACTS, standing)


def _sentence(texts: Mapping[Verdict, str], standing: Standing) -> str:
    verdict = standing.verdict
    because = (c for c in standing.carried if c.verdict == verdict)
    text = texts[verdict].format(_names(because), _name(standing), standing.granted)
    stripped = [c for c in standing.carried if c.verdict == "release_stripped"]
    if verdict == "restrict" and stripped:
        text += f" Only without {_names(stripped)}."
    withheld = [c for c in standing.carried if c.verdict == "withhold"]
    if verdict == "incomplete" and withheld:
        text += f" Withheld in any case: {_names(withheld)}."
    return text


def _name(standing: Standing) -> str:
    return NAMES[standing.artefact].capitalize()


def _names(carried: Iterable[Carried]) -> str:
    return ", ".join(c.capability.id.replace("_", " ") for c in carried)
