"""Opening an attempt: the plan is fixed, the ledger says so, and only then is the nonce drawn. Closing it again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from releasegate.checkpoint import Checkpoint
from releasegate.decision import Decision
from releasegate.errors import LedgerError, RunError
from releasegate.evaluation import eval_code
from releasegate.ledger import Anchor, Closed
from releasegate.plan import SOURCE, LedgerPosition, Plan, PlannedModel, differences, make_plan
from releasegate.policy import Policy
from releasegate.repository import GateRepository, LedgerFile, RunFolder, ledger_path
from releasegate.repository.ledger_file import HeldLedger
from releasegate.stripping import plan_strip


@dataclass(frozen=True)
class Attempt:
    """What an attempt is opened for.

    Attributes:
        dtype: of the weights in memory.
        today: the day, `YYYY-MM-DD`.
        draw_nonce: 32 random bytes as hexadecimal digits; called once, when the attempt opens.
        ledger: where attempts are counted; None: nowhere.
        anchor: a place in it that somebody else remembers.
    """

    repository: GateRepository
    policy: Policy
    checkpoint: Checkpoint
    dtype: str
    today: str
    draw_nonce: Callable[[], str]
    ledger: LedgerFile | None
    anchor: Anchor | None


def ledger_of(
    repository: GateRepository, policy: Policy, named: Path | None, anchor: Anchor | None
) -> LedgerFile | None:
    """The ledger that counts the attempts of a policy: the one named, else the repository's, else none.

    Raises:
        LedgerError: the one named does not exist, or somebody remembers a place in one and there is none.
    """
    if named is not None:
        if not named.exists():
            raise LedgerError(
                str(named), "there is no ledger", f"run `releasegate ledger init {policy.id} --ledger {named}`"
            )
        return LedgerFile(named)
    usual = ledger_path(repository.root, policy.id)
    if usual.exists():
        return LedgerFile(usual)
    if anchor is not None:
        what = f"there is no ledger, and the anchor {anchor} has seen one"
        raise LedgerError(repository.shown(usual), what, "restore it from where it is kept, or name it with --ledger")
    return None


def new_plan(attempt: Attempt, opened: str, number: int = 1) -> Plan:
    """The plan of attempt `number`, opened on the day `opened`, without its nonce.

    Raises:
        RecipeMismatch: a strip that may come does not fit the checkpoint; better known before an attempt is spent.
    """
    repository, policy, checkpoint = attempt.repository, attempt.policy, attempt.checkpoint
    names = {r.eval for c in policy.capabilities for _, _, r in c.sections()}
    evals = {name: eval_code(repository, policy, name, attempt.dtype) for name in sorted(names)}
    recipes = {str(c.recipe): repository.recipe(str(c.recipe)).digest() for c in policy.capabilities if c.recipe}
    model = PlannedModel(layout=checkpoint.layout, manifest=checkpoint.manifest)
    plan = make_plan(policy, evals, recipes, model, opened, number)
    for strip in plan.strips:
        plan_strip(checkpoint, [repository.recipe(ref.id) for ref in strip.recipes])
    return plan


def open_or_resume(run: RunFolder, attempt: Attempt) -> Plan:
    """The plan of a new attempt, its nonce just drawn; or the one that lies in the run folder, if it is still the same.

    Raises:
        RunError: the run folder holds an attempt of something else.
        LedgerError: the ledger is damaged, rolled back behind the anchor, or does not know the attempt.
    """
    if run.plan_path.exists():
        return _resume(run, attempt)
    if attempt.ledger is None:
        plan = new_plan(attempt, attempt.today).model_copy(update={"nonce": attempt.draw_nonce()})
        run.open(plan)
        return plan
    with attempt.ledger.locked(attempt.policy.id, attempt.anchor) as held:
        before = held.view.anchor
        position = LedgerPosition(count=before.count, head=before.head, anchored=attempt.anchor is not None)
        plan = new_plan(attempt, attempt.today, held.view.next_attempt).model_copy(update={"ledger": position})
        run.open(plan)
        return _draw(run, plan, held, attempt)


def _resume(run: RunFolder, attempt: Attempt) -> Plan:
    stored = run.read_plan(half_opened=attempt.ledger is not None)
    changed = differences(stored, new_plan(attempt, stored.opened, stored.attempt))
    if changed:
        what = f"holds an attempt that was opened with another {', '.join(changed)}"
        raise RunError(str(run.root), what, "restore what changed, or open a new attempt in another run folder")
    run.evidence.mend_index()
    if stored.ledger is None:
        return stored
    if attempt.ledger is None:
        raise LedgerError(str(run.root), "was opened with a ledger, and none is at hand", "name it with --ledger")
    with attempt.ledger.locked(attempt.policy.id, attempt.anchor) as held:
        return _draw(run, stored, held, attempt)


def _draw(run: RunFolder, plan: Plan, held: HeldLedger, attempt: Attempt) -> Plan:
    """The plan with its nonce: drawn and recorded once, however often the run is resumed.

    A run that was killed before its opening reached the ledger opens now, if no other attempt came between.
    """
    if plan.fixed in {known.plan for known in held.view.attempts}:
        nonce = held.resume(plan.fixed, attempt.draw_nonce)
    elif plan.attempt == held.view.next_attempt and plan.nonce is None:
        nonce = held.open(plan.fixed, plan.opened, attempt.draw_nonce)
    else:
        what = f"does not know the attempt in {run.root}"
        raise LedgerError(held.view.source, what, "restore the ledger, or open a new attempt in another run folder")
    if plan.nonce not in (None, nonce):
        raise LedgerError(str(run.plan_path), "has another nonce than the ledger", "restore plan.json")
    if plan.nonce is None:
        plan = plan.model_copy(update={"nonce": nonce})
        run.write_plan(plan)
    return plan


def close(run: RunFolder, plan: Plan, decision: Decision, attempt: Attempt) -> None:
    """Nothing; the ledger says how the attempt was decided, once everything that it planned was measured."""
    if attempt.ledger is None or plan.ledger is None or not _is_complete(run, plan, decision):
        return
    with attempt.ledger.locked(attempt.policy.id) as held:
        closed = held.view.attempt_of(plan.fixed).closed
        if closed is not None and closed.evidence != decision.evidence:
            what = f"attempt {plan.attempt} was decided on other evidence before"
            raise LedgerError(held.view.source, what, "open a new attempt in another run folder")
        if closed is None:
            closing = Closed(
                attempt=plan.attempt,
                plan=plan.fixed,
                evidence=decision.evidence,
                decision=decision.digest(),
                verdict=decision.verdict,
            )
            held.close(closing)


def _is_complete(run: RunFolder, plan: Plan, decision: Decision) -> bool:
    measured = {SOURCE} | ({decision.strip.name} if decision.strip else set())
    settled = {(s.eval, s.checkpoint) for s in decision.settled}
    done = run.evidence.done()
    return not decision.awaiting_strip and all(
        (plan.identity(m), shard) in done
        for m in plan.measurements
        if m.checkpoint in measured and (m.role != "gate" or (m.eval, m.checkpoint) not in settled)
        for shard in range(m.shards)
    )
