"""A moving scene with truth: people cross a street before cameras that stand still."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from segmif.checks import InputError
from segmif.data.base import PairSample
from segmif.data.synthetic.conditions import Time
from segmif.data.synthetic.scene import synthetic_scene
from segmif.data.synthetic.texture import Rng
from segmif.labelsets import FMB

_PERSON = FMB.classes.index("person")
_SEARCHED = 200
_SHARE_OF_HEIGHT = (0.15, 0.6)


@dataclass(frozen=True)
class _Walker:
    """A person cut out of another scene: pictures, mask, place at the start, and speed in pixels a second."""

    infrared: npt.NDArray[np.uint8]
    visible: npt.NDArray[np.uint8]
    mask: npt.NDArray[np.bool_]
    row: int
    column: float
    speed: float


def synthetic_clip(
    seed: int,
    frames: int,
    *,
    size: tuple[int, int] = (240, 320),
    time: Time = "day",
    walkers: int = 3,
    rate: float = 25.0,
    noise: float = 2.0,
) -> Iterator[tuple[PairSample, npt.NDArray[np.bool_]]]:
    """The frames of a clip, and for each the mask (H, W) of what moves.

    The street of `synthetic_scene(seed)` stands still; people of other scenes of the same size cross it, each with its
    true label. Every frame has fresh noise.

    Args:
        seed: any non-negative integer; the same arguments give the same bytes.
        frames: how many.
        size: (height, width) in pixels.
        time: of day.
        walkers: how many people.
        rate: frames per second.
        noise: standard deviation in grey levels, of both cameras.

    Raises:
        InputError: as `synthetic_scene`.

    >>> frame, moving = next(synthetic_clip(1, 3, size=(96, 128), walkers=1))
    >>> frame.infrared.shape, frame.name, bool(moving.any())
    ((96, 128), '000000', True)
    """
    street = synthetic_scene(seed, size=size, time=time)
    rng = np.random.Generator(np.random.PCG64([seed, 31]))
    people = list(itertools.islice(_walkers(seed, size, time, rng), walkers))
    if len(people) < walkers:
        raise InputError(f"size is {size[1]}x{size[0]}: too small to hold {walkers} people; enlarge it")
    for number in range(frames):
        frame, moving = street, np.zeros(size, bool)
        for walker in people:
            frame = _with(frame, walker, number / rate, moving)
        yield (
            replace(
                frame, name=f"{number:06d}", boxes=None,
                infrared=_noisy(frame.infrared, noise, rng), visible=_noisy(frame.visible, noise, rng),
            ),
            moving,
        )  # fmt: skip


def _walkers(seed: int, size: tuple[int, int], time: Time, rng: Rng) -> Iterator[_Walker]:
    for other in range(seed + 1, seed + 1 + _SEARCHED):
        scene = synthetic_scene(other, size=size, time=time, weather="clear")
        assert scene.labels is not None
        assert scene.boxes is not None
        for box, class_id, ignore in zip(
            scene.boxes.xyxy.astype(int), scene.boxes.class_ids, scene.boxes.ignore, strict=True
        ):
            x0, y0, x1, y1 = box
            low, high = (share * size[0] for share in _SHARE_OF_HEIGHT)
            whole = x0 > 0 and x1 < size[1] and low <= y1 - y0 <= high
            if class_id != _PERSON or ignore or not whole:
                continue
            part = np.s_[y0:y1, x0:x1]
            yield _Walker(
                scene.infrared[part], scene.visible[part], scene.labels[part] == _PERSON, int(y0),
                column=float(rng.uniform(0, size[1])),
                speed=float(rng.choice((-1, 1)) * rng.uniform(0.1, 0.3) * size[1]),
            )  # fmt: skip
            break


def _with(frame: PairSample, walker: _Walker, seconds: float, moving: npt.NDArray[np.bool_]) -> PairSample:
    """The frame with a person in it, who comes back at one side when gone at the other; marks it in `moving`."""
    assert frame.labels is not None
    height, width = walker.mask.shape
    span = frame.size[1] + width
    left = round(walker.column + walker.speed * seconds) % span - width
    inside = slice(max(0, left), min(frame.size[1], left + width))
    cut = slice(inside.start - left, inside.stop - left)
    place = np.s_[walker.row : walker.row + height, inside]
    mask = walker.mask[:, cut]
    infrared, visible, labels = frame.infrared.copy(), frame.visible.copy(), frame.labels.copy()
    infrared[place][mask] = walker.infrared[:, cut][mask]
    visible[place][mask] = walker.visible[:, cut][mask]
    labels[place][mask] = _PERSON
    moving[place] |= mask
    return replace(frame, infrared=infrared, visible=visible, labels=labels)


def _noisy(picture: npt.NDArray[np.uint8], deviation: float, rng: Rng) -> npt.NDArray[np.uint8]:
    noise = rng.standard_normal(picture.shape, np.float32) * np.float32(deviation)
    noisy: npt.NDArray[np.uint8] = np.rint(picture + noise).clip(0, 255).astype(np.uint8)
    return noisy
