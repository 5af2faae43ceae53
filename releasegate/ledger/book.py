"""What may follow what: the attempts of a ledger, gathered line by line."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import assert_never

from releasegate.errors import LedgerError
from releasegate.ledger.lines import RESTORE, AttemptEvent, Closed, Extended, Init, NonceDrawn, Opened, Scheduled, Used
from releasegate.ledger.view import Attempt, LedgerView
from releasegate.spending import SERIES, Spending, divided

NOTHING_LEFT = "nothing of the family's alpha is left: no further attempt can be opened in it"


@dataclass
class Book:
    """The attempts so far: what a line may add to them."""

    family: str
    attempts: list[Attempt]
    taken: dict[str, dict[str, int]]
    """Which attempt drew an item, by eval and item."""
    plans: dict[str, int]
    nonces: dict[str, int]
    spendings: list[Spending] = field(default_factory=lambda: [SERIES])
    extensions: list[Attempt] = field(default_factory=list)

    @classmethod
    def of(cls, view: LedgerView) -> Book:
        """The attempts of a ledger."""
        book = cls(view.family, list(view.attempts), {}, {}, {}, list(view.spendings), list(view.extensions))
        for attempt in (*view.attempts, *view.extensions):
            book.plans[attempt.plan] = attempt.number
            if attempt.nonce is not None:
                book.nonces[attempt.nonce] = attempt.number
            for eval_id, items in attempt.used.items():
                book.taken.setdefault(eval_id, {}).update(dict.fromkeys(items, attempt.number))
        return book

    def add(self, event: Init | AttemptEvent, line: int, where: str) -> None:
        """Nothing; the attempts hold what `event` says.

        Args:
            line: its number.
            where: the place that messages name.

        Raises:
            LedgerError: it does not follow from those before.
        """
        match event:
            case Init():
                raise LedgerError(where, "starts the ledger a second time", RESTORE)
            case Scheduled():
                self._schedule(event, where)
            case Opened():
                self._open(event, where)
            case Extended():
                self._extend(event, where)
            case NonceDrawn():
                self._draw(event, line, where)
            case Used():
                self._use(event, where)
            case Closed():
                self._close(event, line, where)
            case _:
                assert_never(event)

    def _schedule(self, event: Scheduled, where: str) -> None:
        due, now = len(self.attempts) + 1, self.spendings[-1]
        if event.first != due:
            raise LedgerError(where, f"divides alpha from attempt {event.first} on where attempt {due} is due", RESTORE)
        if event.attempts == now.attempts:
            what = f"divides alpha as it is divided already: {now.words}"
            raise LedgerError(where, what, "name another number of attempts, or leave it")
        later = divided(self.spendings, due - 1, event.attempts)
        if later is None and now.left_after(due - 1) <= 0:
            raise LedgerError(where, f"divides alpha of which attempts 1 to {due - 1} left nothing", NOTHING_LEFT)
        if later is None:
            what = f"ends at attempt {event.attempts}, and {due - 1} were opened"
            raise LedgerError(where, what, f"name {due} attempts or more: those that were opened count")
        self.spendings.append(later)

    def _open(self, event: Opened, where: str) -> None:
        due = len(self.attempts) + 1
        if event.attempt != due:
            raise LedgerError(where, f"opens attempt {event.attempt} where attempt {due} is due", RESTORE)
        if not self.spendings[-1].part(due):
            what = f"opens attempt {due}, and its alpha was split over {self.spendings[-1].attempts}"
            raise LedgerError(where, what, NOTHING_LEFT)
        if event.plan in self.plans:
            what = f"opens attempt {event.attempt} with the plan of attempt {self.plans[event.plan]}"
            raise LedgerError(where, what, "make a plan for this attempt")
        self.plans[event.plan] = event.attempt
        self.attempts.append(Attempt(event.attempt, event.plan, event.day))

    def _extend(self, event: Extended, where: str) -> None:
        """Only what an attempt came to last goes on: two continuations of one attempt would be two chances at one alpha."""
        now = self._drawn(event.attempt, "extends", where)
        if event.extends != now.plan:
            what = f"extends attempt {now.number} from another plan than it came to last"
            raise LedgerError(where, what, "go on with the run that the attempt came to last")
        if now.closed is None or now.closed.evidence != event.evidence:
            what = f"extends attempt {now.number} on other evidence than it was closed on"
            raise LedgerError(where, what, "decide the run first: `releasegate decide`")
        if event.plan in self.plans:
            what = f"extends attempt {now.number} with the plan of attempt {self.plans[event.plan]}"
            raise LedgerError(where, what, "make a plan for this extension")
        self.plans[event.plan] = now.number
        self.extensions.append(
            Attempt(
                now.number,
                event.plan,
                event.day,
                extends=event.extends,
                went_on_from=event.evidence,
                items=event.items,
            )
        )

    def _draw(self, event: NonceDrawn, line: int, where: str) -> None:
        attempt = self._opened(event.attempt, where)
        if attempt.nonce is not None:
            raise LedgerError(where, f"draws the nonce of attempt {attempt.number} a second time", RESTORE)
        if event.nonce in self.nonces:
            what = f"gives attempt {attempt.number} the nonce of attempt {self.nonces[event.nonce]}"
            raise LedgerError(where, what, "draw 32 random bytes for each attempt")
        self.nonces[event.nonce] = attempt.number
        self._put(replace(attempt, nonce=event.nonce, drawn_at=line))

    def _use(self, event: Used, where: str) -> None:
        attempt = self._drawn(event.attempt, "draws items for", where)
        if attempt.closed is not None:
            what = f"draws items for attempt {attempt.number}, which is closed with verdict {attempt.closed.verdict}"
            raise LedgerError(where, what, "open a new attempt")
        if attempt.extends is not None:
            raise LedgerError(where, f"draws items of a pool for attempt {attempt.number}, as it was extended", RESTORE)
        taken = self.taken.setdefault(event.eval, {})
        for item in event.items:
            if item in taken:
                what = (
                    f"draws item {item!r} of {event.eval} for attempt {attempt.number}; attempt {taken[item]} drew it"
                )
                raise LedgerError(where, what, "draw from the items that no attempt has used")
            taken[item] = attempt.number
        used = {**attempt.used, event.eval: (*attempt.used.get(event.eval, ()), *event.items)}
        self._put(replace(attempt, used=used))

    def _close(self, event: Closed, line: int, where: str) -> None:
        """An attempt may be decided again, after a waiver or when its evidence is too old, but on the same evidence."""
        attempt = self._drawn(event.attempt, "closes", where)
        known = (*self.attempts, *self.extensions)
        attempt = next((k for k in known if (k.number, k.plan) == (event.attempt, event.plan)), attempt)
        if event.plan != attempt.plan:
            what = f"closes attempt {attempt.number} with another plan than it was opened with"
            raise LedgerError(where, what, "decide under the plan that was opened")
        if attempt.closed == event:
            raise LedgerError(where, f"closes attempt {attempt.number} a second time with the same decision", RESTORE)
        if attempt.closed is not None and event.evidence != attempt.closed.evidence:
            what = f"closes attempt {attempt.number} on other evidence than it was closed on before"
            raise LedgerError(where, what, "restore the evidence, or open a new attempt in another run folder")
        self._put(replace(attempt, closed=event, closed_at=line))

    def _opened(self, number: int, where: str) -> Attempt:
        if number > len(self.attempts):
            raise LedgerError(where, f"is about attempt {number}, which was not opened", RESTORE)
        return next((e for e in reversed(self.extensions) if e.number == number), self.attempts[number - 1])

    def _drawn(self, number: int, does: str, where: str) -> Attempt:
        attempt = self._opened(number, where)
        if attempt.nonce is None:
            raise LedgerError(where, f"{does} attempt {number}, whose nonce was not drawn", RESTORE)
        return attempt

    def _put(self, attempt: Attempt) -> None:
        held = self.attempts if attempt.extends is None else self.extensions
        held[next(i for i, known in enumerate(held) if known.plan == attempt.plan)] = attempt


def begin(event: Init | AttemptEvent, where: str) -> Book:
    """No attempts yet, of the family that the first line names.

    Raises:
        LedgerError: it is not a first line.
    """
    if not isinstance(event, Init):
        raise LedgerError(where, "is no first line of a ledger: the lines before it are missing", RESTORE)
    return Book(event.family, [], {}, {}, {}, [Spending(attempts=event.attempts)])
