"""The scenes that come with the package: one street three times, made when asked for."""

from __future__ import annotations

from segmif.checks import unknown
from segmif.data.base import PairSample
from segmif.data.synthetic.conditions import Time, Weather
from segmif.data.synthetic.scene import synthetic_scene

EXAMPLES: dict[str, tuple[Time, Weather]] = {
    "day": ("day", "clear"),
    "night": ("night", "clear"),
    "fog": ("day", "fog"),
}
"""Time and weather, by name."""
EXAMPLE_SIZE = (480, 640)
_SEED = 7


def example_scene(name: str, *, size: tuple[int, int] | None = None) -> PairSample:
    """The embedded scene of that name, `EXAMPLE_SIZE` or another (height, width) in pixels.

    Raises:
        InputError: no such scene.

    >>> example_scene("night", size=(96, 128)).meta["time"]
    'night'
    """
    if name not in EXAMPLES:
        raise unknown("example", name, EXAMPLES)
    time, weather = EXAMPLES[name]
    return synthetic_scene(_SEED, size=size or EXAMPLE_SIZE, time=time, weather=weather)
