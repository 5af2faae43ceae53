"""The whole story, in the order in which it happens.

policy -> plan -> evidence -> decision -> report            open, measure, close: each is a command of its own, too
                                 |
                                 +-> stripped checkpoint -> evidence again -> decision again
"""

from __future__ import annotations

from datetime import date
from pathlib import Path

from releasegate.call import Call
from releasegate.checkpoint import Checkpoint
from releasegate.decision import Decision
from releasegate.evaluation import (
    Bench,
    Progress,
    Target,
    measure,
    require_answers,
    require_material,
    require_reader,
    torch_device,
)
from releasegate.extending import extend_or_resume
from releasegate.opening import Attempt, open_or_resume
from releasegate.plan import SOURCE, Plan
from releasegate.policy import Policy
from releasegate.reporting import write_report
from releasegate.reporting.formats import Taken, require_places
from releasegate.repository import GateRepository, RunFolder, close_run, decide_run, family_ledger
from releasegate.repository.approvals import approvals_of
from releasegate.repository.lock_file import require_locked
from releasegate.stripped import open_source, open_stripped
from releasegate.stripping import plan_strip, write_strip
from releasegate.subjects import Lending


def gate(call: Call, progress: Progress) -> Decision:
    """The decision; plan, evidence, decision, report and the stripped checkpoint, if any, lie in the run folder."""
    repository = GateRepository.around(call.policy)
    require_locked(repository, call.policy)
    policy = repository.read_policy(call.policy).record
    ledger = family_ledger(repository, policy, call.ledger)
    torch_device(call.device)  # refused before an attempt is opened
    run = RunFolder(call.run)
    run.require_place(call.model)
    require_places(call.outputs, Taken(run, repository, (call.model,), (call.policy, ledger.path)))
    if not run.plan_path.exists():
        require_material(repository, policy)
    checkpoint = open_model(call.model, policy, progress)
    if not run.plan_path.exists():
        require_reader(repository, policy, checkpoint)
        require_answers(policy.model.subject, checkpoint)
    day, nonce = call.today.isoformat(), call.draw_nonce
    attempt = Attempt(
        repository, policy, checkpoint, call.dtype, day, nonce, ledger, call.anchor, call.rehearsal, call.for_power
    )
    with run.locked():
        plan = _opened(run, attempt, call)
        run.note_judge(call.judged_by)
        decision = measure_run(Bench(run, plan, repository, call.device, progress), checkpoint, call.today)
        close_run(run, plan, decision, ledger, call.anchor)
        wanted = approvals_of(run, plan, repository, decision, call.today)
        told_at = call.told_at or call.policy
        write_report(run, repository, decision, plan, run.receipt(), None, call.outputs, told_at, wanted)
    return decision


def _opened(run: RunFolder, attempt: Attempt, call: Call) -> Plan:
    """The plan of a new attempt, of the one that lies in the run folder, or of the decided one that goes on there."""
    if call.extends is None:
        return open_or_resume(run, attempt)
    return extend_or_resume(run, attempt, RunFolder(call.extends), call.items or 0, call.today)


def open_model(path: Path, policy: Policy, progress: Progress) -> Checkpoint:
    """The source checkpoint, checked file by file.

    Raises:
        RunError: its layout is not the policy's.
    """
    with progress.reading(path) as watch:
        return open_source(path, policy, watch)


def measure_run(bench: Bench, checkpoint: Checkpoint, today: date) -> Decision:
    """What the evidence comes to, once all of it is there; the stripped checkpoint, if any, lies in the run folder.

    Everything between opening an attempt and closing it: it needs no ledger, and stores no decision.
    """
    run = bench.run
    measure(bench, Target(SOURCE, checkpoint))
    decision = decide_run(run, bench.repository, today)
    if decision.awaiting_strip:
        strip_for(bench, checkpoint, decision)
    if not run.stripped.exists():
        return decision
    measure_stripped(bench, checkpoint)
    return decide_run(run, bench.repository, today)


def strip_for(bench: Bench, checkpoint: Checkpoint, decision: Decision) -> None:
    """Nothing; the capabilities that come to `strip` are out of the checkpoint in the run folder."""
    planned = bench.plan.strip_of(decision.awaiting_strip)
    assert planned is not None, "the plan lists every strip that a decision can ask for"
    recipes = [bench.repository.recipe(ref.id) for ref in planned.recipes]
    bench.run.clear_receipt()
    with bench.progress.reading(checkpoint.root, "strip") as watch:
        rehearsal = bench.plan.rehearsal
        write_strip(checkpoint, plan_strip(checkpoint, recipes), bench.run.stripped, watch, rehearsal=rehearsal)


def measure_stripped(bench: Bench, checkpoint: Checkpoint) -> None:
    """Nothing; the stripped checkpoint is measured, with what its recipes lend an attacker."""
    stripped = open_stripped(bench.run, bench.plan, bench.repository, checkpoint)
    lent = stripped.receipt.lent
    lending = Lending(checkpoint, lent.tensors, lent.files)
    measure(bench, Target(stripped.planned.name, stripped.checkpoint, lending, stripped.receipt.takes_out))
