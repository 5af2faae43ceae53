"""Whatever fails at whichever step, the repository is private in the end, and one sentence says so."""

from __future__ import annotations

import hashlib
import logging
import os
import signal
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from releasegate.errors import HubError, Terminated
from releasegate.publishing.hub import Hub, Pushable, open_hub, push
from tests.fake_hub import READER, WRITER, FakeHub, Stored
from tests.tiny_pushable import REPOSITORY, STRIPPED, UNSTRIPPED

PRIVATE = "the repository is private"
AGAIN = "the repository was made private again"
ABSENT = "the repository was not made, or the token may not see it"


def refused(hub: Hub, release: Pushable) -> str:
    with pytest.raises(HubError) as caught:
        push(release, REPOSITORY, hub, lambda line: None)
    (problem,) = caught.value.problems
    assert problem.where == "hub:lab/tiny"
    assert problem.fix
    return problem.what


@dataclass(frozen=True)
class Row:
    """A fault at a step, what is said of it, and the state that is told and true in the end."""

    step: str
    how: int | str
    says: str
    state: str = PRIVATE
    more: tuple[tuple[str, Any], ...] = ()


ROWS = [
    Row("create", 401, "the hub refused when it was made: 401: the token is missing, wrong or expired", ABSENT),
    Row("create", 403, "the hub refused when it was made: 403: the token may not do this (not now)", ABSENT),
    Row("create", 429, "the hub refused when it was made: 429: too many calls", ABSENT),
    Row("create", 500, "the hub refused when it was made: 500: it is out of order", ABSENT),
    Row("create", "cut", "the hub broke the connection when it was made", ABSENT),
    Row("create", "lost", "the hub broke the connection when it was made"),
    Row("refs", 500, "the hub refused when its branches were listed: 500"),
    Row("commits", 403, "the hub refused when its history was listed: 403"),
    Row("tree", "cut", "the hub broke the connection when its files were listed"),
    Row("yaml", 500, "the hub refused when the files were committed: 500"),
    Row("preupload", 403, "the hub refused when .hidden was uploaded: 403"),
    Row("preupload", 500, "the hub refused when .hidden was uploaded: 500"),
    Row("batch", 403, "the hub refused when model.safetensors was uploaded: 403"),
    Row("batch", 413, "the hub refused when model.safetensors was uploaded: 413: it is too large for it"),
    Row("put", 403, "the hub refused when model.safetensors was uploaded: 403"),
    Row("put", 500, "the hub refused when model.safetensors was uploaded: 500"),
    Row("put", "cut", "the hub broke the connection when model.safetensors was uploaded"),
    Row("put", "truncate", "after the upload model.safetensors differs: the hub hands out sha256:"),
    Row("put", "corrupt", "after the upload model.safetensors differs: the hub hands out sha256:"),
    Row("verify", 500, "the hub refused when model.safetensors was uploaded: 500"),
    Row("commit", 403, "the hub refused when the files were committed: 403"),
    Row("commit", 412, "the hub refused when the files were committed: 412: somebody else changed the repository"),
    Row("commit", 500, "the hub refused when the files were committed: 500"),
    Row("commit", "cut", "the hub broke the connection when the files were committed"),
    Row("commit", "lost", "the hub broke the connection when the files were committed"),
    Row("commit", "slow", "the hub gave no answer within 0.1 s when the files were committed"),
    Row("resolve", 404, "the hub refused when .hidden was downloaded for comparison: 404"),
    Row("resolve", 500, "the hub refused when .hidden was downloaded for comparison: 500"),
    Row("resolve", "cut", "the hub broke the connection when .hidden was downloaded for comparison"),
    Row("settings", 403, "the hub refused when it was made public: 403"),
    Row("settings", 500, "the hub refused when it was made public: 500"),
    Row("settings", "cut", "the hub broke the connection when it was made public"),
    Row("settings", "lost", "the hub broke the connection when it was made public", AGAIN),
    Row("refs", 429, "its branches were listed: it asks to wait longer than 330 s", more=(("retry-after", "3600"),)),
    Row(
        "put", 429, "model.safetensors was uploaded: it asks to wait longer than 330 s", more=(("retry-after", "999"),)
    ),
    Row("info", 500, "the hub refused when its state was asked for: 500", "THE REPOSITORY MAY BE PUBLIC"),
]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.step}-{row.how}{'-patience' if row.more else ''}")
def test_a_fault_at_a_step_leaves_the_repository_private(row: Row, fake: FakeHub, hub: Hub, pushable: Pushable) -> None:
    fake.fail(row.step, row.how, headers=dict(row.more), after=1 if row.step == "info" else 0)
    hub.session.timeout = 0.1 if row.how == "slow" else 20
    said = refused(hub, pushable)
    assert row.says in said
    assert row.state in said
    there = fake.repositories.get("lab/tiny")
    assert (there is None) == (row.state == ABSENT)
    assert there is None or there.private
    assert max(fake.calls.values()) < 25


