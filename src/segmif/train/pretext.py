"""A stand-in for the infrared picture of data sets that have none, to pre-train on labelled visible pictures."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from segmif.color import luma
from segmif.labelsets import FMB

_WARMTH = {
    "road": (0.25, 0.55), "sidewalk": (0.25, 0.55), "building": (0.3, 0.6), "vegetation": (0.2, 0.5),
    "sky": (0.0, 0.25), "person": (0.7, 1.0), "car": (0.35, 0.8), "truck": (0.35, 0.8), "bus": (0.35, 0.8),
    "motorcycle": (0.4, 0.9), "bicycle": (0.3, 0.6), "pole": (0.2, 0.6), "traffic sign": (0.15, 0.5),
    "traffic lamp": (0.3, 0.7),
}  # fmt: skip
"""Range of thermal brightness by FMB class, as uncooled cameras with gain control show it."""


def simulate_infrared(
    visible: npt.NDArray[np.float32], labels: npt.NDArray[np.uint8], random: np.random.Generator
) -> npt.NDArray[np.uint8]:
    """Infrared (H, W) uint8 for a labelled visible picture: a temperature per class, some visible texture, noise.

    It teaches which shapes are warm, not what a thermal camera sees.

    Args:
        visible: RGB (H, W, 3) float in [0, 1].
        labels: (H, W) FMB ids; other ids take one random temperature.
        random: decides temperatures, texture and noise.
    """
    warmth = np.full(256, random.uniform(0.2, 0.5), np.float32)
    for number, name in enumerate(FMB.classes):
        if name in _WARMTH:
            warmth[number] = random.uniform(*_WARMTH[name])
    grey = luma(visible)
    texture = grey - cv2.GaussianBlur(grey, (0, 0), 6)
    thermal = cv2.GaussianBlur(warmth[labels], (0, 0), float(random.uniform(0.8, 2.0)))
    thermal = thermal + random.uniform(-0.3, 0.6) * texture + random.uniform(0.0, 0.25) * (grey - grey.mean())
    noise = random.uniform(0.0, 0.03) * random.standard_normal(grey.shape, dtype=np.float32)
    levels: npt.NDArray[np.uint8] = np.rint(np.clip(thermal + noise, 0, 1) * 255).astype(np.uint8)
    return levels
