"""A ledger that was read: its attempts, and what of it can be remembered elsewhere."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from pydantic import TypeAdapter, ValidationError

from releasegate.errors import LedgerError, UsageError
from releasegate.ledger.lines import RESTORE, Closed, Hash, Number
from releasegate.records import Identifier, Record
from releasegate.spending import SERIES, Spending, ruling

_FAMILY: TypeAdapter[str] = TypeAdapter(Identifier)


class Anchor(Record):
    """A place in a ledger that somebody else remembers: how many lines there were, and the hash of the last."""

    count: Number
    head: Hash

    def __str__(self) -> str:
        return f"{self.count}:{self.head}"


@dataclass(frozen=True, slots=True)
class Attempt:
    """What the ledger says about one attempt.

    Attributes:
        number: from 1.
        plan: digest of its plan without the nonce.
        day: when it was opened, `YYYY-MM-DD`.
        nonce: None where whoever opened it stopped before drawing it.
        drawn_at: the line that holds the nonce.
        used: the items of private pools that it drew, by eval.
        closed: how it was decided last; None where it was not.
        closed_at: the line that says so.
        extends: of an extension the plan that it goes on with.
        went_on_from: of an extension the digest of the evidence that it goes on with.
        items: of an extension the fresh items of each measurement that goes on.
    """

    number: int
    plan: str
    day: str
    nonce: str | None = None
    drawn_at: int | None = None
    used: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    closed: Closed | None = None
    closed_at: int | None = None
    extends: str | None = None
    went_on_from: str | None = None
    items: int | None = None


@dataclass(frozen=True, slots=True)
class LedgerView:
    """A ledger that was read and found whole.

    Attributes:
        source: the name of the ledger in messages.
        family: whose attempts it counts.
        hashes: of every line, in order.
        attempts: in order; attempt j is `attempts[j - 1]`.
        extensions: of attempts, in order, each with the number of its attempt.
        spendings: how alpha is spent over attempts, in order; each from its first attempt on.
    """

    source: str
    family: str
    hashes: tuple[str, ...]
    attempts: tuple[Attempt, ...]
    spendings: tuple[Spending, ...] = (SERIES,)
    extensions: tuple[Attempt, ...] = ()

    @property
    def count(self) -> int:
        """Lines."""
        return len(self.hashes)

    @property
    def head(self) -> str:
        """The hash of the last line."""
        return self.hashes[-1]

    @property
    def anchor(self) -> Anchor:
        """What to remember of it elsewhere."""
        return Anchor(count=self.count, head=self.head)

    @property
    def next_attempt(self) -> int:
        """The number that the next attempt to be opened will have."""
        return len(self.attempts) + 1

    def spending(self, attempt: int) -> Spending:
        """The schedule that gives an attempt, opened or to come, its part of alpha."""
        return ruling(self.spendings, attempt)

    def used(self, eval_id: str, before: int | None = None) -> frozenset[str]:
        """The items of an eval's private pool that some attempt drew.

        Args:
            before: look at the attempts before this one alone.
        """
        looked_at = self.attempts if before is None else self.attempts[: before - 1]
        return frozenset(item for attempt in looked_at for item in attempt.used.get(eval_id, ()))

    def anchor_of(self, attempt: Attempt) -> Anchor:
        """What to remember of an attempt whose nonce was drawn: the place of its nonce.

        Who remembers it sees the whole opening of the attempt taken away, not what came before alone.

        Raises:
            LedgerError: its nonce was not drawn.
        """
        if attempt.drawn_at is None:
            raise LedgerError(self.source, f"attempt {attempt.number} has no nonce", "resume its run")
        return Anchor(count=attempt.drawn_at, head=self.hashes[attempt.drawn_at - 1])

    @property
    def plans(self) -> frozenset[str]:
        """The plans that an attempt was opened, or extended, with."""
        return frozenset(known.plan for known in (*self.attempts, *self.extensions))

    def nonces_of(self, attempt: Attempt) -> tuple[str | None, ...]:
        """The nonces that the items of an attempt, or of one as it was extended, derive from, in order."""
        before = () if attempt.extends is None else self.nonces_of(self.attempt_of(attempt.extends))
        return (*before, attempt.nonce)

    def attempt_of(self, plan: str) -> Attempt:
        """The attempt that was opened, or extended, with a plan.

        Args:
            plan: digest of the plan without its nonce.

        Raises:
            LedgerError: there is none.
        """
        for attempt in (*self.attempts, *self.extensions):
            if attempt.plan == plan:
                return attempt
        raise LedgerError(
            self.source,
            f"no attempt was opened with plan {plan}",
            "resume with the plan that was opened, or open a new attempt in another run folder",
        )


def parse_family(text: str, source: str) -> str:
    """The name of a family that `text` is.

    Args:
        source: where it was given, such as `FAMILY`.

    Raises:
        UsageError: it is none.
    """
    try:
        return _FAMILY.validate_python(text)
    except ValidationError:
        fix = "use lower-case letters, digits, '-', '_' and '.', at most 64"
        raise UsageError(source, f"is no name of a family: {text[:80]!r}", fix) from None


def parse_anchor(text: str, source: str) -> Anchor:
    """The anchor that `text` (`COUNT:HASH`) names.

    Args:
        source: where it was given, such as `--anchor`.

    Raises:
        UsageError: it is none.

    >>> parse_anchor("3:" + "a" * 64, "--anchor").count
    3
    """
    if not re.fullmatch("[1-9][0-9]{0,14}:[0-9a-f]{64}", text):
        fix = "give COUNT:HASH as `releasegate ledger show` prints it"
        raise UsageError(source, f"is no anchor: {text[:80]!r}", fix)
    count, head = text.split(":")
    return Anchor(count=int(count), head=head)


def check_family(view: LedgerView, family: str) -> None:
    """Nothing, if the ledger is that of `family`.

    Raises:
        LedgerError: it counts the attempts of another.
    """
    if view.family != family:
        what = f"is the ledger of family {view.family}, not of {family}"
        raise LedgerError(
            f"{view.source}:1", what, f"name the ledger of {family}, or start it: `releasegate ledger init`"
        )


def check_anchor(view: LedgerView, anchor: Anchor) -> None:
    """Nothing, if the ledger goes on from `anchor`.

    Raises:
        LedgerError: lines are missing at the end (a rollback), or another line stands in that place (a fork).
    """
    if view.count < anchor.count:
        what = f"was rolled back: it has {view.count} lines, and the anchor {anchor} has seen {anchor.count}"
        raise LedgerError(view.source, what, RESTORE)
    if view.hashes[anchor.count - 1] != anchor.head:
        what = f"was forked: the anchor has seen another line here, with hash {anchor.head}"
        raise LedgerError(f"{view.source}:{anchor.count}", what, RESTORE)