def between(step: str, act: Callable[[FakeHub], None]) -> Callable[[FakeHub], None]:
    return lambda fake: fake.on(step, lambda: act(fake))


def there(fake: FakeHub) -> Any:
    return fake.repositories["lab/tiny"]


def lie(fake: FakeHub) -> None:
    fake.settings_lie = True


def public_by_default(fake: FakeHub) -> None:
    fake.public_by_default = True


def store_other_bytes(fake: FakeHub) -> None:
    path = "config.json"
    there(fake).files[path] = Stored(b'{"model_type": "evil"}')


def hand_out_other_bytes(fake: FakeHub) -> None:
    stored = there(fake).files["model.safetensors"]
    there(fake).files["model.safetensors"] = Stored(UNSTRIPPED, stored.lfs, stored.size)


def lose_a_file(fake: FakeHub) -> None:
    del there(fake).files["LICENSE"]


def add_a_file(fake: FakeHub) -> None:
    there(fake).files["extra.bin"] = Stored(b"extra")


def open_to_all(fake: FakeHub) -> None:
    there(fake).private = False


def push_weights(fake: FakeHub) -> None:
    there(fake).put("model.safetensors", UNSTRIPPED, lfs=True)


def branch_off(fake: FakeHub) -> None:
    there(fake).put("pytorch_model.bin", UNSTRIPPED, "refs/pr/1", lfs=True)


MEANWHILE = {
    "the settings lie": (lie, "did something else", PRIVATE),
    "public by default": (public_by_default, "it is public, which it must not be yet", AGAIN),
    "a file in git is tampered with": (between("resolve", store_other_bytes), "config.json differs", PRIVATE),
    "a large file is tampered with": (between("resolve", hand_out_other_bytes), "model.safetensors differs", PRIVATE),
    "somebody pushes before the commit": (between("batch", push_weights), "somebody else changed", PRIVATE),
    "somebody pushes after it": (between("resolve", push_weights), "committed to it after", PRIVATE),
    "a pull request comes in": (between("resolve", branch_off), "somebody else changed refs/pr/1 meanwhile", PRIVATE),
    "somebody makes it public early": (between("batch", open_to_all), "public, which it must not be yet", AGAIN),
    "somebody makes it public after the upload": (between("resolve", open_to_all), "it must not be yet", AGAIN),
    "somebody pushes as it goes public": (between("settings", push_weights), "committed to it after", AGAIN),
    "a branch comes as it goes public": (between("settings", branch_off), "somebody else changed refs/pr/1", AGAIN),
}


@pytest.mark.parametrize("name", MEANWHILE)
def test_what_somebody_else_does_meanwhile_is_noticed(name: str, fake: FakeHub, hub: Hub, pushable: Pushable) -> None:
    act, says, state = MEANWHILE[name]
    act(fake)
    said = refused(hub, pushable)
    assert says in said
    assert state in said
    assert there(fake).private or name == "public by default" or state == AGAIN
    assert there(fake).private


@pytest.mark.parametrize(("act", "says"), [(lose_a_file, "it lacks 'LICENSE'"), (add_a_file, "it holds 'extra.bin'")])
def test_a_list_that_is_not_what_was_sent_is_noticed(
    act: Callable[[FakeHub], None], says: str, fake: FakeHub, hub: Hub, pushable: Pushable
) -> None:
    fake.on("commit", lambda: fake.on("tree", lambda: act(fake)))
    assert f"after the upload {says}" in refused(hub, pushable)
    assert there(fake).private


def test_a_repository_that_cannot_be_made_private_again_is_said_loudly(
    fake: FakeHub, hub: Hub, pushable: Pushable
) -> None:
    fake.never_private = True
    fake.on("settings", lambda: push_weights(fake))
    said = refused(hub, pushable)
    assert "THE REPOSITORY MAY BE PUBLIC: it could not be made private" in said
    assert f"make it private by hand now, at {fake.endpoint}/lab/tiny/settings" in said


def test_somebody_who_takes_the_name_first_keeps_it(fake: FakeHub, hub: Hub, pushable: Pushable) -> None:
    fake.on("create", lambda: fake.make("lab/tiny", private=False) and None)
    assert "409: it clashes with what is there" in refused(hub, pushable)
    assert not there(fake).private
    assert not fake.calls["settings"]


def test_a_repository_that_was_renamed_is_not_followed(fake: FakeHub, hub: Hub, pushable: Pushable) -> None:
    fake.make("lab/tiny").id = "lab/other"
    assert "the hub answers for 'lab/other', as if it had been renamed" in refused(hub, pushable)
    assert fake.calls["info"] == len(fake.log)


