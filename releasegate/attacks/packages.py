"""Packages that some attacks need and the rest does not: imported when first used."""

from __future__ import annotations

import warnings
from importlib import import_module
from types import ModuleType

from releasegate.errors import NotFound


def package(name: str) -> ModuleType:
    """The package `name`, imported.

    What it warns of while it is imported is not ours to mend, and is left out.

    Raises:
        NotFound: it is not installed, or something that it needs is not.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return import_module(name)
    except ModuleNotFoundError as error:
        raise NotFound(
            f"package {name}",
            f"{error.name} is not installed, and this attack needs it",
            "pip install 'releasegate[audio]'",
        ) from error
