"""Taking a capability out of a checkpoint: plan what goes, write what stays, prove both.

plan_strip      a checkpoint and recipes to a plan; every tensor and file accounted for
require_place   whether a strip may be written to a place
outline         a plan in numbers, before anything is written
room_for        the bytes on the disk that a plan needs
write_strip     a plan to a folder and its receipt
verify_strip    a folder against its receipt, with or without the source
verify_receipt  what a receipt tells, against the source
"""

from releasegate.stripping.planning.plan import StripPlan, plan_strip
from releasegate.stripping.verifying.verify import verify_receipt, verify_strip
from releasegate.stripping.writing.outline import Outline, outline
from releasegate.stripping.writing.room import room_for
from releasegate.stripping.writing.target import require_place
from releasegate.stripping.writing.write import write_strip

__all__ = [
    "Outline",
    "StripPlan",
    "outline",
    "plan_strip",
    "require_place",
    "room_for",
    "verify_receipt",
    "verify_strip",
    "write_strip",
]
