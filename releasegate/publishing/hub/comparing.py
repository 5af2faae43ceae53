"""Comparing what a hub holds with what was verified: its list of digests first, then every byte that it hands out."""

from __future__ import annotations

from collections.abc import Callable

from releasegate.errors import HubError
from releasegate.publishing.hub.answers import shown
from releasegate.publishing.hub.hub import Hub
from releasegate.publishing.hub.name import HubRepository
from releasegate.publishing.hub.pushable import GITATTRIBUTES, Pushable
from releasegate.publishing.hub.sending import holds

_FIX = "look who else writes to the repository, then run the same command again: it sends what differs anew"


def compare(hub: Hub, repository: HubRepository, release: Pushable, commit: str, watch: Callable[[str], None]) -> None:
    """Nothing; the commit holds every file of the release as it was verified, and no other but the hub's own.

    The hub's list is not believed: a digest there is what the sender claimed. Every file is downloaded and hashed, and
    kept nowhere.

    Raises:
        HubError: a file is missing, differs, or is one too many.
    """
    listed = {file.path: file for file in hub.tree(repository, commit)}
    missing = sorted(release.files.keys() - listed.keys())
    extra = sorted(listed.keys() - release.files.keys() - {GITATTRIBUTES})
    if missing or extra:
        what = f"it lacks {missing[0]!r}" if missing else f"it holds {shown(extra[0])!r}, which was not sent"
        raise HubError(str(repository), f"after the upload {what}", _FIX)
    files = {path: file for path, file in release.files.items() if not _is_the_hubs(release, path)}
    for path in files:
        if not holds(release, listed[path]):
            named = listed[path].sha256 or f"git blob {listed[path].blob}"
            raise _differs(repository, release, path, f"lists {shown(named)} and {listed[path].size:,} bytes")
    for path, file in files.items():
        watch(f"comparing {path} ({file.size:,} bytes)")
        found = hub.content(repository, commit, path, file.size)
        if (found.size, found.sha256) != (file.size, file.sha256):
            raise _differs(repository, release, path, f"hands out {found.sha256} and {found.size:,} bytes")


def _is_the_hubs(release: Pushable, path: str) -> bool:
    """Whether it is the file that hubs write into, and the policy lets it differ."""
    return path == GITATTRIBUTES and path in release.may_differ


def _differs(repository: HubRepository, release: Pushable, path: str, found: str) -> HubError:
    file = release.files[path]
    what = f"after the upload {path} differs: the hub {found}; the release has {file.sha256} and {file.size:,} bytes"
    return HubError(str(repository), what, _FIX)
