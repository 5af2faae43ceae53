"""releasegate: decide from measurements whether a model may be published, and export what may.

In a notebook, `releasegate.Run.open("runs/mini-chameleon")` gives a run as pandas frames.
"""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    if name == "Run":  # on demand: the command line needs none of what it needs
        return import_module("releasegate.notebook").Run
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
