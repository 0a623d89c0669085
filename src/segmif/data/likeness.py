"""Which pictures show the same thing: a perceptual hash, near-duplicate groups, and sequences in names.

The hash is the usual DCT one (Zauner 2010): the picture at 32×32, its cosine transform, the sign of the 8×8 lowest
frequencies against their median. Two hashes of the same view differ in few of their 64 bits.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from segmif.data.base import PairDataset
from segmif.data.reader import to_grey

NEAR = 30
"""Pairs whose `pair_hash`es differ in at most this many of 128 bits count as near-duplicates. On RoadScene, MSRS, TNO
and M3FD all such pairs that were looked at show one place (people and cars may have moved); from 34 bits on, places
differ."""
NEAR_VISIBLE_ONLY = 12
"""The same where the infrared is only the visible picture's luma, whose bits say nothing new."""


def perceptual_hash(image: npt.NDArray[Any]) -> int:
    """64-bit hash of a grey (H, W) or RGB (H, W, 3) picture of any type; blind to size, brightness and contrast."""
    grey = to_grey(image).astype(np.float32)
    small = cv2.resize(grey, (32, 32), interpolation=cv2.INTER_AREA)
    low = cv2.dct(small)[:8, :8].ravel()
    bits = low > np.median(low[1:])
    return int.from_bytes(np.packbits(bits).tobytes(), "big")


def pair_hash(infrared: npt.NDArray[Any], visible: npt.NDArray[Any]) -> int:
    """128 bits of both pictures, visible first: night pictures alike in one band may differ in the other."""
    return perceptual_hash(visible) << 64 | perceptual_hash(infrared)


def hash_dataset(dataset: PairDataset) -> dict[str, int]:
    """`pair_hash` of every sample, by name."""
    return {sample.name: pair_hash(sample.infrared, sample.visible) for sample in dataset}


def near_pairs(hashes: Mapping[str, int], *, within: int = NEAR) -> list[tuple[str, str, int]]:
    """All (name, name, differing bits) of `pair_hash`es that differ in at most `within` of 128 bits."""
    names = list(hashes)
    if len(names) < 2:
        return []
    words = np.array([[hashes[name] >> 64, hashes[name] & (2**64 - 1)] for name in names], np.uint64)
    found = []
    for i in range(len(names) - 1):
        bits = np.bitwise_count(words[i + 1 :] ^ words[i]).sum(axis=1)
        found += [(names[i], names[i + 1 + j], int(bits[j])) for j in np.flatnonzero(bits <= within)]
    return found


def groups_of(names: Sequence[str], links: Iterable[tuple[str, str]]) -> list[list[str]]:
    """Names joined by links, directly or through others, in one group each; groups and members in order of `names`.

    >>> groups_of(["a", "b", "c", "d"], [("a", "c"), ("c", "d")])
    [['a', 'c', 'd'], ['b']]
    """
    parent = {name: name for name in names}

    def root(name: str) -> str:
        while parent[name] != name:
            parent[name] = parent[parent[name]]
            name = parent[name]
        return name

    for left, right in links:
        parent[root(left)] = root(right)
    groups: dict[str, list[str]] = {}
    for name in names:
        groups.setdefault(root(name), []).append(name)
    return list(groups.values())


def sequence_links(names: Sequence[str], *, gap: int = 10) -> list[tuple[str, str]]:
    """Links between names that look like neighbouring frames: same text, last number at most `gap` apart.

    >>> sequence_links(["f_0001", "f_0004", "f_0900", "g_0005"])
    [('f_0001', 'f_0004')]
    """
    parsed = []
    for name in names:
        match = re.fullmatch(r"(.*?)(\d+)(\D*)", name)
        if match:
            parsed.append(((match[1], match[3]), int(match[2]), name))
    parsed.sort(key=lambda item: (item[0], item[1]))
    return [
        (before[2], after[2])
        for before, after in itertools.pairwise(parsed)
        if before[0] == after[0] and after[1] - before[1] <= gap
    ]
