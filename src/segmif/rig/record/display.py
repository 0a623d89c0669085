"""Raw thermal counts as a picture people can look at; the raw file is kept beside it."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from segmif.checks import unknown
from segmif.io import Array

STRETCHES = ("percentile", "clahe", "none")
_PERCENTILES = (0.5, 99.5)
_CLAHE_LIMIT, _CLAHE_TILES = 2.0, (8, 8)


def stretch(infrared: Array, kind: str) -> npt.NDArray[np.uint8]:
    """Infrared counts (H, W), uint8 or uint16, as uint8.

    ``percentile`` maps the 0.5 and 99.5 percentiles to 0 and 255; ``clahe`` (contrast-limited adaptive histogram
    equalisation, Zuiderveld 1994; limit 2, 8 × 8 tiles) evens out contrast over the picture after that, and shows
    a person beside an engine; temperatures can no longer be compared across such a picture.

    Raises:
        InputError: an unknown kind.

    >>> stretch(np.array([[21000, 21500, 22000]], np.uint16), "percentile")
    array([[  0, 128, 255]], dtype=uint8)
    """
    if kind not in STRETCHES[:2]:
        raise unknown("stretch", kind, STRETCHES[:2])
    grey = infrared if infrared.ndim == 2 else infrared[..., 1]
    low, high = np.percentile(grey, _PERCENTILES)
    full = 255 if kind == "percentile" else 65535
    unit = np.clip((grey.astype(np.float32) - np.float32(low)) / np.float32(max(high - low, 1)), 0, 1)
    if kind == "percentile":
        return np.asarray(np.rint(unit * full), np.uint8)
    equalised = cv2.createCLAHE(_CLAHE_LIMIT, _CLAHE_TILES).apply(np.rint(unit * full).astype(np.uint16))
    return np.asarray(np.rint(equalised / 257), np.uint8)
