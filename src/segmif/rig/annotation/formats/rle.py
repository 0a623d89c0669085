"""Run lengths of masks, as COCO (by columns, also as a string) and CVAT (by rows) write them; zeros come first."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from segmif.checks import InputError
from segmif.rig.annotation.raster import Mask


def run_lengths(values: npt.NDArray[np.bool_]) -> list[int]:
    """Lengths of the runs of a flat mask, beginning with the zeros.

    >>> run_lengths(np.array([True, True, False]))
    [0, 2, 1]
    """
    flat = np.asarray(values, bool).ravel()
    changes = np.flatnonzero(np.diff(np.concatenate(([False], flat)).astype(np.int8))).tolist()
    return [b - a for a, b in zip([0, *changes], [*changes, len(flat)], strict=True)]


def from_run_lengths(counts: Sequence[int], size: int) -> npt.NDArray[np.bool_]:
    """The flat mask of `size` pixels.

    Raises:
        InputError: the runs do not fill it.
    """
    lengths = np.asarray(counts, np.int64)
    if lengths.ndim != 1 or (lengths < 0).any() or lengths.sum() != size:
        raise InputError(f"run lengths add up to {int(lengths.sum())}, expected {size} pixels; export it again")
    return np.repeat(np.arange(len(lengths)) % 2 == 1, lengths)


def encode_coco(mask: Mask) -> str:
    """COCO's compressed string: by columns; each number as the difference to the one before the last, 5 bits a letter.

    >>> encode_coco(np.array([[True, False], [True, False]]))
    '022'
    """
    counts = run_lengths(mask.T)
    letters = []
    for i, count in enumerate(counts):
        value = count - (counts[i - 2] if i > 2 else 0)
        more = True
        while more:
            bits, value = value & 0x1F, value >> 5
            more = value != (-1 if bits & 0x10 else 0)
            letters.append(chr((bits | (0x20 if more else 0)) + 48))
    return "".join(letters)


def decode_coco(counts: str | Sequence[int], height: int, width: int) -> Mask:
    """A mask (H, W) from COCO's counts, a string or a list of numbers.

    Raises:
        InputError: broken counts.
    """
    lengths = _letters(counts) if isinstance(counts, str) else _numbers(counts)
    return np.ascontiguousarray(from_run_lengths(lengths, height * width).reshape(width, height).T)


def _numbers(counts: Sequence[int]) -> list[int]:
    if not all(isinstance(count, int) for count in counts):
        raise InputError("run lengths must be whole numbers; export it again")
    return list(counts)


def _letters(text: str) -> list[int]:
    lengths: list[int] = []
    value = shift = 0
    for letter in text:
        bits = ord(letter) - 48
        if not 0 <= bits < 64 or shift > 50:
            raise InputError(f"the run length string has the letter {letter!r} out of place; export it again")
        value |= (bits & 0x1F) << shift
        shift += 5
        if not bits & 0x20:
            if bits & 0x10:
                value -= 1 << shift
            lengths.append(value + (lengths[-2] if len(lengths) > 2 else 0))
            value = shift = 0
    if shift:
        raise InputError("the run length string ends in the middle of a number; export it again")
    return lengths
