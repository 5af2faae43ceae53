"""The calls to a hub that a push makes: each ends, and each failure is one sentence without a secret in it.

huggingface_hub is imported when a session is opened.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote

from releasegate.errors import HubError
from releasegate.publishing.hub.answers import AGAIN, REMEDIES, Content, Gating, HubFile, Reading, State, meaning, shown
from releasegate.publishing.hub.name import HubRepository
from releasegate.publishing.hub.session import Session, Unwilling, longest_wait, open_session

if TYPE_CHECKING:
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete

T = TypeVar("T")

_ATTEMPTS = 3
_PAUSE_S = 1.0
_TRANSIENT = (408, 429, 500, 502, 503, 504)
_MOST_FILES = 100_000
"""Entries of one tree; a hub that lists without end is cut off there."""
MAIN = "main"


class NameTaken(HubError):
    """Somebody made a repository of this name meanwhile."""


class Hub:
    """A hub within a session."""

    def __init__(self, session: Session) -> None:
        from huggingface_hub import HfApi

        self.session = session
        self._api = HfApi(endpoint=session.endpoint, token=session.token)

    def address(self, repository: HubRepository) -> str:
        """Where a person finds the repository."""
        return f"{self.session.endpoint}/{repository.id}"

    def state(self, repository: HubRepository) -> State | None:
        """The repository as it is now; None where the hub knows none of this name, or does not say so to this token.

        Raises:
            HubError: the hub does not answer, or answers for a repository of another name.
        """
        from huggingface_hub.errors import RepositoryNotFoundError

        def ask() -> Any:
            try:
                return self._api.model_info(repository.id, timeout=self.session.timeout)
            except RepositoryNotFoundError as absent:
                if absent.response.status_code == 404:
                    return None
                raise

        info = self._call(repository, "its state was asked for", ask, again=True)
        if info is None:
            return None
        if info.id != repository.id:
            raise HubError(
                str(repository),
                f"the hub answers for {shown(str(info.id), self.session.token)!r}, as if it had been renamed",
                "give the name that the repository has now",
            )
        private, gated, head = info.private, info.gated, info.sha
        if (
            not isinstance(private, bool)
            or gated not in ("auto", "manual", False, None)
            or not _commit(head, absent=True)
        ):
            raise self._senseless(repository, "its state was asked for")
        return State(private, gated or False, head)

    def create(self, repository: HubRepository) -> None:
        """Nothing; there is a new private repository, as far as the hub says.

        Raises:
            NameTaken: there is one already.
            HubError: it could not be made; it may be there all the same if the answer was lost.
        """
        self._call(repository, "it was made", lambda: self._api.create_repo(repository.id, private=True))

    def set_private(self, repository: HubRepository, *, private: bool) -> None:
        """Nothing; the hub took the call that says who may see the repository."""
        step = f"it was made {'private' if private else 'public'}"
        self._call(repository, step, lambda: self._api.update_repo_settings(repository.id, private=private), again=True)

    def set_gated(self, repository: HubRepository, gated: Gating) -> None:
        """Nothing; the hub took the call that says whether who downloads must ask first."""
        step = "access to it was set"
        self._call(repository, step, lambda: self._api.update_repo_settings(repository.id, gated=gated), again=True)

    def refs(self, repository: HubRepository) -> dict[str, str]:
        """The commit of every branch, tag, conversion and pull request, by its full name."""

        def ask() -> dict[str, str]:
            refs = self._api.list_repo_refs(repository.id, include_pull_requests=True)
            every = [*refs.branches, *refs.converts, *refs.tags, *(refs.pull_requests or ())]
            found = {str(ref.ref): ref.target_commit for ref in every}
            if len(found) != len(every) or not all(_commit(commit) for commit in found.values()):
                raise ValueError("a ref twice, or without a commit")
            return found

        return self._call(repository, "its branches were listed", ask, again=True)

    def commits(self, repository: HubRepository, commit: str) -> tuple[str, ...]:
        """A commit and every one before it, the newest first."""

        def ask() -> tuple[str, ...]:
            found = tuple(one.commit_id for one in self._api.list_repo_commits(repository.id, revision=commit))
            if commit not in found or not all(_commit(one) for one in found):
                raise ValueError("a history without its own head")
            return found

        return self._call(repository, "its history was listed", ask)

    def tree(self, repository: HubRepository, commit: str) -> tuple[HubFile, ...]:
        """Every file at a commit, sorted by path."""

        def ask() -> tuple[HubFile, ...]:
            listed = self._api.list_repo_tree(repository.id, recursive=True, revision=commit)
            entries = list(islice(listed, _MOST_FILES + 1))
            files = sorted(map(_file, (one for one in entries if hasattr(one, "blob_id"))), key=lambda one: one.path)
            if len(entries) > _MOST_FILES or len({one.path for one in files}) != len(files):
                raise ValueError("a file twice, or files without end")
            return tuple(files)

        return self._call(repository, "its files were listed", ask)

    def upload(self, repository: HubRepository, addition: CommitOperationAdd) -> None:
        """Nothing; the hub has the bytes of a large file, which no commit names yet. One that it has is not sent."""
        step = f"{addition.path_in_repo} was uploaded"
        self._call(
            repository,
            step,
            lambda: self._api.preupload_lfs_files(
                repository.id, additions=[addition], revision=MAIN, num_threads=1, free_memory=False
            ),
        )

    def commit(
        self,
        repository: HubRepository,
        operations: Sequence[CommitOperationAdd | CommitOperationDelete],
        message: str,
        parent: str | None,
    ) -> str:
        """The commit that the operations made on top of `parent`.

        Raises:
            HubError: the head is no longer `parent`, or the hub did not take it; it may have all the same if the
                answer was lost.
        """

        def ask() -> str:
            made = self._api.create_commit(
                repository.id, operations, commit_message=message, revision=MAIN, parent_commit=parent, num_threads=1
            )
            if not _commit(made.oid):
                raise ValueError("a commit without a name")
            return str(made.oid)

        return self._call(repository, "the files were committed", ask)

    def content(self, repository: HubRepository, commit: str, path: str, most: int) -> Content:
        """A file as the hub hands it out: downloaded, and kept nowhere.

        Args:
            most: bytes after which reading stops: what is larger is wrong anyway.
        """
        from huggingface_hub import get_session
        from huggingface_hub.utils._headers import build_hf_headers
        from huggingface_hub.utils._http import hf_raise_for_status

        url = f"{self.session.endpoint}/{repository.id}/resolve/{commit}/{quote(path)}"
        headers = {**build_hf_headers(token=self.session.token), "accept-encoding": "identity"}

        def ask() -> Content:
            reading = Reading()
            with get_session().stream("GET", url, headers=headers, follow_redirects=True) as answer:
                if answer.status_code >= 400:
                    answer.read()
                hf_raise_for_status(answer)
                for piece in answer.iter_bytes(1 << 20):
                    reading.take(piece)
                    if reading.size > most:
                        break
            return reading.content()

        return self._call(repository, f"{shown(path)} was downloaded for comparison", ask, again=True)

    def _call(self, repository: HubRepository, step: str, ask: Callable[[], T], *, again: bool = False) -> T:
        """What a call gives.

        Args:
            step: what was being done, as it stands after "when".
            again: whether the call changes nothing that was done already, so that it may be repeated.
        """
        from huggingface_hub.errors import HfHubHTTPError

        http_error: type[Exception] = HfHubHTTPError.__mro__[1]  # that of the client: httpx, or what came after it
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                return ask()
            except (http_error, OSError, RuntimeError, ValueError, KeyError, TypeError, AttributeError) as error:
                cause = _first_cause(error, (http_error, Unwilling))
                wait = _wait(cause, http_error, attempt)
                if not again or attempt == _ATTEMPTS or wait is None:
                    raise self._failure(repository, step, cause, http_error) from None
            time.sleep(wait)
        raise AssertionError("every attempt returns or raises")

    def _failure(self, repository: HubRepository, step: str, error: BaseException, http_error: type) -> HubError:
        """The sentence for what a call raised. No text of the client's goes into it: it may hold signed addresses."""
        status = _status(error)
        if status is not None:
            said = shown(str(getattr(error, "server_message", None) or ""), self.session.token)
            failure = self._refused(repository, step, meaning(status) + (f" ({said})" if said else ""))
            if status == 409 and step == "it was made":
                problem = failure.problems[0]
                return NameTaken(problem.where, problem.what, REMEDIES[409])
            return HubError(str(repository), failure.problems[0].what, REMEDIES.get(status, AGAIN))
        if isinstance(error, Unwilling):
            return self._refused(repository, step, str(error))
        if isinstance(error, http_error):
            kind = type(error).__name__
            broke = f"gave no answer within {self.session.timeout:g} s" if "Timeout" in kind else "broke the connection"
            unreached = "could not be reached" if "Connect" in kind and "Timeout" not in kind else broke
            return HubError(str(repository), f"the hub {unreached} when {step}", AGAIN)
        if isinstance(error, OSError) and error.filename is not None:
            what = f"{error.filename} could not be read when {step}: {error.strerror}"
            return HubError(str(repository), what, "export the run again, and push the folder that it writes")
        return self._senseless(repository, step)

    def _refused(self, repository: HubRepository, step: str, what: str) -> HubError:
        return HubError(str(repository), f"the hub refused when {step}: {what}", AGAIN)

    def _senseless(self, repository: HubRepository, step: str) -> HubError:
        return HubError(str(repository), f"the hub's answer makes no sense when {step}", AGAIN)


