"""Work on several files at once. Reading, writing and hashing release the interpreter's lock."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Event, Lock
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")

Watch = Callable[[int], None]
"""Is told how many bytes were done since it was last called."""

MOST = 4
"""Files that are worked on at once, at most."""


class _Stopped(Exception):
    """Another file failed, or the process was interrupted."""


def in_parallel(work: Callable[[T, Watch], R], items: Sequence[T], watch: Watch | None = None) -> list[R]:
    """What `work` gives for each item, in their order.

    Args:
        work: gets an item and something to tell after every block; that is where it stops early if another one failed.
        watch: is told the bytes of all items; never by two threads at once.

    Raises:
        What `work` raises for the first item, in their order, that failed.
    """
    go, stop, lock = Event(), Event(), Lock()

    def tell(count: int) -> None:
        if stop.is_set():
            raise _Stopped
        if watch:
            with lock:
                watch(count)

    def one(item: T) -> R:
        go.wait()
        try:
            if stop.is_set():
                raise _Stopped
            return work(item, tell)
        except BaseException:
            stop.set()
            raise

    with ThreadPoolExecutor(max_workers=max(1, min(MOST, os.cpu_count() or 1, len(items)))) as pool:
        try:
            # An interrupt while a thread starts leaves one that the pool does not know, and would not wait for.
            futures = [pool.submit(one, item) for item in items]
            go.set()
            failed = [error for future in futures if (error := future.exception()) is not None]
        except BaseException:  # an interrupt while waiting
            stop.set()
            go.set()
            pool.shutdown(cancel_futures=True)
            raise
    for error in failed:
        if not isinstance(error, _Stopped):
            raise error
    return [future.result() for future in futures]
