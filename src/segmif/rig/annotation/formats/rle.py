"""Run lengths of masks as COCO (by columns, also as a string), CVAT (by rows) and Label Studio write them.

COCO and CVAT count zeros and ones in turn, zeros first. Label Studio packs the RGBA picture of a brush into a stream of
bits (the scheme of thi.ng/rle-pack): how many words there are (32 bits), their length less one (5), four lengths less
one for counts (4 each); then blocks of a bit that says whether one word is repeated, the number of the count's length
(2), the count less one, and the word or the words.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from segmif.checks import InputError
from segmif.io import MAX_PIXELS
from segmif.rig.annotation.raster import Mask

_HALF = 128
"""Of 255: edges of a brush are smooth."""


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
    _refuse_huge(size)
    lengths = np.asarray(counts, np.int64)
    if lengths.ndim != 1 or (lengths < 0).any() or lengths.sum() != size:
        raise InputError(f"run lengths add up to {int(lengths.sum())}, expected {size} pixels; export it again")
    return np.repeat(np.arange(len(lengths)) % 2 == 1, lengths)


def _refuse_huge(pixels: int) -> None:
    if not 0 < pixels <= MAX_PIXELS:
        raise InputError(f"a mask of {pixels} pixels is refused, expected 1..{MAX_PIXELS}; export it again")


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


def decode_brush(data: Sequence[int], height: int, width: int) -> Mask:
    """A mask (H, W) from the bytes of a Label Studio brush: where its picture is at least half opaque.

    Raises:
        InputError: not bytes, of a picture of another size, or cut off.
    """
    _refuse_huge(height * width)
    if not all(isinstance(byte, int) and 0 <= byte <= 255 for byte in data):
        raise InputError("a brush's run lengths must be bytes, 0..255; export it again")
    bits = _Bits(np.unpackbits(np.array(data, np.uint8)))
    size, word = bits.number(32), bits.number(5) + 1
    lengths = [bits.number(4) + 1 for _ in range(4)]
    if (size, word) != (height * width * 4, 8):
        raise InputError(
            f"the brush packs {size} numbers of {word} bits, expected RGBA of {width}x{height} pixels; export it again"
        )
    picture = np.empty(size, np.uint8)
    at = 0
    while at < size:
        repeated = bits.number(1)
        count = bits.number(lengths[bits.number(2)]) + 1
        if count > size - at:
            raise InputError("the brush's run lengths are more than its picture holds; export it again")
        picture[at : at + count] = bits.number(8) if repeated else bits.bytes(count)
        at += count
    return picture.reshape(height, width, 4)[..., 3] >= _HALF


class _Bits:
    """Numbers from a row of bits, the highest first."""

    def __init__(self, bits: npt.NDArray[np.uint8]) -> None:
        self.bits, self.at = bits, 0

    def take(self, count: int) -> npt.NDArray[np.uint8]:
        """The next bits."""
        self.at += count
        if self.at > len(self.bits):
            raise InputError("the brush's run lengths end too early; export it again")
        return self.bits[self.at - count : self.at]

    def number(self, length: int) -> int:
        """The next number of so many bits."""
        return int("".join(map(str, self.take(length).tolist())), 2)

    def bytes(self, count: int) -> npt.NDArray[np.uint8]:
        """The next bytes."""
        return np.packbits(self.take(8 * count))
