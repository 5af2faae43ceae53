"""The assurance case of a decision: claim, argument and evidence, as a graph that readers of safety cases know."""

from __future__ import annotations

from releasegate.reporting.case.arguing import assurance_case
from releasegate.reporting.case.record import AssuranceCase

__all__ = ["AssuranceCase", "assurance_case"]
