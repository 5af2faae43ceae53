"""Opening an attempt: the plan is fixed, the ledger says so, and only then are the nonce and the items of pools drawn."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from releasegate.checkpoint import Checkpoint, read_chat_template
from releasegate.checkpoint.planned import planned_model
from releasegate.decision.powers import sizes_for_power
from releasegate.errors import HarnessError, LedgerError, Problem, RunError
from releasegate.evaluation import drawn_items, eval_code
from releasegate.inspection.doubting import doubts_of
from releasegate.ledger import Anchor, Extended, LedgerView, first_line, parse_ledger
from releasegate.plan import LedgerPosition, Plan, make_plan
from releasegate.policy import Policy
from releasegate.repository import GateRepository, LedgerFile, RunFolder, known_attempt
from releasegate.repository.attempts import require_schedule, require_shown
from releasegate.repository.ledger_file import HeldLedger
from releasegate.stripping import plan_strip, room_for

EVIDENCE_ROOM = 64 << 20
"""Bytes that a run's evidence, outputs and report may need on the disk."""

_AS_STATED: Mapping[str, int] = MappingProxyType({})
ROUNDS = 5
"""How often numbers of items are worked out anew: how an eval shares them out among its slices may change with them."""


@dataclass(frozen=True)
class Attempt:
    """What an attempt is opened for.

    Attributes:
        dtype: of the weights in memory.
        today: the day, `YYYY-MM-DD`.
        draw_nonce: 32 random bytes as hexadecimal digits; called once, when the attempt opens.
        ledger: where attempts are counted.
        anchor: a place in it that somebody else remembers.
        rehearsal: measure rehearsal items as the next attempt would measure its own, and spend nothing.
        for_power: generate so many items that a model half-way between every limit and the ideal passes with this chance.
    """

    repository: GateRepository
    policy: Policy
    checkpoint: Checkpoint
    dtype: str
    today: str
    draw_nonce: Callable[[], str]
    ledger: LedgerFile
    anchor: Anchor | None
    rehearsal: bool = False
    for_power: float | None = None


def next_plan(attempt: Attempt) -> Plan:
    """The plan of the attempt that is due, without its nonce. Nothing is spent.

    Raises:
        LedgerError: the ledger is damaged, or rolled back behind the anchor.
        RecipeMismatch: as for `new_plan`.
    """
    view = attempt.ledger.read(attempt.policy.family, attempt.anchor)
    return sized_plan(attempt, view, attempt.today, view.next_attempt)


def first_plan(attempt: Attempt) -> Plan:
    """The plan of attempt 1 of a family that has no ledger yet, without its nonce. It cannot be opened."""
    policy = attempt.policy
    empty = parse_ledger(first_line(policy.family, policy.release.attempts), "no ledger")
    return sized_plan(attempt, empty, attempt.today, 1)


def sized_plan(
    attempt: Attempt,
    view: LedgerView,
    opened: str,
    number: int,
    *,
    controlled: bool = True,
    wanted: float | None = None,
    opening: bool = False,
) -> Plan:
    """The plan of attempt `number`, as `new_plan` makes it, with as many generated items as the wanted chance takes.

    The numbers follow from policy, cards, code and attempt alone, so that whoever resumes the attempt comes to the same.

    Args:
        wanted: the chance that a plan in a run folder names; absent: that of the attempt, if it names one.
        opening: as for `new_plan`.

    Raises:
        LedgerError: as for `new_plan`.
        RecipeMismatch: as for `new_plan`.
        HarnessError: an eval whose items are generated does not make so many, or as for `new_plan`.
    """
    wanted = attempt.for_power if wanted is None else wanted
    plan = new_plan(attempt, view, opened, number, controlled=controlled, opening=opening)
    if wanted is None:
        return plan
    sizes: Mapping[str, int] = {}
    for _ in range(ROUNDS):
        before, sizes = sizes, sizes_for_power(plan, wanted)
        if sizes == before:
            break
        fewer = plan
        plan = new_plan(attempt, view, opened, number, controlled=controlled, sizes=sizes)
        _require_made(fewer, plan)
    return plan.model_copy(update={"for_power": wanted})


