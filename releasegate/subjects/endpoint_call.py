"""One question to a server that speaks OpenAI's protocol: asked again only where nothing was answered.

What is asked again is a question whose answer never came whole: no connection, a time-out, a body that was cut off or is no
JSON, status 408, 429 or 5xx. An answer that came is kept, whatever it says: to ask until one pleases would choose among them.
"""

from __future__ import annotations

import json
import random
import re
import socket
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, NamedTuple

import httpx

from releasegate.subjects.language import NoAnswer

MOST_BYTES = 16 << 20
"""Of an answer."""
FIRST_WAIT, LONGEST_WAIT = 0.5, 60.0
"""Seconds before a question is asked a second time, and the most before any."""
AGAIN = frozenset({408, 425, 429, 500, 502, 503, 504, 520, 522, 524, 529})
"""Statuses of a server that may answer later."""
_CODE = re.compile(r"[A-Za-z][\w.-]{0,59}")


@dataclass(frozen=True)
class Patience:
    """How often and how long a question is asked.

    Attributes:
        attempts: at most, of one question.
        seconds: of one attempt, from the first byte sent to the last received.
        total: seconds for one question, waits included, after which it is not asked again.
    """

    attempts: int
    seconds: float
    total: float


class Replied(NamedTuple):
    """The object that a server answered with."""

    body: Mapping[str, Any]


class _Unanswered(NamedTuple):
    """Why an attempt came to nothing, and the seconds that the server asked to be left alone for."""

    why: str
    wait: float | None = None


class Allowance:
    """Tokens that may be asked for in all, so that nobody pays for more; safe among threads.

    Args:
        tokens: at most; None where nothing limits them.
    """

    def __init__(self, tokens: int | None) -> None:
        self._left = tokens
        self._lock = threading.Lock()

    def take(self, tokens: int) -> bool:
        """Whether so many may be asked for; they are counted then, whatever the server makes of it."""
        with self._lock:
            if self._left is None:
                return True
            if tokens > self._left:
                return False
            self._left -= tokens
            return True


SPENT = "not asked: the tokens that may be asked for in all are used up"


def asked(
    client: httpx.Client,
    path: str,
    question: Mapping[str, Any],
    patience: Patience,
    rng: random.Random,
    allowance: Allowance,
) -> Replied | NoAnswer:
    """What the server answered, or why it did not.

    Args:
        client: whose base address is the server's.
        path: below it.
        question: is sent as JSON.
        patience: how often it is asked.
        rng: spreads the waits, so that questions which failed together do not come back together.
        allowance: of which every attempt takes the question's `max_tokens`.
    """
    begun, attempt = time.monotonic(), 0
    while True:
        if not allowance.take(question["max_tokens"]):
            return NoAnswer(SPENT)
        attempt += 1
        found = _attempt(client, path, question, patience.seconds)
        if not isinstance(found, _Unanswered):
            return found
        wait = min(found.wait if found.wait is not None else FIRST_WAIT * 2 ** (attempt - 1), LONGEST_WAIT)
        wait *= 1 + rng.random() / 4
        if attempt == patience.attempts or time.monotonic() - begun + wait > patience.total:
            times = f"{attempt} attempt{'s' if attempt > 1 else ''}"
            return NoAnswer(f"no answer after {times}: {found.why}")
        time.sleep(wait)


class _Deadline:
    """Ends an attempt on time, whatever trickles in: a time-out of httpx is one of each wait, and begins anew with every byte.

    Used as a context; `trace` goes with the request, as an extension of httpx.
    """

    def __init__(self, seconds: float) -> None:
        self._timer = threading.Timer(seconds, self._end)
        self._timer.daemon = True
        self._lock = threading.Lock()
        self._stream: Any = None
        self.over = False

    def __enter__(self) -> _Deadline:
        self._timer.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()

    def trace(self, event: str, info: Mapping[str, Any]) -> None:
        """Nothing; told of a connection, it knows which one to end."""
        if event in ("connection.connect_tcp.complete", "connection.start_tls.complete"):
            with self._lock:
                self._stream = info["return_value"]
            if self.over:
                self._end()

    def _end(self) -> None:
        self.over = True
        with self._lock:
            held = None if self._stream is None else self._stream.get_extra_info("socket")
        if held is not None:
            with suppress(OSError):  # closed already
                held.shutdown(socket.SHUT_RDWR)


def _attempt(
    client: httpx.Client, path: str, question: Mapping[str, Any], seconds: float
) -> Replied | NoAnswer | _Unanswered:
    """One attempt."""
    deadline = _Deadline(seconds)
    try:
        with (
            deadline,
            client.stream(
                "POST", path, json=question, timeout=seconds, extensions={"trace": deadline.trace}
            ) as response,
        ):
            text = _body(response)
    except httpx.TimeoutException:
        return _Unanswered(f"nothing within {seconds:g} s")
    except httpx.HTTPError as error:
        failed = f"the connection failed ({type(error).__name__})"
        return _Unanswered(f"not all of it within {seconds:g} s" if deadline.over else failed)
    if text is None or deadline.over:
        return _Unanswered(f"not all of it within {seconds:g} s and {MOST_BYTES:,} bytes")
    parsed = _parsed(text)
    if response.status_code in AGAIN:
        return _Unanswered(f"status {response.status_code}{_code(parsed)}", _asked_to_wait(response))
    if response.status_code != httpx.codes.OK:
        return NoAnswer(f"the server refused: status {response.status_code}{_code(parsed)}")
    return _Unanswered("half an answer: what came is no JSON object") if parsed is None else Replied(parsed)


def _body(response: httpx.Response) -> bytes | None:
    """All bytes of a response, unless they are too many."""
    parts: list[bytes] = []
    size = 0
    for part in response.iter_bytes():
        parts.append(part)
        size += len(part)
        if size > MOST_BYTES:
            return None
    return b"".join(parts)


def _parsed(text: bytes) -> Mapping[str, Any] | None:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _code(body: Mapping[str, Any] | None) -> str:
    """The code of an error, if it is a plain word. The message is left out: it may repeat the question."""
    error = body.get("error") if body is not None else None
    codes = [error.get(key) for key in ("code", "type")] if isinstance(error, dict) else []
    found = next((code for code in codes if isinstance(code, str) and _CODE.fullmatch(code)), None)
    return f" ({found})" if found else ""


def _asked_to_wait(response: httpx.Response) -> float | None:
    stated = response.headers.get("retry-after", "")
    return float(stated) if re.fullmatch(r"\d{1,6}(\.\d{1,6})?", stated) else None
