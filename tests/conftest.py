"""What several tests start from."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from releasegate.decision import Decision
    from releasegate.repository import GateRepository, RunFolder
    from tests.tiny_repository import Tiny

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell starts jobs in the background deaf to it, and so would be the processes that tests start and interrupt.
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What `check` remembers goes to a folder of the tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture
def made(tmp_path: Path) -> Tiny:
    """A gate repository with a subject that draws too well and names well."""
    from tests.tiny_repository import make_repository  # imports torch, which most tests do without

    return make_repository(tmp_path / "repo")


@pytest.fixture
def quick_report(monkeypatch: pytest.MonkeyPatch) -> None:
    """A report of one line in place of the real one, which takes half a second and has tests of its own."""
    import releasegate.gate

    def write(run: RunFolder, repository: GateRepository, decision: Decision, *more: object) -> None:
        run.report_path.write_text(decision.verdict)

    monkeypatch.setattr(releasegate.gate, "write_report", write)
