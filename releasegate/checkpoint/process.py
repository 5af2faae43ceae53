"""A program of this package in a process of its own, with a limit on time and on what it may say."""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import IO

from releasegate.errors import ChildError


def run_program(program: Path, given: IO[bytes], where: str, *, seconds: float, most: int) -> tuple[bytes, int]:
    """What the program wrote, and its exit code, or the negative signal; nothing of it is left running.

    Args:
        program: run by an isolated interpreter, with an environment that holds nothing of this one's.
        given: its standard input.
        where: named in errors.
        seconds: that it may take from start to end.
        most: bytes that are read of what it writes.

    Raises:
        ChildError: it takes longer.
    """
    environment = {name: os.environ[name] for name in ("LD_LIBRARY_PATH",) if name in os.environ}
    child = subprocess.Popen(
        [sys.executable, "-I", "-W", "ignore", str(program)],
        stdin=given,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd="/",
        env=environment | {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": "", "HF_HUB_OFFLINE": "1"},
        start_new_session=True,
    )
    try:
        return _read(child, where, seconds, most), child.wait(timeout=seconds)
    except subprocess.TimeoutExpired:
        raise _slow(where, seconds) from None
    finally:
        with suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()
        if child.stdout is not None:
            child.stdout.close()


def _read(child: subprocess.Popen[bytes], where: str, seconds: float, most: int) -> bytes:
    """All that the child writes until it closes its output."""
    deadline = time.monotonic() + seconds
    parts: list[bytes] = []
    assert child.stdout is not None
    with selectors.DefaultSelector() as selector:
        selector.register(child.stdout, selectors.EVENT_READ)
        while sum(map(len, parts)) <= most:
            if not selector.select(max(0.0, deadline - time.monotonic())):
                raise _slow(where, seconds)
            part = os.read(child.stdout.fileno(), 1 << 20)
            if not part:
                break
            parts.append(part)
    return b"".join(parts)


def _slow(where: str, seconds: float) -> ChildError:
    return ChildError(where, f"was not read within {seconds:g} seconds", "is the machine busy? try again")
