"""What is decided before the first step: the learning rate of every step, the sample of every position, the seeds.

All are pure functions of the recipe. A run that is killed and resumed at step N therefore continues exactly: no
random generator has a history that could be lost.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

WARMUP_RATIO = 1e-6
"""Share of the learning rate at step 0 of a warm-up."""


def warmup_poly(step: int, *, warmup: int, total: int, power: float = 1.0, floor: float = 0.0) -> float:
    """Factor of the learning rate at `step`: linear from 1e-6 to 1 in `warmup` steps, then (1 − step/total)^power.

    The polynomial counts from step 0, as in SegFormer's schedule, so the factor just after the warm-up is
    (1 − warmup/total)^power.

    Args:
        step: 0-based.
        warmup: steps of the linear part; 0 for none.
        total: step at which the factor reaches `floor`.
        power: exponent of the decay.
        floor: smallest factor after the warm-up.

    >>> [round(warmup_poly(step, warmup=2, total=10), 3) for step in (0, 1, 2, 5, 10)]
    [0.0, 0.5, 0.8, 0.5, 0.0]
    """
    if step < warmup:
        return WARMUP_RATIO + (1 - WARMUP_RATIO) * step / warmup
    remaining = max(0.0, 1 - step / total)
    return float(max(floor, remaining**power))


def fold_seed(*numbers: int | str) -> int:
    """One 63-bit seed out of several numbers and names; the same on every machine and Python.

    >>> fold_seed(0, "fusion", 1) == fold_seed(0, "fusion", 1) != fold_seed(1, "fusion", 0)
    True
    """
    digest = hashlib.blake2b(repr(numbers).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> 1


def draw_positions(sizes: Sequence[int], weights: Sequence[float], count: int, seed: int) -> npt.NDArray[np.int64]:
    """Which sample stands at each of `count` positions of a phase: (count, 2) rows of (source, index).

    Sources are drawn by their weights; within a source every sample comes once, in random order, before any comes
    again.

    Args:
        sizes: number of samples of each source.
        weights: share of each source, not necessarily adding to 1; a source of weight 0 never comes.
        count: number of positions.
        seed: see `fold_seed`.
    """
    random = np.random.default_rng(seed)
    shares = np.asarray(weights, np.float64)
    sources = random.choice(len(sizes), size=count, p=shares / shares.sum())
    positions = np.empty((count, 2), np.int64)
    positions[:, 0] = sources
    for source, size in enumerate(sizes):
        slots = np.flatnonzero(sources == source)
        if len(slots):
            rounds = -(-len(slots) // size)
            order = np.concatenate([random.permutation(size) for _ in range(rounds)])
            positions[slots, 1] = order[: len(slots)]
    return positions
