"""The decision on what lies in a run folder. Reads no model, and runs none."""

from __future__ import annotations

from datetime import date

from releasegate.decision import Decision, decide
from releasegate.errors import EvidenceUntrusted
from releasegate.plan import Plan
from releasegate.repository.gate_repository import GateRepository
from releasegate.repository.run_folder import RunFolder
from releasegate.repository.waivers import read_trust, read_waivers


def decide_run(run: RunFolder, repository: GateRepository | None, today: date) -> Decision:
    """The decision by the policy of the run's own plan.

    Args:
        repository: where waivers lie; without one there are none.
        today: the day of deciding.

    Raises:
        NotFound: there is no run here.
        EvidenceUntrusted: what is stored was changed, doubled or does not belong to the plan.
    """
    plan = run.read_plan()
    run.refuse_outputs(plan.policy)
    waivers = read_waivers(repository) if repository is not None else ()
    trust = read_trust(repository, plan.policy) if repository is not None and waivers else None
    return decide(plan.policy, plan, run.evidence.read(plan), run.receipt(), today, waivers, trust)


def read_decided(run: RunFolder, repository: GateRepository | None, today: date) -> tuple[Plan, Decision]:
    """The plan and the stored decision of a run; it is what the evidence decides today, or did when the attempt was opened.

    Args:
        repository: where waivers lie; without one there are none.

    Raises:
        NotFound: there is no run here, or no decision yet.
        EvidenceUntrusted: what is stored was changed, or something else was decided.
    """
    plan, decision = run.read_plan(), run.read_decision()
    days = {date.fromisoformat(plan.opened), today}
    if decision not in [decide_run(run, repository, day) for day in sorted(days)]:
        what = "is not what the evidence, the policy and the waivers decide"
        raise EvidenceUntrusted(str(run.decision_path), what, "run `releasegate decide` again")
    return plan, decision
