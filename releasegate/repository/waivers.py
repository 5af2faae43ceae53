"""The waivers of a gate repository: where they lie, and reading them."""

from __future__ import annotations

from pathlib import Path

from releasegate.documents import parse_document
from releasegate.errors import DocumentError, Problem
from releasegate.policy import Policy
from releasegate.records import refuse_duplicate_keys
from releasegate.repository.gate_repository import GateRepository
from releasegate.repository.signed_files import Form, read_regular
from releasegate.trust import Trust, still
from releasegate.waiver import Waiver

FORM = Form(
    "a waiver",
    "sign one with `releasegate waive`",
    "restore it, or sign a new one with `releasegate waive`",
    64 << 10,
)


def waivers_folder(repository: GateRepository) -> Path:
    """`policies/waivers/`, which need not exist."""
    return repository.root / "policies" / "waivers"


def read_waivers(repository: GateRepository) -> tuple[Waiver, ...]:
    """Every waiver of the repository, by file name; none if there is no folder. Whether one counts is not asked here.

    Raises:
        DocumentError: everything that is wrong, in all files: a waiver that cannot be read is never passed over.
    """
    folder = waivers_folder(repository)
    if folder.is_symlink():
        raise DocumentError(
            [Problem(repository.shown(folder.parent) + "/waivers", "is a symlink", "put a folder there")]
        )
    found: list[Waiver] = []
    problems: list[Problem] = []
    for path in sorted(folder.glob("*.json")):
        try:
            found.append(read_waiver(path, f"policies/waivers/{path.name}"))
        except DocumentError as error:
            problems += error.problems
    if problems:
        raise DocumentError(problems)
    return tuple(found)


def read_waiver(path: Path, shown: str) -> Waiver:
    """The waiver in one file.

    Args:
        shown: how messages name it.

    Raises:
        DocumentError: it is no regular file of strict JSON that holds a waiver of a known version under its own name.
    """
    located = parse_document(Waiver, _strict_json(path, shown), shown)
    if located.record.id != path.stem:
        what = f"the file is named {path.name}"
        raise DocumentError([located.problem(("id",), what, f"rename the file to {located.record.id}.json")])
    return located.record


def _strict_json(path: Path, shown: str) -> bytes:
    data = read_regular(path, shown, FORM)
    try:
        refuse_duplicate_keys(data)
    except ValueError as error:
        raise DocumentError([Problem(shown, f"is not JSON as releasegate writes it: {error}", FORM.restore)]) from None
    return data


def read_trust(repository: GateRepository, fixed: Policy) -> Trust | None:
    """The keys that count for a run under the policy `fixed`: those that it lists, and that the repository lists still.

    Args:
        fixed: the policy of the run's plan. Its file in the repository is `policies/<id>.yaml`.

    Raises:
        DocumentError: the file in the repository is no policy.
    """
    policy = repository.policy_today(fixed.id) if fixed.trust is not None else None
    return still(fixed.trust, policy.trust) if policy is not None else None
