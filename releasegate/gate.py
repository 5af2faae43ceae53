"""The whole story, in the order in which it happens.

policy -> plan -> evidence -> decision -> report
                                 |
                                 +-> stripped checkpoint -> evidence again -> decision again
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from releasegate.checkpoint import Checkpoint, open_checkpoint
from releasegate.decision import Decision
from releasegate.errors import EvidenceUntrusted, RunError
from releasegate.evaluation import Bench, Progress, Target, measure, require_answers, require_material, torch_device
from releasegate.ledger import Anchor
from releasegate.opening import Attempt, open_or_resume
from releasegate.plan import SOURCE
from releasegate.policy import Policy
from releasegate.reporting import write_report
from releasegate.reporting.formats import Output, Taken, require_places
from releasegate.repository import GateRepository, RunFolder, close_attempt, decide_run, family_ledger
from releasegate.stripping import plan_strip, verify_strip, write_strip
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
        bench = Bench(run, plan, repository, call.device, progress)
        measure(bench, Target(SOURCE, checkpoint))
        decision = decide_run(run, repository, call.today)
        if decision.awaiting_strip:
            strip_for(bench, checkpoint, decision)
        if run.stripped.exists():
            measure_stripped(bench, checkpoint)
            decision = decide_run(run, repository, call.today)
        close_attempt(run, plan, decision, ledger)
        run.write_decision(decision)
        write_report(run, repository, decision, plan, run.receipt(), None, call.outputs, call.policy)
    return decision


def open_model(path: Path, policy: Policy, progress: Progress) -> Checkpoint:
    """The source checkpoint, checked file by file.

    Raises:
        RunError: its layout is not the policy's.
    """
    with progress.reading(path) as watch:
        checkpoint = open_checkpoint(path, watch, runs=policy.model.runs)
    if checkpoint.layout not in policy.model.layouts:
        what = f"has layout {checkpoint.layout}, and policy {policy.id} is about {', '.join(policy.model.layouts)}"
        raise RunError(str(path), what, "choose the policy of that layout")
    return checkpoint


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
    receipt = bench.run.receipt()
    planned = next((s for s in bench.plan.strips if receipt and s.model == receipt.planned), None)
    if receipt is None or planned is None:
        raise EvidenceUntrusted(str(bench.run.stripped), "is not a strip of the plan", "remove it, and resume")
    if receipt.rehearsal and not bench.plan.rehearsal:
        raise EvidenceUntrusted(str(bench.run.stripped), "was made in a rehearsal", "remove it, and resume")
    recipes = [bench.repository.recipe(ref.id) for ref in planned.recipes]
    stripped = open_checkpoint(bench.run.stripped, like=receipt.output)
    verify_strip(stripped, receipt, checkpoint)
    if not plan_strip(checkpoint, recipes).made(receipt):
        what = "has a receipt of something else than its recipes do"
        raise EvidenceUntrusted(str(bench.run.stripped), what, "remove it, and resume")
    lending = Lending(checkpoint, receipt.lent.tensors, receipt.lent.files)
    measure(bench, Target(planned.name, stripped, lending, receipt.takes_out))
