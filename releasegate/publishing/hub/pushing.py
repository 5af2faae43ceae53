"""Pushing a release to a hub: private first, compared byte for byte after the upload, and only then public."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from releasegate.errors import HubError
from releasegate.publishing.hub.answers import Gating, State
from releasegate.publishing.hub.comparing import compare
from releasegate.publishing.hub.history import look_through, same_refs
from releasegate.publishing.hub.hub import MAIN, Hub
from releasegate.publishing.hub.keeping import KeptPrivate, still_private
from releasegate.publishing.hub.name import HubRepository
from releasegate.publishing.hub.pushable import GITATTRIBUTES, UNANCHORED, Pushable
from releasegate.publishing.hub.sending import send

Watch = Callable[[str], None]

_GATING: dict[str, Gating] = {"open_weights": False, "gated_weights": "manual"}
"""The channels that hand out weights, and whether who downloads must ask first."""
_RELEASABLE = ("release", "release_stripped")


@dataclass(frozen=True, slots=True)
class Pushed:
    """A release that is public."""

    repository: str
    commit: str
    url: str
    sent: int
    """Files that were sent; 0 where the repository had them all."""


def push(release: Pushable, repository: HubRepository, hub: Hub, watch: Watch) -> Pushed:
    """Where the release is public now, with every file as it was verified.

    A push that was cut off goes on where it stopped when it is run again. One that fails leaves the repository private,
    and deletes nothing.

    Args:
        watch: is told what is being done, a line at a time.

    Raises:
        HubError: the release may not be pushed, the repository is not fit for it, or a step failed; the sentence says
            which, and what state the repository is in.
    """
    gating = _gating(release)
    state = _first_state(hub, repository)
    if state is not None and not state.private:
        return _published(release, repository, hub, state, gating, watch)
    with KeptPrivate(hub, repository, watch) as kept:
        if state is None:
            watch(f"making {repository}, private")
            hub.create(repository)
        state = still_private(hub, repository)
        watch(f"looking through the history of {repository}")
        refs = look_through(hub, repository, release, watch)
        commit, sent = send(hub, repository, release, state.head, watch)
        expected = {**refs, f"refs/heads/{MAIN}": commit}
        compare(hub, repository, release, commit, watch)
        _at(still_private(hub, repository), repository, commit)
        same_refs(hub, repository, expected)
        watch(f"making {repository} public")
        _gate(hub, repository, gating)
        kept.asks_public()
        hub.set_private(repository, private=False)
        _check_public(hub, repository, commit, expected, gating)
    return Pushed(str(repository), commit, hub.address(repository), sent)


def _first_state(hub: Hub, repository: HubRepository) -> State | None:
    """The repository before anything is done to it; None where there is none.

    Raises:
        HubError: the hub does not say.
    """
    try:
        return hub.state(repository)
    except HubError as unseen:
        problem = unseen.problems[0]
        raise HubError(problem.where, f"{problem.what}; nothing was sent to it", problem.fix) from None


def _gating(release: Pushable) -> Gating:
    """Whether who downloads must ask first.

    Raises:
        HubError: the release may not be pushed at all.
    """
    problems = {
        f"the verdict is {release.verdict}": release.verdict not in _RELEASABLE,
        f"the channel is {release.channel}, which hands out no weights": release.channel not in _GATING,
    }
    for what, so in problems.items():
        if so:
            raise HubError(
                str(release.folder), f"{what}: nothing of it goes to a hub", "change the model, not the verdict"
            )
    if not release.anchored:
        raise HubError(str(release.folder), *UNANCHORED)
    if GITATTRIBUTES not in (*release.files, *release.may_differ):
        raise HubError(
            str(release.folder),
            f"a hub adds {GITATTRIBUTES}, which the policy does not let differ: nobody could verify what they download",
            f"name {GITATTRIBUTES} in the policy's publication.may_differ: nothing is measured again",
        )
    return _GATING[release.channel]


def _published(
    release: Pushable, repository: HubRepository, hub: Hub, state: State, gating: Gating, watch: Watch
) -> Pushed:
    """The release, where an earlier push made it public already.

    Raises:
        HubError: the public repository holds anything else: nothing unverified may come to it while everybody can read.
    """
    fix = "make it private in its settings on the hub and run the same command again, or push to a new repository"
    try:
        refs = look_through(hub, repository, release, watch)
        if state.head is None or state.gated != gating:
            raise HubError(str(repository), "it has no commit, or other access than the policy's channel", fix)
        compare(hub, repository, release, state.head, watch)
        same_refs(hub, repository, refs)
    except HubError as other:
        why = other.problems[0].what.removeprefix("after the upload ")  # nothing was uploaded now
        what = f"the repository is public and is not this release: {why}; it was left as it is"
        raise HubError(str(repository), what, fix) from None
    return Pushed(str(repository), state.head, hub.address(repository), 0)


def _at(state: State, repository: HubRepository, commit: str) -> None:
    """Nothing; the newest commit is the one that was compared."""
    if state.head != commit:
        what = "somebody else committed to it after its files were compared"
        raise HubError(str(repository), what, "look who else writes to it, and run the same command again")


def _gate(hub: Hub, repository: HubRepository, gating: Gating) -> None:
    """Nothing; who downloads must ask first, or need not, before anybody can.

    Raises:
        HubError: the hub did not do what it was told.
    """
    if still_private(hub, repository).gated == gating:
        return
    hub.set_gated(repository, gating)
    if still_private(hub, repository).gated != gating:
        what = "the hub took the call that sets who may download, and did nothing"
        raise HubError(str(repository), what, "set the access by hand, and run the same command again")


def _check_public(hub: Hub, repository: HubRepository, commit: str, refs: dict[str, str], gating: Gating) -> None:
    """Nothing; everybody sees the repository, as it was compared.

    Raises:
        HubError: the hub did not do what it was told, or somebody else changed the repository meanwhile.
    """
    state = hub.state(repository)
    if state is None or state.private or state.gated != gating:
        what = "the hub took the call that makes it public, and did something else"
        raise HubError(str(repository), what, "run the same command again")
    _at(state, repository, commit)
    same_refs(hub, repository, refs)
