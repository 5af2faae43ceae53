"""Whatever a hub answers, a push ends in one sentence, and what nobody compared is not public."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from releasegate.errors import HubError
from releasegate.publishing.hub import Pushable, open_hub, push
from tests.fake_hub import FakeHub, Server
from tests.tiny_pushable import REPOSITORY

STEPS = ("create", "info", "refs", "commits", "tree", "yaml", "preupload", "batch", "verify", "commit", "settings")
NAMES = """
id sha private gated branches converts tags pullRequests name ref targetCommit authors user date title message type path size
oid lfs pointerSize files uploadMode shouldIgnore objects actions upload href header chunk_size error code transfer commitUrl
commitOid url warnings errors security lastCommit links next
"""
WORDS = ("", "lab/tiny", "file", "directory", "lfs", "regular", "0" * 40, "a/../b", "\x00", "http://[", "2026-01-01")
LEAVES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.sampled_from(WORDS)
ANSWERS = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES.split()), inner, max_size=6),
    max_leaves=25,
)


@pytest.mark.slow
@settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(
    step=st.sampled_from(STEPS), answer=ANSWERS, when=st.sampled_from(["", "refs", "resolve"]), there=st.integers(0, 1)
)
def test_an_answer_of_any_shape_publishes_nothing_unseen(
    step: str, answer: Any, when: str, there: int, server: Server, fake: FakeHub, pushable: Pushable
) -> None:
    one = server.emptied()
    if there:
        one.make("lab/tiny")
    lie = partial(one.says.__setitem__, step, answer)
    if when:
        one.on(when, lie)
    else:
        lie()
    with open_hub() as hub, suppress(HubError):
        push(pushable, REPOSITORY, hub, lambda line: None)
        found = {path: stored.data for path, stored in one.repositories["lab/tiny"].files.items()}
        del found[".gitattributes"]
        assert found == {path: pushable.path(file).read_bytes() for path, file in pushable.files.items()}
        return
    unseen = step in ("info", "settings")  # a hub that lies about these hides what it does
    assert unseen or all(repository.private for repository in one.repositories.values())