def _require_made(fewer: Plan, plan: Plan) -> None:
    """Check that every eval makes as many items as it was asked for, where it makes fewer.

    Raises:
        HarnessError: one does not.
    """
    for before, m in zip(fewer.measurements, plan.measurements, strict=True):
        if m.problem is not None and before.problem is None:
            fix = 'make `params["n"]` items, or leave --for-power out'
            raise HarnessError(f"evals/{m.eval}/harness.py", f"cannot make more items: {m.problem}", fix)


def new_plan(
    attempt: Attempt,
    view: LedgerView,
    opened: str,
    number: int,
    *,
    controlled: bool = True,
    opening: bool = False,
    sizes: Mapping[str, int] = _AS_STATED,
) -> Plan:
    """The plan of attempt `number`, opened on the day `opened`, without its nonce.

    Args:
        controlled: False for an attempt that an earlier release opened, without working controls.
        opening: whether it is about to be opened: then code that does not load is an error, better known before an attempt
            is spent.
        sizes: numbers of items, by eval, that are others than policy and card say.

    Raises:
        LedgerError: the ledger spends alpha otherwise than the policy says, or has none left for the attempt.
        RecipeMismatch: a strip that may come does not fit the checkpoint; better known before an attempt is spent.
        HarnessError: the code of an eval or of the subject does not load, and the plan is about to be opened.
    """
    repository, policy, checkpoint = attempt.repository, attempt.policy, attempt.checkpoint
    spending = require_schedule(view, policy, number)
    names = repository.evals_of(policy) if controlled else {r.eval for r in policy.requirements}
    template = read_chat_template(checkpoint)
    evals, broken = {}, list[Problem]()
    for name in sorted(names):
        try:
            evals[name] = eval_code(
                repository,
                policy,
                name,
                attempt.dtype,
                template=template,
                used=view.used(name, before=number),
                rehearsal=attempt.rehearsal,
                configuration=checkpoint.config,
                opening=opening,
                n=sizes.get(name),
            )
        except HarnessError as error:
            broken += error.problems
    if broken:
        raise HarnessError.of(list(dict.fromkeys(broken)))
    recipes = {str(c.recipe): repository.recipe(str(c.recipe)).digest() for c in policy.capabilities if c.recipe}
    model = planned_model(checkpoint)
    doubts = doubts_of(checkpoint, policy) if controlled else ()
    plan = make_plan(
        policy,
        evals,
        recipes,
        model,
        opened,
        number,
        spending=spending,
        rehearsal=attempt.rehearsal,
        controlled=controlled,
        doubts=doubts,
        own_items=controlled,
    )
    for strip in plan.strips:
        plan_strip(checkpoint, [repository.recipe(ref.id) for ref in strip.recipes])
    return plan


def open_or_resume(run: RunFolder, attempt: Attempt) -> Plan:
    """The plan of a new attempt, its nonce just drawn; or the one that lies in the run folder, if it is still the same.

    Raises:
        RunError: the run folder holds an attempt of something else, or its disk is full.
        HarnessError: the code of an eval or of the subject does not load.
        LedgerError: the ledger is damaged, rolled back behind the anchor, or does not know the attempt.
    """
    if run.plan_path.exists():
        return _resume(run, attempt)
    if attempt.rehearsal:
        plan = next_plan(attempt)  # a pool may have no rehearsal items: the others are rehearsed, and nothing is spent
        require_room(run, plan, attempt)
        plan = plan.model_copy(update={"nonce": attempt.draw_nonce()})
        run.open(plan)
        return plan
    with attempt.ledger.locked(attempt.policy.family, attempt.anchor) as held:
        plan = sized_plan(attempt, held.view, attempt.today, held.view.next_attempt, opening=True)
        require_room(run, plan, attempt)
        run.open(plan)
        return draw(run, plan, held, attempt)


