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
from releasegate.decision import Decision, decide
from releasegate.errors import EvidenceUntrusted, RunError
from releasegate.evaluation import Bench, Progress, Target, eval_code, measure, torch_device
from releasegate.plan import SOURCE, Plan, PlannedModel, differences, make_plan
from releasegate.policy import Policy
from releasegate.reporting import write_report
from releasegate.repository import GateRepository, RunFolder
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
    """

    policy: Path
    model: Path
    run: Path
    device: str
    dtype: str
    today: date
    draw_nonce: Callable[[], str]


def gate(call: Call, progress: Progress) -> Decision:
    """The decision; plan, evidence, decision, report and the stripped checkpoint, if any, lie in the run folder."""
    repository = GateRepository.around(call.policy)
    policy = repository.read_policy(call.policy).record
    torch_device(call.device)  # refused before an attempt is opened
    checkpoint = open_model(call.model, policy, progress)
    run = RunFolder(call.run)
    with run.locked():
        plan = open_or_resume(run, repository, policy, checkpoint, call)
        bench = Bench(run, plan, repository, call.device, progress)
        measure(bench, Target(SOURCE, checkpoint))
        decision = decide(plan.policy, plan, run.evidence.read(plan), run.receipt(), call.today)
        if decision.awaiting_strip:
            strip_for(bench, checkpoint, decision)
        if run.stripped.exists():
            measure_stripped(bench, checkpoint)
            decision = decide(plan.policy, plan, run.evidence.read(plan), run.receipt(), call.today)
        run.write_decision(decision)
        write_report(run, repository, decision, plan, run.receipt())
    return decision


def open_model(path: Path, policy: Policy, progress: Progress) -> Checkpoint:
    """The source checkpoint, checked file by file.

    Raises:
        RunError: its layout is not the policy's.
    """
    with progress.reading(path) as watch:
        checkpoint = open_checkpoint(path, watch)
    if checkpoint.layout != policy.model.layout:
        what = f"has layout {checkpoint.layout}, and policy {policy.id} is about {policy.model.layout}"
        raise RunError(str(path), what, "choose the policy of that layout")
    return checkpoint


def new_plan(repository: GateRepository, policy: Policy, checkpoint: Checkpoint, dtype: str, opened: str) -> Plan:
    """The plan of an attempt that opens on the day `opened`, without its nonce."""
    names = {r.eval for c in policy.capabilities for _, _, r in c.sections()}
    evals = {name: eval_code(repository, policy, name, dtype) for name in sorted(names)}
    recipes = {str(c.recipe): repository.recipe(str(c.recipe)).digest() for c in policy.capabilities if c.recipe}
    return make_plan(
        policy, evals, recipes, PlannedModel(layout=checkpoint.layout, manifest=checkpoint.manifest), opened
    )


def open_or_resume(
    run: RunFolder, repository: GateRepository, policy: Policy, checkpoint: Checkpoint, call: Call
) -> Plan:
    """The plan of a new attempt, its nonce just drawn; or the one that lies in the run folder, if it is still the same.

    Raises:
        RunError: the run folder holds an attempt of something else.
    """
    if not run.plan_path.exists():
        plan = new_plan(repository, policy, checkpoint, call.dtype, call.today.isoformat())
        opened = plan.model_copy(update={"nonce": call.draw_nonce()})
        run.open(opened)
        return opened
    stored = run.read_plan()
    again = new_plan(repository, policy, checkpoint, call.dtype, stored.opened)
    changed = differences(stored, again)
    if changed:
        what = f"holds an attempt that was opened with another {', '.join(changed)}"
        raise RunError(str(run.root), what, "restore what changed, or open a new attempt in another run folder")
    run.evidence.mend_index()
    return stored


def strip_for(bench: Bench, checkpoint: Checkpoint, decision: Decision) -> None:
    """Nothing; the capabilities that come to `strip` are out of the checkpoint in the run folder."""
    planned = bench.plan.strip_of(decision.awaiting_strip)
    assert planned is not None, "the plan lists every strip that a decision can ask for"
    recipes = [bench.repository.recipe(ref.id) for ref in planned.recipes]
    with bench.progress.reading(checkpoint.root, "strip") as watch:
        write_strip(checkpoint, plan_strip(checkpoint, recipes), bench.run.stripped, watch)


def measure_stripped(bench: Bench, checkpoint: Checkpoint) -> None:
    """Nothing; the stripped checkpoint is measured, with what its recipes lend an attacker."""
    receipt = bench.run.receipt()
    planned = next((s for s in bench.plan.strips if receipt and s.model == receipt.planned), None)
    if receipt is None or planned is None:
        raise EvidenceUntrusted(str(bench.run.stripped), "is not a strip of the plan", "remove it, and resume")
    stripped = open_checkpoint(bench.run.stripped)
    lending = Lending(checkpoint, receipt.lent.tensors, receipt.lent.files)
    measure(bench, Target(planned.name, stripped, lending, receipt.takes_out))
