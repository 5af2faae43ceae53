"""A repository that ever held the model before the strip, or anything else that is not of this release, is not published."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace

import pytest

from releasegate.errors import HubError
from releasegate.publishing.hub import Hub, Pushable, history, push
from tests.fake_hub import FakeHub, Repository, Stored
from tests.tiny_pushable import FILES, REPOSITORY, STRIPPED, UNSTRIPPED

HELD = "its history holds 'model.safetensors' of the model before the strip"


def refused(hub: Hub, release: Pushable) -> str:
    with pytest.raises(HubError) as caught:
        push(release, REPOSITORY, hub, lambda line: None)
    return caught.value.problems[0].what


def deleted(there: Repository) -> None:
    there.put("model.safetensors", UNSTRIPPED, lfs=True)
    there.remove("model.safetensors")


def renamed(there: Repository) -> None:
    there.put("old/weights.bin", UNSTRIPPED, lfs=True)


def on_a_branch(there: Repository) -> None:
    there.put("model.safetensors", UNSTRIPPED, "refs/heads/whole", lfs=True)


def on_a_tag(there: Repository) -> None:
    there.put("model.safetensors", UNSTRIPPED, "refs/tags/main", lfs=True)


def in_a_pull_request(there: Repository) -> None:
    there.put("model.safetensors", UNSTRIPPED, "refs/pr/3", lfs=True)


def converted(there: Repository) -> None:
    there.put("model.safetensors", UNSTRIPPED, "refs/convert/gguf", lfs=True)


def in_git_itself(there: Repository) -> None:
    there.put("model.safetensors", UNSTRIPPED)
    there.remove("model.safetensors")


def as_the_report(there: Repository) -> None:
    there.put("releasegate/report.html", UNSTRIPPED)
    there.remove("releasegate/report.html")


def long_ago(there: Repository) -> None:
    deleted(there)
    for number in range(7):
        there.put("README.md", b"# %d\n" % number)


@pytest.mark.parametrize(
    "act",
    [deleted, renamed, on_a_branch, on_a_tag, in_a_pull_request, converted, in_git_itself, as_the_report, long_ago],
)
def test_the_model_before_the_strip_is_found_wherever_it_lay(
    act: Callable[[Repository], None], fake: FakeHub, hub: Hub, pushable: Pushable
) -> None:
    act(fake.make("lab/tiny"))
    said = refused(hub, pushable)
    assert HELD in said
    assert "the repository is private" in said
    assert fake.repositories["lab/tiny"].private
    assert not fake.objects
    assert not fake.calls["commit"]


def test_a_configuration_that_the_strip_changed_counts_as_well(fake: FakeHub, hub: Hub, pushable: Pushable) -> None:
    fake.make("lab/tiny").put("config.json", b'{"model_type": "whole"}')
    assert "its history holds 'config.json' of the model before the strip" in refused(hub, pushable)


@pytest.mark.parametrize(
    ("path", "data"),
    [
        ("pytorch_model.bin", UNSTRIPPED + b"in other shards"),
        ("notes.txt", b"not for everybody"),
        ("config.json", b'{"model_type": "third"}'),
        ("releasegate/report.html", b"\x00\x01 no text"),
        ("releasegate/other.html", b"<p>no file of this release"),
        ("readme.md", b"# in small letters"),
        ("\u202eexe.tset", b"bidi"),
    ],
)
def test_a_file_of_no_release_does_not_go_public_with_one_though_nobody_knows_the_source(
    path: str, data: bytes, fake: FakeHub, hub: Hub, pushable: Pushable
) -> None:
    there = fake.make("lab/tiny")
    there.put(path, data)
    there.remove(path)
    said = refused(hub, replace(pushable, withheld=()))
    assert "which is no file of this release (refs/heads/main, commit " in said
    assert said.isprintable()
    assert there.private


def test_a_public_repository_takes_nothing_and_is_left_as_it_is(fake: FakeHub, hub: Hub, pushable: Pushable) -> None:
    there = fake.make("lab/tiny", private=False)
    said = refused(hub, pushable)
    assert "the repository is public and is not this release: it lacks '.hidden'" in said
    assert "it was left as it is" in said
    assert not {method for method, _ in fake.log} - {"GET"}
    assert (there.private, there.published) == (False, 0)


def test_a_public_repository_with_the_release_and_more_is_no_release(
    fake: FakeHub, hub: Hub, pushable: Pushable
) -> None:
    push(pushable, REPOSITORY, hub, lambda line: None)
    fake.repositories["lab/tiny"].put("model.safetensors", UNSTRIPPED, "refs/pr/1", lfs=True)
    assert HELD in refused(hub, pushable)


def test_a_commit_is_looked_at_once_however_many_branches_lead_to_it(
    fake: FakeHub, hub: Hub, pushable: Pushable
) -> None:
    there = fake.make("lab/tiny")
    for number in range(5):
        there.refs[f"refs/heads/b{number}"] = there.head
    push(pushable, REPOSITORY, hub, lambda line: None)
    assert fake.calls["commits"] == 1


def test_a_history_without_end_is_not_followed(
    fake: FakeHub, hub: Hub, pushable: Pushable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history, "MOST_COMMITS", 5)
    there = fake.make("lab/tiny")
    for number in range(6):
        there.put("README.md", b"# %d\n" % number)
    assert "its history has more than 5 commits" in refused(hub, pushable)


def test_pages_that_lead_in_a_circle_are_left(
    fake: FakeHub, hub: Hub, pushable: Pushable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("releasegate.publishing.hub.session.MOST_CALLS", 30)
    there = fake.make("lab/tiny")
    for number in range(3):
        there.put("README.md", b"# %d\n" % number)
    fake.circles = True
    said = refused(hub, pushable)
    assert said.startswith(
        "the hub refused when its history was listed: it takes more than 30 calls; the repository is p"
    )


def test_what_an_earlier_push_of_the_release_left_is_no_obstacle(fake: FakeHub, hub: Hub, pushable: Pushable) -> None:
    there = fake.make("lab/tiny")
    there.put("old.safetensors", STRIPPED, lfs=True)
    there.put("LICENSE", b"another wording")
    push(pushable, REPOSITORY, hub, lambda line: None)
    assert set(there.files) == {".gitattributes", "releasegate/attestations.jsonl", *FILES}
    assert not there.private


@pytest.mark.parametrize(
    ("step", "answer"),
    [
        ("refs", []),
        ("refs", {"branches": [{"name": "main", "ref": "refs/heads/main", "targetCommit": "../../etc"}]}),
        ("commits", []),
        ("commits", {"error": None}),
        ("tree", [{"type": "file", "path": 3, "size": 1, "oid": "x"}]),
        ("tree", [{"type": "file", "path": "a", "size": "1", "oid": "x"}]),
        ("tree", [{"type": "file", "path": "a", "size": 1, "oid": "x"}] * 2),
        (
            "tree",
            [{"type": "file", "path": "a", "size": 1, "oid": "x", "lfs": {"size": 2, "oid": "", "pointerSize": 3}}],
        ),
        ("tree", [None]),
        ("info", {"id": "lab/tiny", "private": "no", "sha": "0" * 40}),
        ("info", {"id": "lab/tiny", "private": True, "sha": "main", "gated": False}),
        ("info", {"private": True}),
        ("info", b"<html>"),
        ("info", b"[" * 100_000),
    ],
)
def test_an_answer_that_makes_no_sense_ends_the_push(
    step: str, answer: object, fake: FakeHub, hub: Hub, pushable: Pushable
) -> None:
    fake.make("lab/tiny")
    fake.says[step] = answer
    assert "the hub's answer makes no sense when its" in refused(hub, pushable)
    assert fake.repositories["lab/tiny"].private
    assert not fake.objects


def test_a_large_file_is_known_by_the_digest_of_its_content() -> None:
    stored = Stored(UNSTRIPPED, hashlib.sha256(UNSTRIPPED).hexdigest())
    assert stored.listed("a")["lfs"]["oid"] == hashlib.sha256(UNSTRIPPED).hexdigest()