def test_a_hub_that_is_busy_for_a_moment_is_waited_for(fake: FakeHub, hub: Hub, pushable: Pushable) -> None:
    for step in ("info", "refs", "commits", "tree", "preupload", "batch", "put", "verify", "resolve", "settings"):
        fake.fail(step, 429, times=1, headers={"retry-after": "7"})
    push(pushable, REPOSITORY, hub, lambda line: None)
    assert not there(fake).private
    assert set(fake.waited) == {7, 8}


@pytest.mark.parametrize(
    ("number", "step"),
    [
        (signal.SIGTERM, "create"),
        (signal.SIGTERM, "put"),
        (signal.SIGINT, "commit"),
        (signal.SIGINT, "resolve"),
        (signal.SIGTERM, "settings"),
        (signal.SIGINT, "settings"),
    ],
)
def test_a_signal_at_any_step_leaves_the_repository_private(
    number: signal.Signals, step: str, fake: FakeHub, hub: Hub, pushable: Pushable
) -> None:
    def terminate(*_: object) -> None:
        raise Terminated

    lines: list[str] = []
    fake.fail(step, "slow", times=1)
    fake.on(step, lambda: os.kill(os.getpid(), number))
    before = signal.signal(signal.SIGTERM, terminate)
    try:
        with pytest.raises((KeyboardInterrupt, Terminated)):
            push(pushable, REPOSITORY, hub, lines.append)
    finally:
        signal.signal(signal.SIGTERM, before)
    assert lines[-1].startswith("hub:lab/tiny: stopped; the repository ")
    assert all(repository.private for repository in fake.repositories.values())


def test_a_call_that_publishes_late_is_undone(
    fake: FakeHub, hub: Hub, pushable: Pushable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("releasegate.publishing.hub.keeping.SETTLING_S", (0, 0.4))
    fake.fail("settings", "slow", times=1)
    fake.on("settings", lambda: os.kill(os.getpid(), signal.SIGINT))
    with pytest.raises(KeyboardInterrupt):
        push(pushable, REPOSITORY, hub, lambda line: None)
    assert there(fake).published == 1
    assert there(fake).private


def test_no_credential_comes_back_in_an_error_or_a_log(
    fake: FakeHub, hub: Hub, pushable: Pushable, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    fake.echoes = True
    lines: list[str] = []
    for step in ("create", "refs", "batch", "put", "commit", "resolve", "settings"):
        fake.fail(step, 403)
        with pytest.raises(HubError) as caught:
            push(pushable, REPOSITORY, hub, lines.append)
        fake.faults.clear()
        lines += [str(caught.value), repr(caught.value), repr(hub.session)]
    told = capfd.readouterr()
    assert WRITER[3:15] not in "".join([*lines, caplog.text, told.out, told.err])
    assert not told.err


def test_a_token_that_may_only_read_makes_nothing(
    fake: FakeHub, pushable: Pushable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", READER)
    with open_hub() as hub:
        assert "403: the token may not do this (You need write access)" in refused(hub, pushable)
    assert not fake.repositories


def test_a_file_that_changed_since_it_was_verified_is_not_sent(fake: FakeHub, hub: Hub, pushable: Pushable) -> None:
    (pushable.folder / "model.safetensors").write_bytes(UNSTRIPPED)
    with pytest.raises(HubError, match="has other bytes than when the release was verified; the repository is private"):
        push(pushable, REPOSITORY, hub, lambda line: None)
    assert not fake.objects


def test_attestations_that_changed_since_they_were_verified_are_not_sent(
    fake: FakeHub, hub: Hub, pushable: Pushable
) -> None:
    """The only file that no digest of the release covers."""
    file = pushable.folder / "releasegate" / "attestations.jsonl"
    verified = replace(pushable, bundle=f"sha256:{hashlib.sha256(file.read_bytes()).hexdigest()}")
    file.write_bytes(b'{"signed": "by nobody"}\n')
    with pytest.raises(HubError, match="has other bytes than when the release was verified"):
        push(verified, REPOSITORY, hub, lambda line: None)
    file.unlink()
    file.symlink_to(pushable.folder / "config.json")
    with pytest.raises(HubError, match="has other bytes than when the release was verified"):
        push(replace(pushable), REPOSITORY, hub, lambda line: None)
    assert not fake.repositories


def test_a_link_in_place_of_a_file_is_not_followed(tmp_path: Path, fake: FakeHub, hub: Hub, pushable: Pushable) -> None:
    (tmp_path / "elsewhere").write_bytes(STRIPPED)
    (pushable.folder / "model.safetensors").unlink()
    (pushable.folder / "model.safetensors").symlink_to(tmp_path / "elsewhere")
    with pytest.raises((HubError, OSError)):
        push(pushable, REPOSITORY, hub, lambda line: None)
    assert not fake.objects
