"""How calls to a hub are made: the token, the address, time limits, and a client that keeps quiet about all of them."""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from releasegate.errors import HubError, UsageError

TIMEOUT_S = 120.0
"""Seconds without a byte after which a call is given up; a large commit takes a hub about one minute."""
LONGEST_WAIT_S = 330
"""Seconds that a hub may ask to wait between calls: the Hugging Face hub counts calls over five minutes."""
MOST_CALLS = 50_000
"""Calls of one push: a list whose pages lead in a circle ends there."""
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


class Unwilling(RuntimeError):
    """The hub asks for more patience than anybody should have; the first argument says what for."""


@dataclass(slots=True)
class Session:
    """A token and an address; `timeout` is read at each call."""

    endpoint: str
    token: str = field(repr=False)
    timeout: float = TIMEOUT_S
    calls: int = 0


def checked_endpoint(text: str) -> str:
    """The address of a hub, without a slash at its end.

    Raises:
        UsageError: it is no plain https address (http is for a hub on this machine alone: a token travels with it).

    >>> checked_endpoint("https://hub.example/")
    'https://hub.example'
    """
    parts = urlsplit(text.rstrip("/"))
    local = parts.scheme == "http" and parts.hostname in _LOOPBACK
    if not parts.hostname or parts.username or parts.password or parts.query or parts.fragment:
        raise UsageError("HF_ENDPOINT", "is no plain address of a hub", "give it as https://host, or unset it")
    if parts.scheme != "https" and not local:
        raise UsageError(
            "HF_ENDPOINT",
            "is not reached by https, so that anybody on the way could read the token",
            "give an address that begins with https://",
        )
    return text.rstrip("/")


@contextmanager
def open_session(endpoint: str | None = None) -> Iterator[Session]:
    """A session with the hub at `endpoint`, by default that of HF_ENDPOINT or the Hugging Face hub.

    While it lasts, every call of huggingface_hub has a time limit, and the library neither logs nor warns: its lines hold
    signed addresses.

    Raises:
        As `require_hub`.
    """
    session = require_hub(endpoint)
    with _limited(session), _quiet():
        yield session


def require_hub(endpoint: str | None = None) -> Session:
    """The address and the token, which is that of HF_TOKEN or the one that `hf auth login` stored. Nothing is called.

    Raises:
        HubError: the environment forbids the network, or there is no token.
        UsageError: the address is not one that a token may be sent to.
    """
    from huggingface_hub import constants, errors, get_token

    address = checked_endpoint(endpoint or os.environ.get("HF_ENDPOINT") or constants.ENDPOINT)
    if constants.is_offline_mode():
        raise HubError(
            "HF_HUB_OFFLINE",
            "forbids every call to a hub, so that nothing can be pushed",
            "unset HF_HUB_OFFLINE and TRANSFORMERS_OFFLINE, and run the same command again",
        )
    try:
        token = get_token()
    except getattr(errors, "OIDCError", LookupError):
        what = "names a trusted publisher, and the hub gave no token for it"
        raise HubError(
            "HF_OIDC_RESOURCE", what, "give the job an identity token, or unset it and set HF_TOKEN"
        ) from None
    if not token:
        raise HubError(
            "HF_TOKEN",
            "there is no token for the hub",
            "set HF_TOKEN to a token that may write to the organisation, or log in with `hf auth login`",
        )
    if not (token.isascii() and token.isprintable()) or " " in token:
        raise HubError("HF_TOKEN", "is no token of a hub", "set it to the token alone, without spaces or line ends")
    return Session(address, token)


@contextmanager
def _limited(session: Session) -> Iterator[None]:
    """huggingface_hub's client, with a time limit on each call and on what the hub may ask to wait."""
    from huggingface_hub import close_session, set_client_factory
    from huggingface_hub.utils import _http

    def limit(request: Any) -> None:
        session.calls += 1
        if session.calls > MOST_CALLS:
            raise Unwilling(f"it takes more than {MOST_CALLS:,} calls")
        request.extensions = {
            **request.extensions,
            "timeout": dict.fromkeys(("connect", "read", "write", "pool"), session.timeout),
        }

    def weigh(response: Any) -> None:
        if response.status_code in (429, 503) and longest_wait(response.headers) > LONGEST_WAIT_S:
            raise Unwilling(f"it asks to wait longer than {LONGEST_WAIT_S} s")

    def client() -> Any:
        made = _http.default_client_factory()
        hooks = made.event_hooks
        made.event_hooks = {"request": [*hooks["request"], limit], "response": [*hooks["response"], weigh]}
        return made

    set_client_factory(client)
    try:
        yield
    finally:
        close_session()
        set_client_factory(_http.default_client_factory)


def longest_wait(headers: Any) -> int:
    """The seconds that a hub asks to wait before the next call; 0 where it does not say.

    >>> longest_wait({"retry-after": "7"}), longest_wait({"ratelimit": '"api";r=0;t=55'}), longest_wait({})
    (7, 55, 0)
    """
    asked = str(headers.get("retry-after", "")).strip()
    times = [int(asked)] if asked.isdecimal() and len(asked) < 10 else [LONGEST_WAIT_S + 1] if asked.isdecimal() else []
    for part in str(headers.get("ratelimit", "")).split(";"):
        name, _, value = part.strip().partition("=")
        if name == "t" and value.isdecimal():
            times.append(int(value[:9]))
    return max(times, default=0)


@contextmanager
def _quiet() -> Iterator[None]:
    """huggingface_hub without log lines, bars and warnings."""
    from huggingface_hub.utils.tqdm import are_progress_bars_disabled, disable_progress_bars, enable_progress_bars

    logger = logging.getLogger("huggingface_hub")
    level, bars = logger.level, not are_progress_bars_disabled()
    logger.setLevel(logging.CRITICAL)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        disable_progress_bars()
        try:
            yield
        finally:
            if bars:
                enable_progress_bars()
            logger.setLevel(level)
