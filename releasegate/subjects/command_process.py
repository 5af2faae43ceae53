"""A program that a checkpoint brings, in a process of its own: no shell, a clean environment, limits.

When it ends, so does all of its session. A process that began another session (`setsid`) lives on: this is no sandbox.
"""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from threading import Thread
from typing import IO

LAUNCHER = Path(__file__).with_name("command_launch.py")
LARGEST_FILE = 1 << 30
"""Bytes of any file that it writes."""
TAIL = 2000
"""Bytes of what it says that are kept, the last ones."""
KEPT = ("CUDA_VISIBLE_DEVICES", "LD_LIBRARY_PATH", "OMP_NUM_THREADS")
"""Of this process's environment. No other variable is handed on: tokens and keys often stand there.

A program that looks for them finds them all the same, under /proc."""

_log = logging.getLogger(__name__)


def run_command(argv: Sequence[str], home: Path, seconds: float) -> str | None:
    """Why the program did not do what it was started for, in words, or None: it ended by itself, with exit code 0.

    What it says goes to the log, and never into evidence, which is kept for years and passed on.

    Args:
        argv: the program, by an absolute path, and its arguments.
        home: the folder that it runs in, for all that it wants to write beside its output.
        seconds: that it may take from start to end.
    """
    processor = int(seconds * (os.cpu_count() or 1)) + 1
    command = [sys.executable, "-I", str(LAUNCHER), str(LARGEST_FILE), str(processor), *argv]
    try:
        child = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=home,
            env=_environment(home),
            start_new_session=True,
        )
    except (OSError, ValueError) as error:  # an argument that is too long, or holds a NUL
        what = error.strerror if isinstance(error, OSError) else str(error)
        return f"the program could not be started: {what}"
    said = _Tail(child.stdout)
    try:
        code = child.wait(timeout=seconds)
    except subprocess.TimeoutExpired:
        why = f"the program did not end within {seconds:g} s"
    else:
        why = "" if code == 0 else f"the program ended with exit code {code}" if code > 0 else _signalled(-code)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()
    text = said.text()
    if why:
        _log.warning("%s; the last that it said: %s", why, text or "nothing")
    return why or None


def _environment(home: Path) -> dict[str, str]:
    return {name: os.environ[name] for name in KEPT if name in os.environ} | {
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "HOME": str(home),
        "TMPDIR": str(home),
        "LANG": "C.UTF-8",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONHASHSEED": "0",
        "HF_HUB_OFFLINE": "1",
        "USE_HUB_KERNELS": "0",
    }


def _signalled(number: int) -> str:
    name = signal.Signals(number).name if number in set(signal.Signals) else str(number)
    return f"the program was ended by signal {name}"


class _Tail:
    """The end of what comes out of a pipe, read to its end by a thread, so that nobody waits for a reader."""

    def __init__(self, pipe: IO[bytes] | None) -> None:
        assert pipe is not None, "the process was started with one"
        self._pipe = pipe
        self._kept = b""
        self._thread = Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        with self._pipe:
            while part := os.read(self._pipe.fileno(), 1 << 16):
                self._kept = (self._kept + part)[-TAIL:]

    def text(self) -> str:
        """What was kept, printable, on one line. Whoever left the process's group may hold the pipe: no wait for that."""
        self._thread.join(timeout=1)
        return ascii(self._kept.decode("utf-8", "replace").strip())[1:-1]
