"""Memory that is freed stays with the process: half the time of a large network on Linux is the kernel giving pages.

glibc hands every large block back to the kernel when it is freed and asks for it again a moment later, page by page,
each zeroed. `keep_freed_memory` tells it to keep such blocks. The process then holds on to the most it ever needed.

What is kept had better lie in large pages, 2 MiB instead of 4 KiB, of which the processor remembers where they are:
many systems give them only to programs that ask (`madvise` in /sys/kernel/mm/transparent_hugepage/enabled).
"""

from __future__ import annotations

import ctypes
import os
import platform

SWITCH = "SEGMIF_MALLOC"
"""Environment variable; "default" leaves the allocator alone."""

_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4
_MADV_HUGEPAGE = 14
_PAGE = 4096
_IN_LARGE_PAGES = 2 << 30
"""Bytes of addresses, not of memory: pages come as they are written to."""


def keep_freed_memory() -> bool:
    """Stop glibc's malloc from returning large blocks to the system, in this process, from now on.

    Nothing is done where malloc is not glibc's, where the user has tuned it (``GLIBC_TUNABLES``, ``MALLOC_...``,
    ``LD_PRELOAD``) or where ``SEGMIF_MALLOC=default`` is set. Calling it again changes nothing.

    Returns:
        Whether it was done.
    """
    tuned = any(name == "GLIBC_TUNABLES" or name.startswith("MALLOC_") for name in os.environ)
    if tuned or "LD_PRELOAD" in os.environ or os.environ.get(SWITCH) == "default":
        return False
    if platform.system() != "Linux" or platform.libc_ver()[0] != "glibc":
        return False
    libc = ctypes.CDLL(None)
    if not (libc.mallopt(_M_MMAP_MAX, 0) and libc.mallopt(_M_TRIM_THRESHOLD, -1)):
        return False
    _ask_for_large_pages(libc)
    return True


def _ask_for_large_pages(libc: ctypes.CDLL) -> None:
    """Have the heap grow by a block, ask for large pages there, and leave the block to whoever allocates next."""
    libc.malloc.restype, libc.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
    libc.free.argtypes = [ctypes.c_void_p]
    libc.madvise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    block = libc.malloc(_IN_LARGE_PAGES)
    if block:  # none where addresses are limited (ulimit -v): then pages stay small
        start = -(-block // _PAGE) * _PAGE
        libc.madvise(start, (block + _IN_LARGE_PAGES - start) // _PAGE * _PAGE, _MADV_HUGEPAGE)
        libc.free(block)
