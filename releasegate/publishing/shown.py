"""What the public may read of a run: its decision and its report, without anything that samples hold.

In the lab's report, samples of a capability that is withheld are veiled, and a click lifts the veil. What goes out holds
none at all, whatever the policy lets the lab's report show: no text, picture or sound, and no reason of a failure, which may
quote a prompt or name a file of the machine that ran it.
"""

from __future__ import annotations

from dataclasses import replace

from releasegate.approval import Wanted
from releasegate.decision import Decision
from releasegate.decision.wording import worded
from releasegate.garbage import uncollected
from releasegate.plan import Plan
from releasegate.policy import Policy
from releasegate.reporting import gather, make_view, render_report, templates_of
from releasegate.reporting.views.pair import Pair
from releasegate.reporting.views.report import ReportView
from releasegate.reporting.wording.discreet import without_reasons
from releasegate.repository import GateRepository
from releasegate.repository.deciding_run import Decided

NONE_SHOWN = (
    "No sample is shown outside the lab: no text, picture or sound. The numbers that they came to are all here, and the "
    "attestations name the evidence by its digest."
)
DOES_NOT_LOAD = "its code did not load where it was measured"


def shown_decision(decision: Decision, policy: Policy) -> Decision:
    """The decision without the reasons of failures, in the words of `policy`: those of a run, anybody can edit who holds it.

    Where there are no reasons, and the words are the same, it is the decision itself.
    """
    return without_reasons(worded(decision, policy))


def shown_report(decided: Decided, repository: GateRepository, approvals: tuple[Wanted, ...] = ()) -> str:
    """The report of a run as one HTML document, without a sample.

    Args:
        repository: whose templates it is made with.
        approvals: every role that was asked to approve.

    Raises:
        EvidenceUntrusted: the evidence is not what the index says it was.
        DocumentError: a template of the gate repository does not render.
    """
    plan = _silent(decided.plan)
    with uncollected():
        gathered = gather(decided.run, plan, decided.decision, decided.evidence)
        view = make_view(decided.decision, plan, decided.receipt, gathered, decided.run.outputs, approvals)
        return render_report(_public(view, plan), templates_of(repository))


def _silent(plan: Plan) -> Plan:
    """The plan of a policy that lets no report show a sample; what it fixes and names is the same."""
    return plan.model_copy(update={"policy": plan.policy.model_copy(update={"samples": "unshown"})})


def _public(view: ReportView, plan: Plan) -> ReportView:
    measurements = tuple(
        replace(one, problem=DOES_NOT_LOAD) if one.problem else one for one in view.evidence.measurements
    )
    command = f"releasegate verify FOLDER --policy {plan.policy.id}.yaml"
    check = Pair("Verify the folder that this page came in, by the policy of whoever published it", command, code=True)
    samples = replace(view.samples, notes=(NONE_SHOWN,) if view.samples.notes else ())
    return replace(view, samples=samples, evidence=replace(view.evidence, measurements=measurements, commands=(check,)))
