"""A pickle read in a process of its own, with limits on memory and time, which answers with plain rows."""

from __future__ import annotations

import json
import os
import selectors
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from releasegate.errors import ChildError, PickledError

PROGRAM = Path(__file__).with_name("unpickler.py")
MAX_MEMORY = 230 << 20
"""Bytes that the child may allocate beyond what torch itself needs (about 220 MB)."""
MAX_OUTPUT = 32 << 20
"""Bytes of an answer."""
MAX_WAIT = 120.0
"""Seconds from start to end, most of them for a cold import of torch."""
OPCODES_A_SECOND = 50_000
"""Opcodes that an honest pickle is given a second of processor time for; torch needs a quarter of that."""
_FIX = "is it a checkpoint? if so, load it where it can be trusted, and save its tensors in several files"


def unpickled_rows(pickle: bytes, keys: Collection[str], opcodes: int, where: str) -> list[list[Any]]:
    """What `torch.load(weights_only=True)` makes of a pickle, as rows; `unpickler.described` says of what form.

    Args:
        pickle: with `opcodes` opcodes, looked through before.
        keys: names of the storages that there are.
        where: named in errors.

    Raises:
        PickledError: torch refuses the pickle.
        ChildError: the process ran out of memory or time, or died.
    """
    seconds = 2 + opcodes // OPCODES_A_SECOND
    request = {"pickle": len(pickle), "keys": sorted(keys), "memory": MAX_MEMORY, "seconds": seconds}
    with tempfile.TemporaryFile() as given:
        given.write(json.dumps(request | {"output": MAX_OUTPUT}).encode() + b"\n" + pickle)
        given.seek(0)
        output, code = _run(given, where)
    if code in (-signal.SIGXCPU, -signal.SIGKILL):
        raise ChildError(where, f"has a pickle that takes more than {seconds} seconds to read", _FIX)
    rows = _rows(output, code, where)
    last = rows.pop()
    if last[0] == "raised":
        raise _raised(str(last[1]), str(last[2]), where)
    if last[0] == "too much":
        raise ChildError(where, f"has a pickle that unfolds to more than {MAX_OUTPUT:,} bytes", _FIX)
    return rows


def _run(given: IO[bytes], where: str) -> tuple[bytes, int]:
    """What the child wrote, and its exit code; nothing of it is left running."""
    environment = {name: os.environ[name] for name in ("LD_LIBRARY_PATH",) if name in os.environ}
    child = subprocess.Popen(
        [sys.executable, "-I", "-W", "ignore", str(PROGRAM)],
        stdin=given,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd="/",
        env=environment | {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""},
        start_new_session=True,
    )
    try:
        return _read(child, where), child.wait(timeout=MAX_WAIT)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()
        if child.stdout is not None:
            child.stdout.close()


def _read(child: subprocess.Popen[bytes], where: str) -> bytes:
    """All that the child writes until it closes its output."""
    deadline = time.monotonic() + MAX_WAIT
    parts: list[bytes] = []
    assert child.stdout is not None
    with selectors.DefaultSelector() as selector:
        selector.register(child.stdout, selectors.EVENT_READ)
        while sum(map(len, parts)) <= 2 * MAX_OUTPUT:
            if not selector.select(max(0.0, deadline - time.monotonic())):
                raise ChildError(where, f"was not read within {MAX_WAIT:.0f} seconds", "is the machine busy? try again")
            part = os.read(child.stdout.fileno(), 1 << 20)
            if not part:
                break
            parts.append(part)
    return b"".join(parts)


def _rows(output: bytes, code: int, where: str) -> list[list[Any]]:
    """The lines of an answer that is whole."""
    rows = [json.loads(line) for line in output.splitlines() if line] if output.endswith(b"]\n") else []
    if rows and rows[-1][0] in ("done", "raised", "too much"):
        return rows
    how = f"by signal {-code}" if code < 0 else f"with exit code {code}"
    raise ChildError(where, f"could not be read: the process that reads pickles ended {how}", _FIX)


def _raised(kind: str, text: str, where: str) -> Exception:
    if kind == "MemoryError" or "allocate memory" in text:
        return ChildError(where, f"has a pickle that needs more than {MAX_MEMORY >> 20} MB to read", _FIX)
    if kind in ("ImportError", "ModuleNotFoundError"):
        fix = "install torch where `python -I` finds it"
        return ChildError(where, f"could not be read: {text}", fix)
    shown = ascii(" ".join(text.split()))[1:-1][:200]
    fix = "load the file where it can be trusted, and save tensors and plain values alone with `torch.save`"
    return PickledError(where, f"is refused by torch.load(weights_only=True): {kind}: {shown}", fix)
