"""A ledger with two decided attempts and one that was only opened."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import rfc8785

from releasegate.ledger import AttemptEvent, Closed, NonceDrawn, Opened, Used, append, first_line, parse_ledger


def digits(name: str) -> str:
    """64 hexadecimal digits, the same for the same name."""
    return hashlib.sha256(name.encode()).hexdigest()


def digest(name: str) -> str:
    """A digest, the same for the same name."""
    return f"sha256:{digits(name)}"


def opened(attempt: int, day: str = "2026-01-31") -> Opened:
    """The opening of an attempt with a plan of its own."""
    return Opened(attempt=attempt, plan=digest(f"plan {attempt}"), day=day)


def drawn(attempt: int) -> NonceDrawn:
    """The nonce of an attempt."""
    return NonceDrawn(attempt=attempt, nonce=digits(f"nonce {attempt}"))


def used(attempt: int, *items: str) -> Used:
    """Items that an attempt drew from the pool of the eval `questions`."""
    return Used(attempt=attempt, eval="questions", items=items)


def closed(attempt: int, **changes: Any) -> Closed:
    """The closing of an attempt."""
    given = {"plan": digest(f"plan {attempt}"), "evidence": digest(f"evidence {attempt}"), "verdict": "withhold"}
    return Closed(**{"attempt": attempt, **given, "decision": digest(f"decision {attempt}"), **changes})


EVENTS: tuple[AttemptEvent, ...] = (
    opened(1),
    drawn(1),
    used(1, "q1", "q2"),
    closed(1),
    opened(2),
    drawn(2),
    used(2, "q3"),
    closed(2, verdict="release"),
    opened(3),
)


def ledger(*events: AttemptEvent, family: str = "tiny") -> bytes:
    """The ledger that these events make."""
    text = first_line(family)
    for event in events:
        text += append(parse_ledger(text, "made"), event)
    return text


def chained(*lines: dict[str, Any]) -> bytes:
    """Lines bound as a forger would who knows the format: numbers, `previous` and `hash` all fit."""
    text, previous = b"", "0" * 64
    for number, line in enumerate(lines, 1):
        data = {**line, "number": number, "previous": previous}
        previous = hashlib.sha256(rfc8785.dumps(data)).hexdigest()
        text += json.dumps({**data, "hash": previous}, separators=(",", ":")).encode() + b"\n"
    return text


def contents(text: bytes) -> list[dict[str, Any]]:
    """What each line says, without what binds it to its place."""
    lines = [json.loads(line) for line in text.splitlines()]
    return [{k: v for k, v in line.items() if k not in ("number", "previous", "hash")} for line in lines]
