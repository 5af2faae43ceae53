"""Pushing a release: what goes up, in which order, and what a repository must be to take it."""

from __future__ import annotations

from releasegate.publishing.hub import Hub, Pushable, Pushed, push
from tests.fake_hub import FakeHub
from tests.tiny_pushable import FILES, REPOSITORY


def pushed(hub: Hub, release: Pushable) -> Pushed:
    return push(release, REPOSITORY, hub, lambda line: None)


def test_a_new_repository_is_filled_while_private_and_then_public(fake: FakeHub, hub: Hub, pushable: Pushable) -> None:
    seen: list[bool] = []
    fake.on("commit", lambda: seen.append(fake.repositories["lab/tiny"].private))
    done = pushed(hub, pushable)
    there = fake.repositories["lab/tiny"]
    assert seen == [True]
    assert not there.private
    assert there.published == 1
    assert done == Pushed("hub:lab/tiny", there.head, f"{fake.endpoint}/lab/tiny", 8)
    assert {path: stored.data for path, stored in there.files.items() if path != ".gitattributes"} == {
        **FILES,
        "releasegate/attestations.jsonl": b'{"signed": true}\n',
    }
    assert len(there.commits) == 2
