"""A hub of one's own, a small released folder, and nobody who waits between attempts."""

from __future__ import annotations

import functools
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from releasegate.publishing.hub import Hub, Pushable, open_hub
from tests.fake_hub import WRITER, FakeHub, Server, fake_hub
from tests.tiny_pushable import make_pushable


@pytest.fixture(scope="session", autouse=True)
def _certificates_once() -> Iterator[None]:
    """Each client reads every certificate of the world, for a hub that has none."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(ssl, "create_default_context", functools.cache(ssl.create_default_context))
        yield


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    with fake_hub() as served:
        yield served


@pytest.fixture
def fake(server: Server, monkeypatch: pytest.MonkeyPatch) -> FakeHub:
    """An empty hub, reachable, whose faults nobody waits for."""
    from huggingface_hub import constants
    from huggingface_hub.utils import _http

    empty = server.emptied()
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    monkeypatch.setenv("HF_TOKEN", WRITER)
    monkeypatch.setenv("HF_ENDPOINT", empty.endpoint)
    waited = empty.waited
    monkeypatch.setattr("releasegate.publishing.hub.hub.time", _Patient(waited))
    monkeypatch.setattr("releasegate.publishing.hub.keeping.SETTLING_S", (0, 0))
    monkeypatch.setattr(_http, "time", _Patient(waited))
    return empty


class _Patient:
    """The module `time`, as far as waiting goes: it notes how long was asked for."""

    def __init__(self, waited: list[float]) -> None:
        self._waited = waited

    def sleep(self, seconds: float) -> None:
        assert threading.current_thread() is threading.main_thread()
        self._waited.append(seconds)


@pytest.fixture
def hub(fake: FakeHub) -> Iterator[Hub]:
    with open_hub() as opened:
        yield opened


@pytest.fixture
def pushable(tmp_path: Path) -> Pushable:
    return make_pushable(tmp_path / "released")
