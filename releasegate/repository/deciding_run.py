"""The decision on what lies in a run folder. Reads no model, and runs none."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from releasegate.decision import Decision, decide
from releasegate.errors import EvidenceUntrusted
from releasegate.evidence import Evidence
from releasegate.plan import Plan
from releasegate.receipt import Receipt
from releasegate.repository.gate_repository import GateRepository
from releasegate.repository.run_entries import refuse_foreign
from releasegate.repository.run_folder import RunFolder
from releasegate.repository.waivers import read_trust, read_waivers
from releasegate.trust import Trust
from releasegate.waiver import Waiver


@dataclass(frozen=True)
class _Grounds:
    """Everything that a decision rests on, but for its day: read once, it decides for any."""

    plan: Plan
    evidence: Evidence
    receipt: Receipt | None
    waivers: tuple[Waiver, ...]
    trust: Trust | None

    def on(self, day: date) -> Decision:
        """The decision of a day."""
        policy = self.plan.decided_policy
        return decide(policy, self.plan, self.evidence, self.receipt, day, self.waivers, self.trust)


@dataclass(frozen=True)
class Decided:
    """A run with its stored decision, which is what it decides, and all that the decision was made from."""

    run: RunFolder
    plan: Plan
    decision: Decision
    evidence: Evidence
    receipt: Receipt | None


def decide_run(run: RunFolder, repository: GateRepository | None, today: date) -> Decision:
    """The decision by the policy of the run's own plan.

    Args:
        repository: where waivers lie; without one there are none.
        today: the day of deciding.

    Raises:
        NotFound: there is no run here.
        EvidenceUntrusted: what is stored was changed, doubled or does not belong to the plan.
    """
    return _grounds(run, run.read_plan(), repository).on(today)


def require_same_policy(repository: GateRepository, plan: Plan) -> None:
    """Nothing, if the policy of a plan is, word for word, the one that the repository holds under its id.

    What the ledger remembers of a plan leaves out what no verdict rests on, such as titles, and who may sign.

    Raises:
        NotFound: it holds none.
        EvidenceUntrusted: it holds another one.
    """
    path = repository.policy_path(plan.policy.id)
    if repository.read_policy(path).record != plan.policy or plan.wording is not None:
        what = "is not the policy that the run was opened under"
        fix = "judge from the commit that it was opened from, which run.log names"
        raise EvidenceUntrusted(repository.shown(path), what, fix)


def read_decided(run: RunFolder, repository: GateRepository | None, today: date, *, still: bool = False) -> Decided:
    """The stored decision with its grounds, if it is that of the day that the run was opened, or else that of today.

    Args:
        repository: where waivers lie; without one there are none.
        still: whether it must be that of today: no waiver that it rests on ran out, and no evidence grew too old.

    Raises:
        NotFound: there is no run here, or no decision.
        EvidenceUntrusted: what is stored was changed, doubled or does not belong to the plan, or decides otherwise.
    """
    plan, decision = run.read_plan(), run.read_decision()  # no run, or no decision yet: said before anything is read
    grounds = _grounds(run, plan, repository)
    days = {today} if still else {date.fromisoformat(plan.opened), today}
    if all(grounds.on(day) != decision for day in sorted(days)):
        what = f"is not what the evidence, the policy and the waivers decide{' today' if still else ''}"
        raise EvidenceUntrusted(str(run.decision_path), what, "run `releasegate decide` again")
    return Decided(run, plan, decision, grounds.evidence, grounds.receipt)


def decided_today(run: RunFolder, repository: GateRepository | None, today: date) -> Decided | None:
    """The stored decision with its grounds, if it is that of today; None if the grounds decide otherwise by now.

    Raises:
        NotFound: as for `read_decided`.
        EvidenceUntrusted: what is stored was changed, doubled or does not belong to the plan.
    """
    plan, decision = run.read_plan(), run.read_decision()
    grounds = _grounds(run, plan, repository)
    if grounds.on(today) != decision:
        return None
    return Decided(run, plan, decision, grounds.evidence, grounds.receipt)


def _grounds(run: RunFolder, plan: Plan, repository: GateRepository | None) -> _Grounds:
    refuse_foreign(run.root)
    run.refuse_outputs(plan.policy)
    waivers = read_waivers(repository) if repository is not None else ()
    trust = read_trust(repository, plan.policy) if repository is not None and waivers else None
    return _Grounds(plan, run.evidence.read(plan), run.receipt(), waivers, trust)
