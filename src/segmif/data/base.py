"""What every data set yields: a typed sample of one infrared-visible pair with what is known about it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from segmif.labelsets import LabelSet


@dataclass(frozen=True, kw_only=True)
class Boxes:
    """Axis-aligned boxes of objects.

    `xyxy` (N, 4) float32 pixel corners (x0, y0, x1, y1), x1 and y1 exclusive; `class_ids` (N,) int64, ids of the
    sample's label set; `ignore` (N,) bool, true for boxes evaluation must not count (tiny, occluded).
    """

    xyxy: npt.NDArray[np.float32]
    class_ids: npt.NDArray[np.int64]
    ignore: npt.NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.class_ids)


@dataclass(frozen=True, kw_only=True)
class PairSample:
    """One infrared-visible pair on one pixel grid.

    `infrared` is grey (H, W) and `visible` RGB (H, W, 3), both as stored (uint8, uint16 or float32);
    `labels` (H, W) uint8 class ids with 255 = ignore, or None; `boxes` or None; `target` (H, W) uint8 is the picture a
    fusion network should make (0..255, see `segmif data targets`), or None; `meta` holds what else is known, such as
    ``{"time": "day" | "night"}``. Where there is no infrared camera, `infrared` is the visible picture's luma and
    ``meta["infrared"]`` is ``"simulated"``.
    """

    name: str
    infrared: npt.NDArray[Any]
    visible: npt.NDArray[Any]
    labels: npt.NDArray[np.uint8] | None = None
    boxes: Boxes | None = None
    target: npt.NDArray[np.uint8] | None = None
    meta: Mapping[str, Any] = field(default_factory=dict)

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) in pixels."""
        return self.visible.shape[0], self.visible.shape[1]


@runtime_checkable
class PairDataset(Protocol):
    """A sequence of samples, by position; the same position always gives the same sample."""

    @property
    def label_set(self) -> LabelSet | None:
        """Classes and palette of `labels`, or None where there are no labels."""
        ...

    @property
    def names(self) -> list[str]:
        """The name of every sample, in order; unique."""
        ...

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> PairSample: ...

    def __iter__(self) -> Iterator[PairSample]: ...
