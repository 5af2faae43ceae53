"""Measuring: loads harnesses and subjects, draws items, stores samples. A harness never decides.

What is named here is imported when it is asked for: a harness that needs no torch loads without it.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from releasegate.evaluation.material import missing_material, require_material, require_reader
    from releasegate.evaluation.measuring import Bench, Progress, Target, measure, torch_device
    from releasegate.evaluation.opening import open_subject, require_answers
    from releasegate.evaluation.planning import drawn_items, eval_code, part_cells
    from releasegate.evaluation.prompts import missing_reader
    from releasegate.evaluation.tools import Tools

__all__ = [
    "Bench",
    "Progress",
    "Target",
    "Tools",
    "drawn_items",
    "eval_code",
    "measure",
    "missing_material",
    "missing_reader",
    "open_subject",
    "part_cells",
    "require_answers",
    "require_material",
    "require_reader",
    "torch_device",
]

_MODULES = {
    "material": ("missing_material", "require_material", "require_reader"),
    "measuring": ("Bench", "Progress", "Target", "measure", "torch_device"),
    "opening": ("open_subject", "require_answers"),
    "prompts": ("missing_reader",),
    "planning": ("drawn_items", "eval_code", "part_cells"),
    "tools": ("Tools",),
}


def __getattr__(name: str) -> Any:
    for module, names in _MODULES.items():
        if name in names:
            return getattr(import_module(f"{__name__}.{module}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
