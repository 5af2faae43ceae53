"""Keeping a repository private unless everything went well: whatever ends a push early, a signal too, ends here."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Literal, Self

from releasegate.errors import HubError, ReleaseGateError
from releasegate.publishing.hub.answers import AGAIN, State
from releasegate.publishing.hub.hub import Hub, NameTaken
from releasegate.publishing.hub.name import HubRepository

SETTLING_S = (0.0, 1.0, 3.0)
"""Seconds before each time it is made private, where a call that publishes it was cut off: that one may come in late."""
_TIMEOUT_S = 10.0
"""Seconds a call may take while cleaning up: whoever runs the job may end it soon."""


class KeptPrivate:
    """A context in which a repository is filled and published; left by an error, the repository is private.

    Nothing in it is deleted. A `HubError` goes on with what state the repository is in; for a signal that is told to
    `watch`.
    """

    def __init__(self, hub: Hub, repository: HubRepository, watch: Callable[[str], None]) -> None:
        self._hub, self._repository, self._watch = hub, repository, watch
        self._asked_public = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> Literal[False]:
        if error is None:
            return False
        if isinstance(error, NameTaken):
            raise _with(error, "that repository is not ours, and was left as it is") from None
        with _undisturbed():
            state = self._secured()
        if isinstance(error, ReleaseGateError):
            raise _with(error, state) from None
        self._watch(f"{self._repository}: stopped; {state}")
        return False

    def asks_public(self) -> None:
        """Nothing; from now on a call that was cut off may still make the repository public, whatever its state says."""
        self._asked_public = True

    def _secured(self) -> str:
        """Makes the repository private, and says what it is then."""
        hub, repository = self._hub, self._repository
        before, hub.session.timeout = hub.session.timeout, min(_TIMEOUT_S, hub.session.timeout)
        hub.session.calls = 0
        try:
            return _private(hub, repository, asked_public=self._asked_public)
        finally:
            hub.session.timeout = before


def _private(hub: Hub, repository: HubRepository, *, asked_public: bool) -> str:
    private = False
    try:
        state = hub.state(repository)
        if state is None:
            return "the repository was not made, or the token may not see it"
        private = state.private
    except HubError:
        pass  # what cannot be seen is made private all the same
    if private and not asked_public:
        return "the repository is private"
    problem = ""
    for pause in SETTLING_S if asked_public else (0,):
        time.sleep(pause)
        problem = _made_private(hub, repository)
    if not problem:
        return "the repository is private" if private else "the repository was made private again"
    return (
        f"THE REPOSITORY MAY BE PUBLIC: it could not be made private ({problem}); "
        f"make it private by hand now, at {hub.address(repository)}/settings"
    )


def _made_private(hub: Hub, repository: HubRepository) -> str:
    """What is wrong after the hub was told to make the repository private; nothing where it is."""
    said = ""
    try:
        hub.set_private(repository, private=True)
    except HubError as failed:  # an answer that was lost says nothing: the state does
        said = failed.problems[0].what
    try:
        still_private(hub, repository)
    except HubError as failed:
        return said or failed.problems[0].what
    return ""


def still_private(hub: Hub, repository: HubRepository) -> State:
    """The state of a repository that nobody else sees.

    Raises:
        HubError: it is gone, or public.
    """
    state = hub.state(repository)
    if state is None:
        raise HubError(str(repository), "the hub does not know it any more", AGAIN)
    if not state.private:
        what = "it is public, which it must not be yet"
        raise HubError(str(repository), what, "look who else sets it up, and run the same command again")
    return state


def _with(error: ReleaseGateError, state: str) -> HubError:
    problem = error.problems[0]
    return HubError(problem.where, f"{problem.what}; {state}", problem.fix)


@contextmanager
def _undisturbed() -> Iterator[None]:
    """A second signal, of somebody in a hurry, does not stop the cleaning up."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, signal.SIG_IGN) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)
