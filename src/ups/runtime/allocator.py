"""The C library's allocator, told to keep what was freed. For programs of their own, not for libraries to call.

A tensor of a megabyte is freed soon after it was made. glibc gives such memory back to the system each time, and the system
must clear every page anew for the next tensor, which can take longer than the arithmetic (docs/performance.md).
"""

from __future__ import annotations

import ctypes
import sys

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
"""M_TRIM_THRESHOLD and M_MMAP_THRESHOLD of glibc's malloc.h."""

KEPT = 2**31 - 1
"""Bytes of freed memory that are kept at most."""
LARGEST = 2**25
"""Blocks of more bytes still come from the system and go back to it: the most that glibc allows."""


def keep_freed_memory() -> bool:
    """Keep freed memory for the next allocation, for the rest of the process; its size stays at its peak.

    Returns:
        Whether the C library is glibc and did so; with any other one nothing changes.
    """
    if not sys.platform.startswith("linux"):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    return bool(mallopt(_TRIM_THRESHOLD, KEPT)) and bool(mallopt(_MMAP_THRESHOLD, LARGEST))
