"""Two decisions, and of runs their samples, as a comparison shows them: by the stricter rule of the two."""

from __future__ import annotations

from dataclasses import replace

from releasegate.reporting.comparing.compared import Compared
from releasegate.reporting.comparing.decisions import decision_comparison
from releasegate.reporting.comparing.samples import FILE, ComparedSamples, compared_samples
from releasegate.reporting.comparing.views import DecisionComparison
from releasegate.reporting.gathered.gathering import gather
from releasegate.reporting.wording.discreet import without_reasons


def compare_decisions(before: Compared, after: Compared) -> DecisionComparison:
    """The page of two decisions.

    Where one of them forbids that samples are shown, or nobody knows, no reason of a failure of either is told.

    Raises:
        EvidenceUntrusted: the evidence of a run is not what its index says it was.
    """
    samples = ComparedSamples(None, FILE)
    if before.run is not None and after.run is not None:
        one, other = (gather(of.run, of.plan, of.decision, of.evidence) for of in (before.run, after.run))
        samples = compared_samples((before.run, after.run), (one, other))
        before, after = replace(before, gathered=one), replace(after, gathered=other)
    if not (before.shows_samples and after.shows_samples):
        before, after = (replace(side, decision=without_reasons(side.decision)) for side in (before, after))
    return decision_comparison(before, after, samples)
