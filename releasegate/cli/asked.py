"""The artefacts that a command is asked about."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches

from releasegate.errors import NotFound
from releasegate.policy import Policy


def refuse_unlisted(policy: Policy, artefacts: Sequence[str]) -> None:
    """Nothing, if the policy lists every one of `artefacts`.

    Raises:
        NotFound: it does not.
    """
    listed = list(policy.release.channels)
    for name in artefacts:
        if name not in listed:
            near = get_close_matches(name, listed, n=1)
            fix = f"did you mean `{near[0]}`?" if near else f"use one of {', '.join(listed)}"
            raise NotFound("--artefact", f"policy {policy.id} lists no artefact {name!r}", fix)
