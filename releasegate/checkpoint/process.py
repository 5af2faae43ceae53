"""Programs of this package in processes of their own, with a limit on time and on what they may say."""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import sys
import threading
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
    child = _started(program, given)
    try:
        return _read(child, where, seconds, most), child.wait(timeout=seconds)
    except subprocess.TimeoutExpired:
        raise _slow(where, seconds) from None
    finally:
        _end(child)


class Standing:
    """A program that answers one request after the other: each a line, each answer a line with its length and a code, and it.

    It starts with the first request, and again with the next one after it died.
    """

    def __init__(self, program: Path) -> None:
        self.program = program
        self._child: subprocess.Popen[bytes] | None = None

    def ask(self, request: bytes, where: str, *, seconds: float, most: int) -> tuple[bytes, int]:
        """What the program answers, and the exit code, or the negative signal, with which the answer ended.

        Args:
            request: one line, without its end.
            where: named in errors.
            seconds: that it may take.
            most: bytes of an answer.

        Raises:
            ChildError: it takes longer, or says more.
        """
        if self._child is not None and self._child.poll() is not None:
            self.end()
        child = self._child = self._child or _started(self.program, subprocess.PIPE)
        assert child.stdin is not None
        assert child.stdout is not None
        late = threading.Event()

        def stop() -> None:
            late.set()
            _kill(child)

        watchdog = threading.Timer(seconds, stop)
        watchdog.start()
        try:
            child.stdin.write(request + b"\n")
            child.stdin.flush()
            length, code = (int(one) for one in child.stdout.readline(100).split())
            if length > most:
                raise ChildError(where, f"makes for an answer of more than {most >> 20} MB", "is it a checkpoint?")
            output = child.stdout.read(length)
        except (ValueError, BrokenPipeError):  # it died
            code = child.wait()
            self.end()
            if late.is_set():
                raise _slow(where, seconds) from None
            return b"", code
        except BaseException:
            self.end()
            raise
        finally:
            watchdog.cancel()
        return output, code

    def end(self) -> None:
        """Ends the program, if it runs."""
        if self._child is not None:
            _end(self._child)
            self._child = None


def _started(program: Path, given: IO[bytes] | int) -> subprocess.Popen[bytes]:
    """The program, run by an isolated interpreter, with an environment that holds nothing of this one's."""
    environment = {name: os.environ[name] for name in ("LD_LIBRARY_PATH",) if name in os.environ}
    return subprocess.Popen(
        [sys.executable, "-I", "-W", "ignore", str(program)],
        stdin=given,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd="/",
        env=environment
        | {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": "", "HF_HUB_OFFLINE": "1", "USE_HUB_KERNELS": "0"},
        start_new_session=True,
    )


def _end(child: subprocess.Popen[bytes]) -> None:
    """Ends the process and what it started."""
    _kill(child)
    child.wait()
    for stream in (child.stdin, child.stdout):
        if stream is not None:
            with suppress(OSError):
                stream.close()


def _kill(child: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)


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
