"""The artefacts that a command is asked about."""

from __future__ import annotations

from collections.abc import Sequence

from releasegate.errors import NotFound, nearest
from releasegate.policy import Policy


def refuse_unlisted(policy: Policy, artefacts: Sequence[str]) -> None:
    """Nothing, if the policy lists every one of `artefacts`.

    Raises:
        NotFound: it does not.
    """
    listed = list(policy.release.channels)
    for name in artefacts:
        if name not in listed:
            fix = nearest(name, listed, "list one")
            raise NotFound("--artefact", f"policy {policy.id} lists no artefact {name!r}", fix)
