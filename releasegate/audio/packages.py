"""Packages that some attacks and measures of quality need and the rest does not: imported when first used."""

from __future__ import annotations

import warnings
from importlib import import_module
from typing import Any

from releasegate.errors import NotFound

MEASURE = "this measure of quality"


def package(name: str, needed_by: str = "this attack") -> Any:
    """The package `name`, imported.

    What it warns of while it is imported is not ours to mend, and is left out.

    Args:
        needed_by: who needs it, for the message.

    Raises:
        NotFound: it is not installed, or something that it needs is not.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return import_module(name)
    except ModuleNotFoundError as error:
        what = f"{error.name} is not installed, and {needed_by} needs it"
        raise NotFound(f"package {name}", what, "pip install 'releasegate[audio]'") from error
