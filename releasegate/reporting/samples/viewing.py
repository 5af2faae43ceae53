"""Everything that a page shows of the samples of a run."""

from __future__ import annotations

from pathlib import Path

from releasegate.decision import Decision
from releasegate.plan import Plan
from releasegate.reporting.gathered.gathering import Gathered
from releasegate.reporting.outputs.purse import Purse
from releasegate.reporting.samples.playing import listening
from releasegate.reporting.samples.showing import galleries
from releasegate.reporting.samples.veiling import Veil
from releasegate.reporting.views.samples import SamplesView

HASHED = "The policy lets no text and no output be kept: of each, the sha256 and the length stand here."
UNSHOWN = (
    "The policy lets no report show any sample: texts, pictures, sounds and scores over time are in the run folder alone. "
    "The numbers that they came to are all here."
)


def samples_view(
    gathered: Gathered, plan: Plan, decision: Decision, outputs: Path, purse: Purse | None = None
) -> SamplesView:
    """The samples that a page shows; of a policy that forbids it, the sentence that says so.

    Args:
        outputs: the folder of the run's outputs.
        purse: what samples may take of the page.
    """
    if not plan.policy.shows_samples:
        return SamplesView(notes=(UNSHOWN,) if gathered.groups else ())
    purse = purse or Purse()
    heard = listening(gathered, plan, decision, outputs, purse)
    return SamplesView(
        galleries=galleries(gathered, plan, Veil(plan, decision), outputs, purse),
        listening=heard,
        notes=(HASHED,) if plan.policy.hashes_samples else (),
    )
