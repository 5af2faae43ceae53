"""releasegate: decide from measurements whether a model may be published, and export what may.

In a notebook, `releasegate.Run.open("runs/mini-chameleon")` gives a run as pandas frames.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from releasegate.notebook import Run as Run

__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    if name == "Run":  # on demand: the command line starts without pandas
        from releasegate.notebook import Run

        return Run
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