def require_room(run: RunFolder, plan: Plan, attempt: Attempt) -> None:
    """Check that the disk has room for the largest stripped checkpoint that may come, and for evidence.

    Raises:
        RunError: it has not.
    """
    checkpoint, folder = attempt.checkpoint, run.nearest_folder()
    strips = [
        plan_strip(checkpoint, [attempt.repository.recipe(ref.id) for ref in strip.recipes]) for strip in plan.strips
    ]
    needed = EVIDENCE_ROOM + max((room_for(checkpoint, strip, folder) for strip in strips), default=0)
    free = shutil.disk_usage(folder).free
    if free < needed:
        what = f"has room for {free:,} bytes, and a run may need {needed:,}"
        holds = ", those of the stripped checkpoint among them" if strips else ""
        raise RunError(str(run.root), what + holds, "free some on that disk, or choose a run folder on another one")


def _resume(run: RunFolder, attempt: Attempt) -> Plan:
    stored = run.read_plan(half_opened=True)
    view = attempt.ledger.read(attempt.policy.family, attempt.anchor)
    known = stored.fixed if stored.extends is None else stored.extends.plan
    before = stored.controlled is None and known in view.plans
    wanted = stored.for_power if attempt.for_power is None else attempt.for_power
    again = sized_plan(attempt, view, stored.opened, stored.attempt, controlled=not before, wanted=wanted)
    run.refuse_other_plan(stored, again.extended_as(stored))
    stored = run.reword(stored, attempt.policy)
    run.evidence.mend_index()
    if stored.rehearsal:
        return stored
    with attempt.ledger.locked(attempt.policy.family, attempt.anchor) as held:
        return draw(run, stored, held, attempt)


def draw(run: RunFolder, plan: Plan, held: HeldLedger, attempt: Attempt) -> Plan:
    """The plan with its nonce and the items of its pools: drawn and recorded once, however often the run is resumed.

    A run that was killed before its opening reached the ledger opens now, if no other attempt came between.
    """
    if plan.is_open:
        require_shown(plan, known_attempt(held.view, plan), held.view, attempt.anchor)
        return plan
    if plan.extends is not None:
        return _extended(run, plan, held, attempt)
    if plan.fixed in held.view.plans:
        nonce = held.resume(plan.fixed, attempt.draw_nonce)
    elif plan.attempt == held.view.next_attempt:
        nonce = held.open(plan.fixed, plan.opened, attempt.draw_nonce)
    else:
        what = f"does not know the attempt in {run.root}"
        raise LedgerError(held.view.source, what, "restore the ledger, or open a new attempt in another run folder")
    drawn = _drawn_from_pools(plan, nonce, held.view, attempt)
    for name, items in drawn.items():
        held.use(plan.attempt, name, items)
    plan = plan.model_copy(update={"nonce": nonce, "ledger": _position(plan, held.view, attempt), "drawn": drawn})
    run.write_plan(plan)
    return plan


def _position(plan: Plan, view: LedgerView, attempt: Attempt) -> LedgerPosition:
    place = view.anchor_of(view.attempt_of(plan.fixed))
    return LedgerPosition(count=place.count, head=place.head, anchored=attempt.anchor is not None)


def _extended(run: RunFolder, plan: Plan, held: HeldLedger, attempt: Attempt) -> Plan:
    """The plan of an extension with its nonce, which is drawn once, after the ledger says what goes on."""
    known, extends = plan.fixed in held.view.plans, plan.extends
    assert extends is not None
    event = Extended(
        attempt=plan.attempt,
        plan=plan.fixed,
        extends=extends.plan,
        evidence=extends.evidence,
        items=extends.items,
        day=attempt.today,
    )
    draw = attempt.draw_nonce
    nonce = held.resume(plan.fixed, draw) if known else held.extend(event, draw)
    update = {"further": (*(plan.further or ()), nonce), "ledger": _position(plan, held.view, attempt)}
    plan = plan.model_copy(update=update)
    run.write_plan(plan)
    return plan


def _drawn_from_pools(plan: Plan, nonce: str, view: LedgerView, attempt: Attempt) -> Mapping[str, tuple[str, ...]]:
    """The items that the attempt takes out of private pools, by eval. They depend on the nonce and earlier attempts alone."""
    pools = [name for name, card in plan.cards.items() if card.items.kind == "private_pool"]
    found = {name: plan.find_gate(name) for name in pools}
    return {
        name: drawn_items(attempt.repository, attempt.policy, m, nonce, view.used(name, before=plan.attempt))
        for name, m in found.items()
        if m is not None and m.cells
    }
