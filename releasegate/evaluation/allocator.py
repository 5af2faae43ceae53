"""Memory that the C library keeps for the next tensor, in place of handing it back after each."""

from __future__ import annotations

import ctypes

TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3
"""Names of the two settings in glibc's `malloc.h`."""
BLOCK = 32 << 20
"""Bytes up to which a block is taken from the kept memory: the most that glibc allows."""
KEPT = 2**31 - 1
"""Bytes at the end of the heap that may lie idle."""


def keep_freed_memory() -> bool:
    """Whether the C library was told so; where there is no glibc, nothing happens.

    By default glibc gives every large block back to the system, and each new tensor costs a page fault a page: on small models
    more time than what is computed.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError, TypeError):
        return False
    return bool(mallopt(MMAP_THRESHOLD, BLOCK)) and bool(mallopt(TRIM_THRESHOLD, KEPT))
