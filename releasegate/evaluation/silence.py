"""Silence: what code prints in the meantime goes nowhere, whoever prints it and however."""

from __future__ import annotations

import ctypes
import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout


@contextmanager
def silenced() -> Iterator[None]:
    """Nothing; while it lasts, standard output and standard error lead nowhere, for child processes too, and no log is kept."""
    _flush()
    logging_until = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    kept = [(number, os.dup(number)) for number in (1, 2) if _is_open(number)]
    try:
        with open(os.devnull, "w", encoding="utf-8") as nowhere:
            for number, _ in kept:
                os.dup2(nowhere.fileno(), number)
            with redirect_stdout(nowhere), redirect_stderr(nowhere):
                yield
    finally:
        logging.disable(logging_until)
        _flush()  # what still lies in a buffer is not to come out afterwards
        for number, copy in kept:
            os.dup2(copy, number)
            os.close(copy)


def _is_open(number: int) -> bool:
    try:
        os.fstat(number)
    except OSError:
        return False
    return True


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__):
        if stream is not None and not getattr(stream, "closed", False):
            stream.flush()
    ctypes.CDLL(None).fflush(None)
