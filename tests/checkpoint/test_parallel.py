"""Work on several files at once ends when it must, and leaves nobody at work."""

from __future__ import annotations

import threading

import pytest

from releasegate.checkpoint.parallel import in_parallel


def test_an_interrupt_while_threads_start_lets_none_of_them_begin(monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[int] = []
    started: list[threading.Thread] = []
    start = threading.Thread.start

    def interrupted(thread: threading.Thread) -> None:
        start(thread)
        started.append(thread)
        raise KeyboardInterrupt

    monkeypatch.setattr(threading.Thread, "start", interrupted)
    with pytest.raises(KeyboardInterrupt):
        in_parallel(lambda item, tell: begun.append(item), [1, 2, 3])
    assert len(started) == 1, "the pool does not know it, and has not waited for it"
    started[0].join(timeout=10)
    assert not started[0].is_alive()
    assert begun == []
