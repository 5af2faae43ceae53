"""A run that is finished already: its decision again, without a model, a harness or a line in the ledger.

What a plan holds is compared with what the gate repository and the checkpoint hold now: files are read, and no code is
loaded. What only the code could say (how many items of which label) follows from the digests of the code, and is taken
from the plan, whose own digest the ledger knows.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from releasegate.call import Call
from releasegate.checkpoint import Checkpoint, open_checkpoint, read_chat_template
from releasegate.checkpoint.planned import planned_model
from releasegate.decision import Decision
from releasegate.errors import EvidenceUntrusted
from releasegate.inspection.doubting import doubts_of
from releasegate.ledger import LedgerView
from releasegate.plan import EvalCode, Plan, SubjectRef, make_plan
from releasegate.policy import Policy
from releasegate.repository import Decided, GateRepository, LedgerFile, RunFolder, family_ledger, known_attempt
from releasegate.repository.approvals import approvals_of
from releasegate.repository.attempts import closing_of, is_complete, require_schedule
from releasegate.repository.carrying import require_extension
from releasegate.repository.deciding_run import decided_today
from releasegate.repository.lock_file import require_locked
from releasegate.repository.run_entries import refuse_foreign
from releasegate.repository.subject_code import known_subject, subject_code
from releasegate.subjects import SUBJECTS


class Reading(Protocol):
    """Shows how far the reading of a folder is."""

    def reading(self, folder: Path, title: str = "read") -> AbstractContextManager[Callable[[int], None]]:
        """A step over the bytes of a folder."""


def finished(call: Call, progress: Reading) -> Decision | None:
    """The decision of a run that has everything, and whose plan would be the same today; None where a gate has work to do.

    The model is hashed, the evidence is read and decided on, and the ledger must say that the attempt ended like this.
    Nothing is written but a report that is missing or asked for, or that tells of titles which are others by now.

    Raises:
        ReleaseGateError: something cannot be trusted, or is not what the run was opened with.
    """
    run = RunFolder(call.run)
    if not run.plan_path.exists() or not run.decision_path.exists():
        return None
    repository = GateRepository.around(call.policy)
    require_locked(repository, call.policy)
    policy = repository.read_policy(call.policy).record
    ledger = family_ledger(repository, policy, call.ledger)
    run.require_place(call.model)
    _require_places(call, run, repository, ledger)
    with run.locked():
        if call.extends is not None:
            require_extension(run, RunFolder(call.extends), call.items or 0)
        refuse_foreign(run.root, closed=call.judged_by is not None)
        stored, view = run.read_plan(half_opened=True), ledger.read(policy.family, call.anchor)
        if not _has_ended(run, stored, view):
            return None
        require_schedule(view, policy, stored.attempt)
        with progress.reading(call.model) as watch:
            checkpoint = open_checkpoint(call.model, watch, runs=policy.model.runs)
        run.refuse_other_plan(stored, plan_again(call, stored, repository, policy, checkpoint))
        decided = _decided(call, run, repository, stored, view)
        if decided is not None:
            _require_told(decided, repository, checkpoint)
            _write(call, decided, repository, policy)
    return decided.decision if decided is not None else None


def _has_ended(run: RunFolder, plan: Plan, view: LedgerView) -> bool:
    """Whether the ledger knows the stored decision; of a rehearsal, whether all is measured. Looked at before anything large."""
    decision = run.read_decision()
    if not plan.is_open or plan.rehearsal:
        return plan.is_open and is_complete(run, plan, decision)
    known = (*view.attempts, *view.extensions)
    return decision.digest() in {attempt.closed.decision for attempt in known if attempt.closed is not None}


def plan_again(call: Call, stored: Plan, repository: GateRepository, policy: Policy, checkpoint: Checkpoint) -> Plan:
    """The plan that would be made now, without a nonce, for the attempt and the day of the stored one.

    Raises:
        NotFound: an eval, a recipe or the subject is not there any more.
    """
    template, declared = read_chat_template(checkpoint), checkpoint.config.get("deterministic") is True
    evals = {}
    controlled = stored.controlled is not None
    for name in sorted(repository.evals_of(policy) if controlled else {r.eval for r in policy.requirements}):
        folder = repository.read_eval(name)
        before = {m.role: m for m in stored.measurements if m.eval == name}
        first = next(iter(before.values()), None)
        known = first.subject if first else None
        subject = _subject(repository, policy.model.subject, call.dtype, known, declared=declared)
        subject = subject.model_copy(update={"chat_template": template})
        cells, problem = {role: m.cells for role, m in before.items()}, first.problem if first else None
        evals[name] = EvalCode(folder.card, folder.harness, folder.instruments, subject, cells, problem)
    recipes = {str(c.recipe): repository.recipe(str(c.recipe)).digest() for c in policy.capabilities if c.recipe}
    model = planned_model(checkpoint)
    doubts = doubts_of(checkpoint, policy) if controlled else ()
    plan = make_plan(
        policy,
        evals,
        recipes,
        model,
        stored.opened,
        stored.attempt,
        spending=stored.spends,
        rehearsal=call.rehearsal,
        controlled=controlled,
        doubts=doubts,
        own_items=controlled,
        for_power=stored.for_power if call.for_power is None else call.for_power,
    )
    return plan.extended_as(stored)


def _subject(
    repository: GateRepository, name: str, dtype: str, before: SubjectRef | None, *, declared: bool
) -> SubjectRef:
    """The subject as a measurement names it. Whether the repository's own is deterministic, its code alone could say."""
    code = str(subject_code(repository, name))
    if name in SUBJECTS:
        return known_subject(name, code, dtype, declared=declared)
    return SubjectRef(id=name, code=code, dtype=dtype, deterministic=before is not None and before.deterministic)