@contextmanager
def open_hub(endpoint: str | None = None) -> Iterator[Hub]:
    """A hub to push to: that of `endpoint`, of HF_ENDPOINT, or the Hugging Face hub.

    Raises:
        HubError: the environment forbids the network, or there is no token.
        UsageError: the address is not one that a token may be sent to.
    """
    with open_session(endpoint) as session:
        yield Hub(session)


def _file(entry: Any) -> HubFile:
    lfs = entry.lfs
    file = HubFile(entry.path, entry.size, entry.blob_id, None if lfs is None else f"sha256:{lfs.sha256}")
    sound = isinstance(file.path, str) and type(file.size) is int and isinstance(file.blob, str)
    if not sound or (lfs is not None and lfs.size != file.size):
        raise ValueError("an entry of a tree that is none")
    return file


def _commit(value: object, *, absent: bool = False) -> bool:
    """Whether a value is the full name of a commit."""
    if value is None:
        return absent
    return isinstance(value, str) and len(value) in (40, 64) and all(sign in "0123456789abcdef" for sign in value)


def _first_cause(error: BaseException, kinds: tuple[type, ...]) -> BaseException:
    """The failure of a call that the client wrapped in an error of its own, or the error itself."""
    at: BaseException | None = error
    while at is not None:
        if isinstance(at, kinds):
            return at
        at = at.__cause__
    return error


def _status(error: BaseException) -> int | None:
    response = getattr(error, "response", None)
    status = getattr(response, "status_code", None)
    return status if isinstance(status, int) else None


def _wait(error: BaseException, http_error: type, attempt: int) -> float | None:
    """Seconds until the next attempt; None where another one would end the same."""
    status = _status(error)
    if status is None:
        return _PAUSE_S * 3.0 ** (attempt - 1) if isinstance(error, http_error) else None
    if status not in _TRANSIENT:
        return None
    asked = longest_wait(error.response.headers)  # type: ignore[attr-defined]
    return max(float(asked), _PAUSE_S * 3.0 ** (attempt - 1))
