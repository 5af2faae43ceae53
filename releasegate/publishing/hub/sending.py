"""Sending what a repository lacks of a release, in one commit on top of the one that was looked at."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from releasegate.errors import HubError
from releasegate.publishing.hub.answers import HubFile
from releasegate.publishing.hub.hub import Hub
from releasegate.publishing.hub.keeping import still_private
from releasegate.publishing.hub.name import HubRepository
from releasegate.publishing.hub.pushable import GITATTRIBUTES, Pushable, changed

if TYPE_CHECKING:
    from huggingface_hub import CommitOperationAdd

MESSAGE = "Release"


def send(
    hub: Hub, repository: HubRepository, release: Pushable, head: str | None, watch: Callable[[str], None]
) -> tuple[str, int]:
    """The commit that holds the release, and how many files were sent for it.

    Large files go first, one by one: a hub keeps them though no commit names them yet, so that a push that was cut off
    goes on where it stopped. What the head has already is not sent again.

    Raises:
        HubError: the hub did not take a file, somebody else committed meanwhile or made the repository public, or a
            file is no longer what was verified.
    """
    from huggingface_hub import CommitOperationDelete

    there = {file.path: file for file in hub.tree(repository, head)} if head else {}
    additions = list(_additions(release, there))
    extra = sorted(path for path in there if path not in release.files and path != GITATTRIBUTES)
    if head and not additions and not extra:
        return head, 0
    for addition in additions:
        watch(f"sending {addition.path_in_repo} ({addition.upload_info.size:,} bytes)")
        hub.upload(repository, addition)
    still_private(hub, repository)
    operations: list[CommitOperationAdd | CommitOperationDelete] = [
        *additions,
        *(CommitOperationDelete(path, is_folder=False) for path in extra),
    ]
    commit = hub.commit(repository, operations, f"{MESSAGE} {release.released.digest()}", head)
    return commit, len(additions)


def _additions(release: Pushable, there: dict[str, HubFile]) -> Iterator[CommitOperationAdd]:
    """What the repository lacks, each file as it was verified.

    Raises:
        HubError: a file is no longer what was verified, or has a name that no hub takes.
    """
    from huggingface_hub import CommitOperationAdd

    for path, file in release.files.items():
        if path in there and holds(release, there[path]):
            continue
        local = release.path(file)
        if local.is_symlink() or not local.is_file():
            raise changed(local)
        try:
            addition = CommitOperationAdd(path, str(local))
        except ValueError:
            raise HubError(str(local), "has a name that a hub does not take", "rename it in the checkpoint") from None
        if (addition.upload_info.size, f"sha256:{addition.upload_info.sha256.hex()}") != (file.size, file.sha256):
            raise changed(local)
        if addition.path_in_repo != path:
            raise HubError(str(local), "has a name that a hub changes", "rename it in the checkpoint")
        yield addition


def holds(release: Pushable, file: HubFile) -> bool:
    """Whether the hub says that a file has the content that the release has at its path."""
    ours = release.files.get(file.path)
    if ours is None or ours.size != file.size:
        return False
    return file.sha256 == ours.sha256 if file.sha256 is not None else release.blobs.get(file.path) == file.blob
