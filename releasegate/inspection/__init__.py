"""Looking at a checkpoint in whatever state it is. Nothing is loaded, and nothing that is malformed ends the look."""

from releasegate.inspection.inspecting import inspect_checkpoint
from releasegate.inspection.record import Component, FileFound, Finding, Inspection, RecipeFit, Totals

__all__ = ["Component", "FileFound", "Finding", "Inspection", "RecipeFit", "Totals", "inspect_checkpoint"]
