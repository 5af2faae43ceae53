"""What a hub calls a repository of a model, as it is given at the command line: `hub:org/name`."""

from __future__ import annotations

import re
from dataclasses import dataclass

from releasegate.errors import UsageError

SCHEME = "hub:"
_PART = re.compile(r"[A-Za-z0-9]([A-Za-z0-9_.-]*[A-Za-z0-9_])?")
_LONGEST = 96
"""Characters of `org/name`: the rule of the Hugging Face hub."""


@dataclass(frozen=True, slots=True)
class HubRepository:
    """One repository of a hub."""

    organisation: str
    name: str

    def __str__(self) -> str:
        return f"{SCHEME}{self.id}"

    @property
    def id(self) -> str:
        """`org/name`.

        >>> HubRepository("lab", "model").id
        'lab/model'
        """
        return f"{self.organisation}/{self.name}"


def parse_hub_repository(text: str) -> HubRepository:
    """The repository that `hub:org/name` names: never an address, a path, or a data set.

    Raises:
        UsageError: it is anything else, or a name that a hub does not give.

    >>> parse_hub_repository("hub:lab/model-7b.v2")
    HubRepository(organisation='lab', name='model-7b.v2')
    """
    parts = text.removeprefix(SCHEME).split("/") if text.startswith(SCHEME) else []
    rest = "/".join(parts)
    named = len(parts) == 2 and len(rest) <= _LONGEST and all(_PART.fullmatch(part) for part in parts)
    if not named or "--" in rest or ".." in rest or rest.lower().endswith(".git"):
        raise UsageError(
            "--push",
            f"must name a repository of a hub as hub:org/name; got {text[:200]!r}",
            "give hub:, an organisation and one name, of letters, digits and - _ . ; "
            "no address, no `..` or `--`, none that begins or ends with a sign",
        )
    return HubRepository(parts[0], parts[1])
