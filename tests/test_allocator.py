import os
import platform
import subprocess
import sys

import pytest

from segmif import allocator

FAULTS = """
import resource, sys
from segmif.allocator import keep_freed_memory
if "keep" in sys.argv:
    assert keep_freed_memory()
def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
bytearray(1 << 26)
before = faults()
for _ in range(5):
    bytearray(1 << 26)
print(faults() - before)
"""
GLIBC = platform.system() == "Linux" and platform.libc_ver()[0] == "glibc"


@pytest.mark.skipif(not GLIBC, reason="speaks to glibc alone")
def test_large_blocks_are_kept() -> None:
    """Five times 64 MiB are 81920 pages of 4 KiB or 160 of 2 MiB: asked for each time by default, never when kept."""
    clean = {k: v for k, v in os.environ.items() if k not in ("GLIBC_TUNABLES", "LD_PRELOAD", allocator.SWITCH)}
    clean = {k: v for k, v in clean.items() if not k.startswith("MALLOC_")}
    counts = [
        int(subprocess.run([sys.executable, "-c", FAULTS, how], env=clean, capture_output=True, check=True).stdout)
        for how in ("keep", "default")
    ]
    assert counts[1] > 100
    assert counts[0] < counts[1] / 4


@pytest.mark.parametrize(
    ("name", "value"),
    [("GLIBC_TUNABLES", "glibc.malloc.mmap_max=1"), ("MALLOC_ARENA_MAX", "2"), ("SEGMIF_MALLOC", "default")],
)
def test_what_the_user_tuned_is_left_alone(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(allocator.ctypes, "CDLL", None)
    monkeypatch.setenv(name, value)
    assert allocator.keep_freed_memory() is False


def test_other_systems_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(allocator.platform, "system", lambda: "Darwin")
    monkeypatch.setattr(allocator.ctypes, "CDLL", None)
    assert allocator.keep_freed_memory() is False


@pytest.mark.skipif(not GLIBC, reason="speaks to glibc alone")
def test_where_addresses_are_limited_pages_stay_small() -> None:
    """With 1 GiB of addresses the block of 2 GiB cannot be had; memory is kept all the same."""
    limited = "import resource; resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))\n" + FAULTS
    clean = {k: v for k, v in os.environ.items() if k not in ("GLIBC_TUNABLES", "LD_PRELOAD", allocator.SWITCH)}
    clean = {k: v for k, v in clean.items() if not k.startswith("MALLOC_")}
    run = subprocess.run([sys.executable, "-c", limited, "keep"], env=clean, capture_output=True, check=True)
    assert int(run.stdout) < 2000
