"""What a command is asked about, and in which forms it is to answer."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from releasegate.errors import NotFound, nearest
from releasegate.plan import Plan
from releasegate.policy import Policy
from releasegate.repository import GateRepository

if TYPE_CHECKING:
    from releasegate.reporting.formats import Output


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


def with_printed(outputs: Sequence[Output], format_: str) -> tuple[Output, ...]:
    """The outputs, and what `--format` asks for on standard output; the text is made by the command itself."""
    if format_ == "text":
        return tuple(outputs)
    from releasegate.reporting.formats import Output

    return (*outputs, Output(format_, None))


def written(outputs: Sequence[Output]) -> dict[str, Path]:
    """Where the files lie that were asked for, by kind. A copy of the decision is called so: the run has the first."""
    names = {"decision": "copy"}
    return {names.get(output.kind, output.kind): output.path for output in outputs if output.path is not None}


def policy_file(repository: GateRepository | None, plan: Plan) -> Path | None:
    """Where the policy of a plan lies in a gate repository, if there is one at hand."""
    return None if repository is None else repository.policy_path(plan.policy.id)
