"""The public way in: `fusion_metrics` for one fused image, `SourcePair` for many on the same two sources."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from segmif.checks import InputError, unknown
from segmif.metrics.fusion.catalog import CONVENTIONS, METRICS, MetricInfo, View
from segmif.metrics.fusion.inputs import as_levels, check_sizes, planes_of
from segmif.metrics.fusion.plane import Levels, Plane


class SourcePair:
    """An infrared and a visible picture, and all work on them that does not depend on the fused one.

    Measuring several methods on one pair through the same `SourcePair` repeats none of that work.

    Args:
        infrared: uint8 or float in [0, 1], (H, W) or (H, W, 3).
        visible: the same, same size. Either may be None if only metrics of the fused image alone are asked for.
        keep: whether the large maps are kept for the next fused image; for one image they are not worth it.

    Raises:
        InputError: the pictures differ in size or are not of these kinds.
    """

    def __init__(self, infrared: Any, visible: Any, *, keep: bool = True) -> None:
        self.keep = keep
        self.infrared: Levels | None = None if infrared is None else as_levels("infrared", infrared)
        self.visible: Levels | None = None if visible is None else as_levels("visible", visible)
        self._planes: dict[tuple[str, View], list[Plane]] = {}

    def metrics(
        self, fused: Any, which: Sequence[str] | None = None, convention: str | None = None
    ) -> dict[str, float]:
        """The metrics of one fused image, see `fusion_metrics`."""
        infos = select(which, convention)
        levels = as_levels("fused", fused)
        check_sizes(levels, self.infrared, self.visible)
        self._check_possible(infos, levels)
        planes: dict[View, list[Plane]] = {}
        result = {}
        for info in infos:
            if info.view not in planes:
                planes[info.view] = [Plane(x) for x in planes_of(levels, info.view)]
            result[info.name] = self._measure(info, planes[info.view])
        return result

    def _check_possible(self, infos: Sequence[MetricInfo], fused: Levels) -> None:
        """Raise `InputError` where a source is missing or the pictures are too small."""
        for name, source in (("infrared", self.infrared), ("visible", self.visible)):
            needing = [info.name for info in infos if name in info.needs]
            if source is None and needing:
                raise InputError(
                    f"the {name} image is missing: {', '.join(needing)} need it; give it or leave them out"
                )
        side = min(fused.shape[:2])
        if large := [info for info in infos if info.min_side > side]:
            least = max(info.min_side for info in large)
            raise InputError(
                f"the images are {fused.shape[1]}x{fused.shape[0]}: {', '.join(i.name for i in large)} need sides of "
                f"at least {least} pixels; leave them out with which=[...]"
            )

    def _source_planes(self, name: str, view: View) -> list[Plane]:
        key = (name, view)
        if key not in self._planes:
            levels = self.infrared if name == "infrared" else self.visible
            self._planes[key] = [] if levels is None else [Plane(x, self.keep) for x in planes_of(levels, view)]
        return self._planes[key]

    def _measure(self, info: MetricInfo, fused: list[Plane]) -> float:
        """Mean of a metric over its planes; a grey picture stands in for each channel of a colour one."""
        infrared = self._source_planes("infrared", info.view) if "infrared" in info.needs else fused
        visible = self._source_planes("visible", info.view) if "visible" in info.needs else fused
        count = max(len(fused), len(infrared), len(visible))
        values = [
            info.compute(fused[k % len(fused)], infrared[k % len(infrared)], visible[k % len(visible)])
            for k in range(count)
        ]
        mean = math.fsum(values) / count
        assert math.isfinite(mean), f"{info.name} is not finite"
        return mean


def select(which: Sequence[str] | None, convention: str | None) -> list[MetricInfo]:
    """The table entries asked for, in that order; all of the convention for None.

    Raises:
        InputError: an unknown metric or convention.
    """
    if convention is not None and convention not in CONVENTIONS:
        raise unknown("convention", convention, CONVENTIONS)
    table = METRICS if convention is None else CONVENTIONS[convention]
    if which is None:
        return list(table.values())
    names = [which] if isinstance(which, str) else list(dict.fromkeys(which))
    for name in names:
        if name not in table:
            raise unknown(f"{convention} metric" if convention else "metric", name, table)
    return [table[name] for name in names]


def fusion_metrics(
    fused: Any,
    infrared: Any,
    visible: Any,
    which: Sequence[str] | None = None,
    convention: str | None = None,
) -> dict[str, float]:
    """Quality metrics of one fused image.

    Args:
        fused: uint8, or float in [0, 1] (rounded to 256 levels); (H, W) or (H, W, 3) arrays, or tensors with channels
            first or last. Colour and grey may be mixed.
        infrared: likewise; None if no metric asked for needs it.
        visible: likewise.
        which: names, see `METRICS`; None for all of them.
        convention: None for textbook definitions on luma, or ``"vifb"``, ``"tang"``, ``"cddfuse"`` for the numbers
            those programs print under the same names, see `CONVENTIONS`.

    Returns:
        name → value, finite always.

    Raises:
        InputError: unknown names, sizes that differ, pictures too small for a metric, NaN, or a scale in doubt.

    >>> import numpy as np
    >>> grey = np.tile(np.arange(64, dtype=np.uint8), (64, 1))
    >>> fusion_metrics(grey, grey, 255 - grey, ["EN", "CC"])
    {'EN': 6.0, 'CC': 0.0}
    """
    return SourcePair(infrared, visible, keep=False).metrics(fused, which, convention)
