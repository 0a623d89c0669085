"""Threads that wait for each other give the processor away soon, so that another busy program does not stop everything.

PyTorch divides an operation among threads (GNU OpenMP on Linux), and a thread that is done spins until the others are,
for milliseconds. With as many threads as cores and one core taken by another program, the spinning thread holds the
core that the last one needs, at every one of some thousand operations: on two cores segmif-lite took 4 s for a pair
instead of 0.06. Spinning for some microseconds is enough on a machine at rest.
"""

from __future__ import annotations

import os
import sys

SWITCH = "SEGMIF_SPIN"
"""Environment variable; "default" leaves OpenMP as it is."""
VARIABLE, TURNS = "GOMP_SPINCOUNT", "3000"


def wait_briefly() -> bool:
    """Set how long OpenMP's threads spin, by ``GOMP_SPINCOUNT``, which they read when PyTorch is imported.

    Nothing is done where PyTorch is there already, where the user has said how to wait (``GOMP_SPINCOUNT``,
    ``OMP_WAIT_POLICY``) or where ``SEGMIF_SPIN=default`` is set. Other OpenMP libraries do not know the variable.

    Returns:
        Whether it was done.
    """
    said = VARIABLE in os.environ or "OMP_WAIT_POLICY" in os.environ or os.environ.get(SWITCH) == "default"
    if said or "torch" in sys.modules:
        return False
    os.environ[VARIABLE] = TURNS
    return True
