"""Pushing a release: what goes up, in which order, and what a repository must be to take it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from releasegate.errors import HubError
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


def test_a_second_push_of_what_is_public_sends_nothing_and_compares_again(
    fake: FakeHub, hub: Hub, pushable: Pushable
) -> None:
    first = pushed(hub, pushable)
    fake.calls.clear()
    assert pushed(hub, pushable) == replace(first, sent=0)
    assert fake.calls["resolve"] == len(FILES) + 1
    assert not fake.calls["settings"] + fake.calls["commit"] + fake.calls["put"] + fake.calls["create"]


def test_a_gated_release_is_gated_before_anybody_sees_it(fake: FakeHub, hub: Hub, pushable: Pushable) -> None:
    pushed(hub, replace(pushable, channel="gated_weights"))
    there = fake.repositories["lab/tiny"]
    settings = [body for path, body in fake.bodies if path.endswith("/settings")]
    assert [sorted(body) for body in settings] == [["gated"], ["visibility"]]
    assert (there.private, there.gated) == (False, "manual")


def test_an_open_release_opens_a_private_repository_that_was_gated(fake: FakeHub, hub: Hub, pushable: Pushable) -> None:
    fake.make("lab/tiny").gated = "auto"
    pushed(hub, pushable)
    assert fake.repositories["lab/tiny"].gated is False


def test_a_push_that_was_cut_off_goes_on_where_it_stopped(fake: FakeHub, hub: Hub, pushable: Pushable) -> None:
    fake.fail("batch", 403, after=1)
    with pytest.raises(HubError, match="the repository is private"):
        pushed(hub, pushable)
    assert fake.calls["put"] == 1
    fake.faults.clear()
    pushed(hub, pushable)
    assert fake.calls["put"] == 2
    assert not fake.repositories["lab/tiny"].private


def test_a_commit_whose_answer_was_lost_is_not_made_twice(fake: FakeHub, hub: Hub, pushable: Pushable) -> None:
    fake.fail("commit", "lost", times=1)
    with pytest.raises(
        HubError, match=r"broke the connection when the files were committed; the repository is private"
    ):
        pushed(hub, pushable)
    assert pushed(hub, pushable).sent == 0
    assert fake.calls["commit"] == 1


def test_a_private_repository_with_other_words_in_its_card_is_taken(
    fake: FakeHub, hub: Hub, pushable: Pushable
) -> None:
    there = fake.make("lab/tiny")
    there.put("README.md", b"# to come\n")
    there.put("releasegate/attestations.jsonl", b'{"an": "earlier signature"}\n')
    pushed(hub, pushable)
    assert not there.private
    assert there.files["README.md"].data == FILES["README.md"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"verdict": "withhold"}, "the verdict is withhold"),
        ({"verdict": "incomplete"}, "the verdict is incomplete"),
        ({"verdict": "restrict"}, "the verdict is restrict"),
        ({"channel": "api"}, "the channel is api, which hands out no weights"),
        ({"channel": "none"}, "the channel is none, which hands out no weights"),
        ({"anchored": False}, "the ledger of the attempt is not anchored"),
        ({"may_differ": ("README.md",)}, "a hub adds .gitattributes, which the policy does not let differ"),
    ],
)
def test_what_may_not_go_out_reaches_no_hub(
    change: dict[str, object], words: str, fake: FakeHub, hub: Hub, pushable: Pushable
) -> None:
    with pytest.raises(HubError, match=words):
        pushed(hub, replace(pushable, **change))  # type: ignore[arg-type]
    assert not fake.log
