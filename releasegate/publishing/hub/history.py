"""Looking through everything that a repository ever held: what is made public with a release is its whole history.

Anyone may fetch any commit of a public repository, so weights that were deleted again are still handed out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from releasegate.errors import HubError
from releasegate.publishing.hub.answers import HubFile, shown
from releasegate.publishing.hub.hub import Hub
from releasegate.publishing.hub.name import HubRepository
from releasegate.publishing.hub.pushable import GITATTRIBUTES, PAPERS, Pushable
from releasegate.released import OWN

MOST_COMMITS = 2_000
"""Commits that are looked through: a repository of releases has a handful."""
MOST_PAPER = 256 << 20
"""Bytes of a report, at most."""

_NEW = "push to a new repository: what was ever committed stays in the history, and would go public with it"


def look_through(
    hub: Hub, repository: HubRepository, release: Pushable, watch: Callable[[str], None]
) -> dict[str, str]:
    """The refs of the repository, of whose commits every file is one of this release, or its papers.

    Branches, tags, conversions and pull requests are looked through, each commit once.

    Raises:
        HubError: a commit holds a file that was withheld, or one that this release does not have.
    """
    refs = hub.refs(repository)
    seen: set[str] = set()
    cleared: set[tuple[str, str]] = set()
    for ref, head in sorted(refs.items()):
        for commit in _unseen(hub, repository, head, seen):
            seen.add(commit)
            if len(seen) > MOST_COMMITS:
                what = f"its history has more than {MOST_COMMITS:,} commits, which is more than is looked through"
                raise HubError(str(repository), what, "push to a new repository")
            if len(seen) % 50 == 0:
                watch(f"looked through {len(seen)} commits of {repository}")
            for file in hub.tree(repository, commit):
                if (file.path, file.blob) not in cleared:
                    _clear(hub, repository, release, file, f"{shown(ref)}, commit {commit[:12]}", commit)
                    cleared.add((file.path, file.blob))
    return refs


def _unseen(hub: Hub, repository: HubRepository, head: str, seen: set[str]) -> Iterator[str]:
    if head not in seen:
        yield from (commit for commit in hub.commits(repository, head) if commit not in seen)


def _clear(hub: Hub, repository: HubRepository, release: Pushable, file: HubFile, where: str, commit: str) -> None:
    """Nothing; a file of the history may be seen by everybody.

    Raises:
        HubError: it may not.
    """
    if _is_released(release, file):
        return
    if withheld := _withheld_as(hub, repository, release, file, commit):
        what = f"its history holds {withheld!r} of the model before the strip ({shown(file.path)}; {where})"
        raise HubError(str(repository), what, _NEW)
    if not _is_paper(hub, repository, release, file, commit):
        what = f"its history holds {shown(file.path)!r}, which is no file of this release ({where})"
        raise HubError(str(repository), what, _NEW)


def _is_paper(hub: Hub, repository: HubRepository, release: Pushable, file: HubFile, commit: str) -> bool:
    """Whether it is a text that an earlier push of the release may have worded otherwise, and no weights by its name."""
    papers = (GITATTRIBUTES, *PAPERS, *(path for path in release.files if path.startswith(OWN)))
    if file.path not in papers or file.size > MOST_PAPER:
        return False
    return hub.content(repository, commit, file.path, file.size).text


def _is_released(release: Pushable, file: HubFile) -> bool:
    """Whether the content is that of a file of this release, wherever it lies."""
    if file.sha256 is not None:
        return any((one.sha256, one.size) == (file.sha256, file.size) for one in release.files.values())
    return file.blob in release.blobs.values()


def _withheld_as(hub: Hub, repository: HubRepository, release: Pushable, file: HubFile, commit: str) -> str | None:
    """The source's file that a file of the history is, byte for byte.

    git names what it keeps itself by SHA-1, which the attestation does not carry: a file of a size in question is
    downloaded.
    """
    sizes = {one.size for one in release.withheld}
    sha256 = file.sha256
    if sha256 is None and file.size in sizes:
        sha256 = hub.content(repository, commit, file.path, file.size).sha256
    return next((one.path for one in release.withheld if one.sha256 == sha256), None)


def same_refs(hub: Hub, repository: HubRepository, expected: Mapping[str, str]) -> None:
    """Nothing; the repository has the refs that were looked through, and no other.

    Raises:
        HubError: a branch, tag or pull request came, went or moved.
    """
    found = hub.refs(repository)
    moved = sorted(name for name in {*found, *expected} if found.get(name) != expected.get(name))
    if moved:
        raise HubError(
            str(repository),
            f"somebody else changed {', '.join(map(shown, moved[:3]))} meanwhile",
            "look who else writes to the repository; running the same command again looks through it anew",
        )
