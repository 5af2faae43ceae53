"""The ledger of a family: every attempt to publish, in order, each line bound to the line before. Pure.

Alpha is spent over attempts as the first line says, until a line divides what is left of it anew::

    scheduled the number of attempts that it is split over from here on

One attempt is four kinds of line::

    opened    the digest of a plan: from here on the attempt is spent
    nonce     what its items derive from, drawn once, after the plan was fixed
    used      items that a private pool gave away for good
    closed    the digests of plan, evidence and decision, and the verdict; again, if the same evidence is decided otherwise

An attempt that was closed may go on, at its own alpha: then it is closed again, on the evidence of before and fresh items::

    extended  the digest of the extended plan, of the one before and of its evidence; another nonce follows

Every line holds its number, the hash of the line before, and its own hash. A changed, inserted, moved or removed line
breaks the chain. Lines removed from the end do not: only an anchor, a (count, hash) kept elsewhere, shows that.
"""

from __future__ import annotations

from releasegate.errors import LedgerError
from releasegate.ledger.book import Book, begin
from releasegate.ledger.lines import (
    GENESIS,
    RESTORE,
    AttemptEvent,
    Closed,
    Extended,
    Init,
    ItemId,
    Link,
    Nonce,
    NonceDrawn,
    Opened,
    Outcome,
    Scheduled,
    Used,
    line_of,
    parse_line,
)
from releasegate.ledger.view import Anchor, Attempt, LedgerView, check_anchor, check_family, parse_anchor, parse_family

__all__ = [
    "MAX_BYTES",
    "RESTORE",
    "Anchor",
    "Attempt",
    "AttemptEvent",
    "Closed",
    "Extended",
    "ItemId",
    "LedgerView",
    "Nonce",
    "NonceDrawn",
    "Opened",
    "Outcome",
    "Scheduled",
    "Used",
    "append",
    "check_anchor",
    "check_family",
    "first_line",
    "parse_anchor",
    "parse_family",
    "parse_ledger",
]

MAX_BYTES = 64 << 20
CUT_OFF = (
    "restore the ledger from where it is kept; if the machine stopped while this line was written, remove this line "
    "alone, and check the rest with `releasegate ledger verify --anchor`"
)


def first_line(family: str, attempts: int | None = None) -> bytes:
    """The line that a new ledger consists of.

    Args:
        attempts: the number of attempts that alpha is split over evenly; None: the open-ended series.

    Raises:
        UsageError: `family` is not a name.

    >>> parse_ledger(first_line("chameleon"), "example").family
    'chameleon'
    """
    return line_of(Init(family=parse_family(family, "family"), attempts=attempts), 1, GENESIS)


def append(view: LedgerView, event: AttemptEvent) -> bytes:
    """The line that adds `event` to a ledger.

    Raises:
        LedgerError: the event does not follow from the ledger.

    >>> view = parse_ledger(first_line("chameleon"), "example")
    >>> line = append(view, Opened(attempt=1, plan="sha256:" + "1" * 64, day="2026-01-31"))
    >>> parse_ledger(first_line("chameleon") + line, "example").next_attempt
    2
    """
    Book.of(view).add(event, view.count + 1, view.source)
    return line_of(event, view.count + 1, view.head)


def parse_ledger(text: bytes, source: str) -> LedgerView:
    """The ledger that `text` holds, every line of it checked.

    Args:
        source: its name in messages.

    Raises:
        LedgerError: it is empty, too large or cut off; a line is no line of a ledger, was changed, inserted, moved or
            removed, or does not follow from those before.
    """
    if not text:
        raise LedgerError(source, "is empty: the ledger was truncated, or its making was cut off", RESTORE)
    if len(text) > MAX_BYTES:
        raise LedgerError(source, f"is larger than {MAX_BYTES >> 20} MiB", RESTORE)
    *lines, rest = text.split(b"\n")
    book: Book | None = None
    hashes: list[str] = []
    for number, raw in enumerate(lines, 1):
        where = f"{source}:{number}"
        event, link = parse_line(raw, where)
        _check_link(link, number, hashes[-1] if hashes else GENESIS, where)
        hashes.append(link.hash)
        if book is None:
            book = begin(event, where)
        else:
            book.add(event, number, where)
    if rest:
        raise LedgerError(f"{source}:{len(lines) + 1}", "is cut off in the middle of the line", CUT_OFF)
    assert book is not None, "text without a newline is cut off"
    return LedgerView(
        source, book.family, tuple(hashes), tuple(book.attempts), tuple(book.spendings), tuple(book.extensions)
    )


def _check_link(link: Link, number: int, previous: str, where: str) -> None:
    if link.number != number:
        what = f"is line {link.number}, and line {number} belongs here: lines were removed, inserted or moved"
        raise LedgerError(where, what, RESTORE)
    if link.previous != previous:
        raise LedgerError(where, "does not follow from the line before: one of the two was replaced", RESTORE)
