"""Memory that is freed stays with the process: half the time of a large network on Linux is the kernel giving pages.

glibc hands every large block back to the kernel when it is freed and asks for it again a moment later, page by page,
each zeroed. `keep_freed_memory` tells it to keep such blocks. The process then holds on to the most it ever needed.
"""

from __future__ import annotations

import ctypes
import os
import platform

SWITCH = "SEGMIF_MALLOC"
"""Environment variable; "default" leaves the allocator alone."""

_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4


def keep_freed_memory() -> bool:
    """Stop glibc's malloc from returning large blocks to the system, in this process, from now on.

    Nothing is done where malloc is not glibc's, where the user has tuned it (``GLIBC_TUNABLES``, ``MALLOC_...``,
    ``LD_PRELOAD``) or where ``SEGMIF_MALLOC=default`` is set.

    Returns:
        Whether it was done.
    """
    tuned = any(name == "GLIBC_TUNABLES" or name.startswith("MALLOC_") for name in os.environ)
    if tuned or "LD_PRELOAD" in os.environ or os.environ.get(SWITCH) == "default":
        return False
    if platform.system() != "Linux" or platform.libc_ver()[0] != "glibc":
        return False
    mallopt = ctypes.CDLL(None).mallopt
    return bool(mallopt(_M_MMAP_MAX, 0) and mallopt(_M_TRIM_THRESHOLD, -1))
