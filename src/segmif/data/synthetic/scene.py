"""One synthetic road scene from one seed: layout, conditions, the two pictures, labels and boxes."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.ndimage import find_objects

from segmif.checks import InputError
from segmif.data.base import Boxes, PairSample
from segmif.data.synthetic.camera import Camera
from segmif.data.synthetic.canvas import Canvas
from segmif.data.synthetic.conditions import Time, Weather, draw_conditions
from segmif.data.synthetic.layout import furnish
from segmif.data.synthetic.sensors import infrared_picture, visible_picture
from segmif.data.synthetic.sky import paint_sky, paint_skyline
from segmif.data.synthetic.street import draw_street, paint_ground
from segmif.data.synthetic.texture import Rng
from segmif.data.synthetic.wear import wear_road

MIN_SYNTHETIC_SIDE = 64
_HIDDEN, _OCCLUDED = 0.12, 0.3
"""Visible shares below which a box is dropped, and below which it is marked `ignore`."""
_TINY = 9.0
"""Boxes whose longer side is below this many pixels, at 640 pixels of width, are marked `ignore`."""


def synthetic_scene(
    seed: int,
    *,
    size: tuple[int, int] = (480, 640),
    time: Time | None = None,
    weather: Weather | None = None,
    misalign: float = 0.0,
) -> PairSample:
    """Make the road scene of a seed.

    The same arguments give the same bytes in every process. `time` and `weather` change light and heat but
    not what stands where, so one seed shows one street by day, at night and in fog.

    Args:
        seed: any non-negative integer.
        size: (height, width) in pixels, each at least 64.
        time: ``"day"``, ``"dusk"`` or ``"night"``; drawn from the seed if None.
        weather: ``"clear"``, ``"fog"`` or ``"rain"``; drawn from the seed if None.
        misalign: largest shift of a corner of the infrared picture, as a share of its width; 0 aligns exactly.
            Visible picture, labels and boxes stay as they are.

    Returns:
        Infrared (H, W) and visible (H, W, 3) uint8, FMB labels (H, W) (0 for what has no class), boxes of
        persons, vehicles, traffic lamps and signs in the FMB ids; `meta` holds time, weather, seed, air
        temperature in °C and, if misaligned, ``homography``: 3 × 3 nested lists from infrared to visible pixels.

    Raises:
        InputError: negative seed, a side below 64, unknown time or weather, misalign outside [0, 0.2].

    >>> scene = synthetic_scene(3, size=(96, 128), time="night")
    >>> scene.infrared.shape, scene.visible.shape, scene.meta["time"]
    ((96, 128), (96, 128, 3), 'night')
    """
    _check(seed, size, misalign)
    streams = [np.random.Generator(np.random.PCG64([seed, stream])) for stream in range(6)]
    place, sky, look, visible_noise, infrared_noise, tilt = streams
    conditions = draw_conditions(sky, time, weather)
    street = draw_street(place)
    camera = _camera(size, place)
    canvas = Canvas(camera=camera, conditions=conditions)
    paint_sky(canvas, look)
    paint_skyline(canvas, look)
    paint_ground(canvas, street, look)
    wear_road(canvas, street, look)
    furnish(canvas, street, seed, place)
    meta: dict[str, object] = {
        "time": conditions.time, "weather": conditions.weather, "seed": seed, "air_celsius": round(conditions.air, 1),
    }  # fmt: skip
    to_infrared = None
    if misalign:
        to_infrared = _homography(size, misalign, tilt)
        meta["homography"] = np.linalg.inv(to_infrared).tolist()
    return PairSample(
        name=f"{seed:06d}",
        infrared=infrared_picture(canvas, infrared_noise, to_infrared),
        visible=visible_picture(canvas, visible_noise),
        labels=canvas.labels,
        boxes=_boxes(canvas),
        meta=meta,
    )


def _check(seed: int, size: tuple[int, int], misalign: float) -> None:
    if seed < 0:
        raise InputError(f"seed is {seed}: must not be negative; use 0 or above")
    if min(size) < MIN_SYNTHETIC_SIDE:
        raise InputError(
            f"size is {size[1]}x{size[0]}: both sides must be at least {MIN_SYNTHETIC_SIDE} pixels; enlarge it"
        )
    if not 0 <= misalign <= 0.2:
        raise InputError(f"misalign is {misalign:g}: must be a share of the width in [0, 0.2]; 0.03 is plenty")


def _camera(size: tuple[int, int], rng: Rng) -> Camera:
    height, width = size
    focal = max(rng.uniform(0.75, 1.5) * width, rng.uniform(0.7, 1.0) * height)
    return Camera(
        size=size,
        focal=float(focal),
        height=float(rng.uniform(1.15, 2.3) if rng.random() < 0.85 else rng.uniform(2.3, 4.0)),
        pitch=float(rng.uniform(-0.05, 0.12) * min(1.0, height / focal)),
        yaw=float(rng.normal(0, 0.06)),
        roll=float(rng.normal(0, 0.008)),
    )


def _homography(size: tuple[int, int], misalign: float, rng: Rng) -> npt.NDArray[np.float64]:
    """Visible to infrared: every corner moves by at most `misalign` · width, one of them by just that."""
    height, width = size
    corners = np.array([(0, 0), (width - 1, 0), (width - 1, height - 1), (0, height - 1)], float)
    shift = rng.normal(size=2) + 0.5 * rng.normal(size=(4, 2))
    shift *= misalign * width / np.linalg.norm(shift, axis=1).max()
    rows = []
    for (x, y), (u, v) in zip(corners, corners + shift, strict=True):
        rows += [[x, y, 1, 0, 0, 0, -u * x, -u * y, u], [0, 0, 0, x, y, 1, -v * x, -v * y, v]]
    system = np.array(rows)
    return np.append(np.linalg.solve(system[:, :8], system[:, 8]), 1.0).reshape(3, 3)


def _boxes(canvas: Canvas) -> Boxes:
    """Boxes of what is left to see of every instance."""
    tiny = _TINY * canvas.camera.size[1] / 640
    visible = np.bincount(canvas.owner.ravel(), minlength=len(canvas.instances) + 1)
    xyxy, ids, ignore = [], [], []
    for index, (where, instance) in enumerate(zip(find_objects(canvas.owner), canvas.instances, strict=False), 1):
        if where is None or visible[index] < max(4, _HIDDEN * instance.area):
            continue
        rows, columns = where
        xyxy.append((columns.start, rows.start, columns.stop, rows.stop))
        ids.append(instance.class_id)
        small = max(columns.stop - columns.start, rows.stop - rows.start) < tiny
        ignore.append(small or visible[index] < _OCCLUDED * instance.area)
    return Boxes(
        xyxy=np.array(xyxy, np.float32).reshape(-1, 4), class_ids=np.array(ids, np.int64), ignore=np.array(ignore, bool)
    )
