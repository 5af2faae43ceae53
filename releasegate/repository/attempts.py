"""A run's attempt in the ledger of its family: where that lies, whether it knows the run, and how the attempt ended."""

from __future__ import annotations

from pathlib import Path

from releasegate.decision import Decision
from releasegate.errors import LedgerError
from releasegate.ledger import Anchor, Attempt, Closed, LedgerView
from releasegate.plan import SOURCE, Plan
from releasegate.policy import Policy
from releasegate.repository.gate_repository import GateRepository
from releasegate.repository.ledger_file import LedgerFile, ledger_path
from releasegate.repository.run_folder import RunFolder
from releasegate.spending import Spending


def family_ledger(repository: GateRepository, policy: Policy, named: Path | None) -> LedgerFile:
    """The ledger that counts the attempts under a policy: the one named, else the repository's.

    Raises:
        LedgerError: there is none. Attempts that nobody counts bound nothing.
    """
    path = named or ledger_path(repository.root, policy.family)
    if not path.exists() and not path.is_symlink():
        option = f" --ledger {named}" if named else ""
        raise LedgerError(
            repository.shown(path) if named is None else str(path),
            f"there is no ledger of family {policy.family}, so nobody counts its attempts",
            "restore it from where it is kept; if the family never had one: "
            f"`releasegate ledger init {policy.family}{option}`",
        )
    return LedgerFile(path)


def require_schedule(view: LedgerView, policy: Policy, attempt: int) -> Spending:
    """The schedule by which the ledger gives an attempt, opened or due, its part of alpha; the policy states the same.

    Raises:
        LedgerError: it states another, or the attempt comes after the last.
    """
    spending, stated = view.spending(attempt), policy.release.attempts
    if spending.attempts != stated:
        says = "no `release: attempts`" if stated is None else f"`release: {{attempts: {stated}}}`"
        option = "--open-ended" if stated is None else f"--attempts {stated}"
        now = "leave `attempts` out" if spending.attempts is None else f"write `attempts: {spending.attempts}`"
        raise LedgerError(
            view.source,
            f"spends {spending.words} at attempt {attempt}, and policy {policy.id} has {says}",
            f"{now}; or divide what is left: `releasegate ledger divide {view.family} {option}`",
        )
    if not spending.part(attempt):
        what = f"spends {spending.words}, which were all opened: no alpha is left for attempt {attempt}"
        raise LedgerError(view.source, what, "publish nothing more in this family; what is spent cannot be spent again")
    return spending


def known_attempt(view: LedgerView, plan: Plan) -> Attempt:
    """The ledger's own account of the attempt that a run holds; the two agree.

    Raises:
        LedgerError: it does not know the attempt, or gave it another nonce, place or items.
    """
    known = view.attempt_of(plan.fixed)
    first = view.attempts[known.number - 1]
    drawn, used = ({name: sorted(ids) for name, ids in found.items()} for found in (plan.drawn, first.used))
    extends = (None,) * 3 if plan.extends is None else (plan.extends.plan, plan.extends.evidence, plan.extends.items)
    for what, stated, counted in (
        ("another extension", extends, (known.extends, known.went_on_from, known.items)),
        ("another nonce", plan.nonces, view.nonces_of(known)),
        ("other items of private pools", drawn, used),
    ):
        if stated != counted:
            raise LedgerError(view.source, f"holds {what} than plan.json", "restore the one that was changed")
    if plan.spends != view.spending(known.number):
        raise LedgerError(view.source, "spends alpha otherwise than plan.json", "restore the one that was changed")
    place = view.anchor_of(known)
    if plan.ledger is None or (plan.ledger.count, plan.ledger.head) != (place.count, place.head):
        raise LedgerError(view.source, "holds the attempt in another place than plan.json", "restore both")
    return known


def require_opened(plan: Plan, ledger: LedgerFile, anchor: Anchor | None) -> None:
    """Nothing, if the ledger knows the attempt as the plan of a run tells of it.

    Args:
        anchor: a place in the ledger that somebody else remembers.

    Raises:
        LedgerError: it does not know it, or knows it otherwise; or the plan says of it what nothing shows.
    """
    view = ledger.read(plan.policy.family, anchor)
    require_shown(plan, known_attempt(view, plan), view, anchor)


def require_shown(plan: Plan, known: Attempt, view: LedgerView, anchor: Anchor | None) -> None:
    """Nothing, if what a plan says of the ledger is shown.

    That the ledger was compared with a remembered place when the attempt was opened is for the plan alone to say. Before
    the attempt is closed, a plan that says so is believed only where such a place is given again; and afterwards, by
    `close_run`, for the decision alone that it was closed with.

    Raises:
        LedgerError: it is not shown.
    """
    if known.closed is None:
        _refuse_claimed(plan, view, anchor)


def _refuse_claimed(plan: Plan, view: LedgerView, anchor: Anchor | None) -> None:
    if anchor is None and plan.ledger is not None and plan.ledger.anchored:
        what = "was compared with a place that somebody remembers, as plan.json says, and nothing shows that"
        raise LedgerError(view.source, what, "give that place again: --ledger-head COUNT:HASH")


def close_run(
    run: RunFolder, plan: Plan, decision: Decision, ledger: LedgerFile | None, anchor: Anchor | None = None
) -> None:
    """Nothing; the ledger, if it is at hand, says how the attempt was decided, and the run folder holds the decision.

    Args:
        anchor: a place in the ledger that somebody else remembers, with which it was compared now.

    Raises:
        LedgerError: as for `close_attempt`.
    """
    if ledger is not None:
        close_attempt(run, plan, decision, ledger, anchor)
    run.write_decision(decision)


def close_attempt(
    run: RunFolder, plan: Plan, decision: Decision, ledger: LedgerFile, anchor: Anchor | None = None
) -> None:
    """Nothing; the ledger says how the attempt was decided, once everything that it planned was measured.

    Raises:
        LedgerError: the ledger does not know the attempt, or it was closed on other evidence before; or the decision would
            be another one, and lean on a comparison of the ledger that nothing shows.
    """
    if plan.rehearsal:
        return
    with ledger.locked(plan.policy.family) as held:
        known = known_attempt(held.view, plan)
        closing = closing_of(known, plan, decision)
        if known.closed is not None and known.closed != closing:
            _refuse_claimed(plan, held.view, anchor)
        if is_complete(run, plan, decision):
            held.close(closing)


def is_complete(run: RunFolder, plan: Plan, decision: Decision) -> bool:
    """Whether everything that the plan lists was measured, as far as the decision needs it."""
    measured = {SOURCE} | ({decision.strip.name} if decision.strip else set())
    settled = {(s.eval, s.checkpoint) for s in decision.settled}
    done = run.evidence.done()
    return not decision.awaiting_strip and all(
        (plan.identity(m), shard) in done
        for m in plan.measurements
        if m.checkpoint in measured and (m.role != "gate" or (m.eval, m.checkpoint) not in settled)
        for shard in range(m.shards)
    )


def closing_of(known: Attempt, plan: Plan, decision: Decision) -> Closed:
    """What the ledger says of an attempt that ended with `decision`."""
    return Closed(
        attempt=known.number,
        plan=plan.fixed,
        evidence=decision.evidence,
        decision=decision.digest(),
        verdict=decision.verdict,
    )
