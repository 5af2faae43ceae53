"""The packages that measures of quality need and the rest does not: imported when first used."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from releasegate.errors import NotFound


def measure_package(name: str) -> Any:
    """The package `name`, imported.

    Raises:
        NotFound: it is not installed, or something that it needs is not.
    """
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        what = f"{error.name} is not installed, and this measure of quality needs it"
        raise NotFound(f"package {name}", what, "pip install 'releasegate[audio]'") from error
