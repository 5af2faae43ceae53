"""Measuring: loads harnesses and subjects, draws items, stores samples. A harness never decides."""

from releasegate.evaluation.measuring import Bench, Progress, Target, measure, torch_device
from releasegate.evaluation.opening import open_subject, require_answers
from releasegate.evaluation.planning import drawn_items, eval_code, part_cells, require_material
from releasegate.evaluation.tools import Tools

__all__ = [
    "Bench",
    "Progress",
    "Target",
    "Tools",
    "drawn_items",
    "eval_code",
    "measure",
    "open_subject",
    "part_cells",
    "require_answers",
    "require_material",
    "torch_device",
]
