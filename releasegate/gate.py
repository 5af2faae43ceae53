"""The whole story, in the order in which it happens.

policy -> plan -> evidence -> decision -> report            open, measure, close: each is a command of its own, too
                                 |
                                 +-> stripped checkpoint -> evidence again -> decision again
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from releasegate.checkpoint import Checkpoint
from releasegate.decision import Decision
from releasegate.evaluation import Bench, Progress, Target, measure, require_answers, require_material, torch_device
from releasegate.ledger import Anchor
from releasegate.opening import Attempt, open_or_resume
from releasegate.plan import SOURCE
from releasegate.policy import Policy
from releasegate.reporting import write_report
from releasegate.reporting.formats import Output, Taken, require_places
from releasegate.repository import GateRepository, RunFolder, close_run, decide_run, family_ledger
from releasegate.repository.approvals import approvals_of
from releasegate.stripped import open_source, open_stripped
from releasegate.stripping import plan_strip, write_strip
from releasegate.subjects import Lending


@dataclass(frozen=True)
class Call:
    """What a gate is asked to do.

    Attributes:
        policy: the policy's file, inside its gate repository.
        model: the source checkpoint.
        run: the run folder; an existing one is resumed.
        device: where the model runs, such as `cpu` or `cuda`.
        dtype: of its weights in memory.
        today: the day.
        draw_nonce: 32 random bytes as hexadecimal digits; called once, when the attempt opens.
        ledger: where attempts are counted; absent: the repository's.
        anchor: a place in the ledger that somebody else remembers.
        rehearsal: measure rehearsal items, and spend nothing.
        outputs: what is written of the report, beside the page in the run folder.
        told_at: the policy's file as reports name it; absent: `policy`.
        judged_by: the commit that the gate repository was taken from, for the log.
    """

    policy: Path
    model: Path
    run: Path
    device: str
    dtype: str
    today: date
    draw_nonce: Callable[[], str]
    ledger: Path | None = None
    anchor: Anchor | None = None
    rehearsal: bool = False
    outputs: tuple[Output, ...] = ()
    told_at: Path | None = None
    judged_by: str | None = None


def gate(call: Call, progress: Progress) -> Decision:
    """The decision; plan, evidence, decision, report and the stripped checkpoint, if any, lie in the run folder."""
    repository = GateRepository.around(call.policy)
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
        require_answers(policy.model.subject, checkpoint)
    day, nonce = call.today.isoformat(), call.draw_nonce
    attempt = Attempt(
        repository, policy, checkpoint, call.dtype, day, nonce, ledger, call.anchor, rehearsal=call.rehearsal
    )
    with run.locked():
        plan = open_or_resume(run, attempt)
        run.note_judge(call.judged_by)
        decision = measure_run(Bench(run, plan, repository, call.device, progress), checkpoint, call.today)
        close_run(run, plan, decision, ledger)
        wanted = approvals_of(run, plan, repository, decision, call.today)
        told_at = call.told_at or call.policy
        write_report(run, repository, decision, plan, run.receipt(), None, call.outputs, told_at, wanted)
    return decision


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