def _decided(call: Call, run: RunFolder, repository: GateRepository, stored: Plan, view: LedgerView) -> Decided | None:
    """The run with its decision, if the ledger says that it ended so, and its evidence decides so today."""
    known = None if stored.rehearsal else known_attempt(view, stored)
    decided = decided_today(run, repository, call.today)
    if decided is None or (known is not None and known.closed != closing_of(known, stored, decided.decision)):
        return None
    if decided.receipt is not None and decided.receipt.rehearsal and not stored.rehearsal:
        raise EvidenceUntrusted(str(run.stripped), "was made in a rehearsal", "remove it, and resume")
    return decided


def _require_told(decided: Decided, repository: GateRepository, source: Checkpoint) -> None:
    """Nothing, if the receipt of a strip, of which the decision holds the outcome alone, tells of what its recipes do.

    Raises:
        EvidenceUntrusted: it tells of something else.
        VerifyError: it does not tell what became of the source.
    """
    receipt, plan, stripped = decided.receipt, decided.plan, decided.run.stripped
    if receipt is None:
        return
    from releasegate.stripping import plan_strip, verify_receipt

    planned = next((strip for strip in plan.strips if strip.model == receipt.planned), None)
    if planned is None:
        raise EvidenceUntrusted(str(stripped), "is not a strip of the plan", "remove it, and resume")
    verify_receipt(stripped, receipt, source)
    if not plan_strip(source, [repository.recipe(ref.id) for ref in planned.recipes]).made(receipt):
        what = "has a receipt of something else than its recipes do"
        raise EvidenceUntrusted(str(stripped), what, "remove it, and resume")


def _require_places(call: Call, run: RunFolder, repository: GateRepository, ledger: LedgerFile) -> None:
    if call.outputs:
        from releasegate.reporting.formats import Taken, require_places

        require_places(call.outputs, Taken(run, repository, (call.model,), (call.policy, ledger.path)))


def _write(call: Call, decided: Decided, repository: GateRepository, policy: Policy) -> None:
    """Nothing; report and plan are in the words of `policy`, and the outputs that were asked for are there.

    A report that tells of other titles or approvals than there are by now is rendered again.
    """
    from releasegate.reporting.standing import mark_of, stands

    run, plan, decision = decided.run, decided.plan.reworded(policy), decided.decision
    wanted = approvals_of(run, plan, repository, decision, call.today)
    standing = plan is decided.plan and stands(run.report_path, mark_of(decision, plan, wanted))
    if standing and not call.outputs:
        return
    from releasegate.reporting.formats import Output, Rendered, write_outputs
    from releasegate.reporting.templating import templates_of

    page = () if standing else (Output("html", run.report_path),)
    told_at, templates = call.told_at or call.policy, templates_of(repository)
    rendered = Rendered(run, decision, plan, decided.receipt, templates, decided.evidence, told_at, wanted)
    write_outputs((*page, *call.outputs), rendered)
    run.reword(decided.plan, policy)
