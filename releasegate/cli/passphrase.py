"""The passphrase of a private key. It comes from the environment: an option would stand in the shell's history."""

from __future__ import annotations

import os

from releasegate.errors import UsageError

VARIABLE = "RELEASEGATE_KEY_PASSPHRASE"


def passphrase() -> str | None:
    """The passphrase, if the environment has one.

    Raises:
        UsageError: the variable is there and empty, which is more likely a secret that is missing than a wish.
    """
    given = os.environ.get(VARIABLE)
    if given == "":
        raise UsageError(VARIABLE, "is empty", "write the passphrase into it, or unset it")
    return given
