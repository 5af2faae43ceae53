"""What a report can be written as: a page, a comment, data. One registry of kinds, and where each is written."""

from __future__ import annotations

from releasegate.reporting.formats.kinds import KINDS, Renderer
from releasegate.reporting.formats.outputs import Output, parse_outputs, write_outputs
from releasegate.reporting.formats.places import Taken, require_places
from releasegate.reporting.formats.rendered import Rendered

__all__ = [
    "KINDS",
    "Output",
    "Rendered",
    "Renderer",
    "Taken",
    "parse_outputs",
    "require_places",
    "write_outputs",
]
