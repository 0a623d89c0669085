"""A simulated rig: one moving scene seen by two cameras whose clocks, delays and losses are known."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property

import cv2
import numpy as np
import numpy.typing as npt

from segmif.checks import InputError
from segmif.data.synthetic import Time, synthetic_scene
from segmif.io import Array, Band
from segmif.labelsets import FMB
from segmif.rig.record.frames import BANDS, Frame, Source, SourceLost

Floats = npt.NDArray[np.float64]

_MARGIN = 1.6
"""Sides of the scene over those of the picture: the camera has that much to look around in."""
_COUNTS_PER_GREY, _COUNTS_AT_BLACK = 14, 21000
"""16-bit infrared counts of an 8-bit grey, about those of a microbolometer with 10 mK per count."""
_NOISE_BANK = 8
_START = 1_750_000_000.0


@dataclass(frozen=True, kw_only=True)
class SimulatedCamera:
    """What is wrong with one camera; times in seconds.

    Attributes:
        rate: frames per second.
        phase: true time of the first frame.
        clock_offset, clock_drift: its clock shows true time · (1 + drift) + offset.
        stamp_jitter: standard deviation of its stamps.
        latency, jitter: a frame arrives latency + jitter later, jitter exponential with this mean.
        drops: share of frames lost on the way.
        stamps: whether frames carry the camera's time; `numbers`: its frame counter.
        dies_at: true time after which it sends nothing; `shutter_every`: a thermal shutter freezes the picture for
            0.4 s that often.
    """

    rate: float = 30.0
    phase: float = 0.0
    clock_offset: float = 0.0
    clock_drift: float = 0.0
    stamp_jitter: float = 1e-4
    latency: float = 0.020
    jitter: float = 0.003
    drops: float = 0.0
    stamps: bool = True
    numbers: bool = True
    dies_at: float | None = None
    shutter_every: float | None = None

    def times(self, seconds: float, rng: np.random.Generator) -> tuple[Floats, Floats, Floats, npt.NDArray[np.bool_]]:
        """True times, stamps, arrivals, and which frames arrive: (N,) each."""
        true = self.phase + np.arange(int((seconds - self.phase) * self.rate)) / self.rate
        stamps = true * (1 + self.clock_drift) + self.clock_offset + self.stamp_jitter * rng.normal(size=len(true))
        late = rng.exponential(self.jitter, len(true)) if self.jitter else np.zeros(len(true))
        arrivals = np.maximum.accumulate(true + self.latency + late)
        return true, stamps, arrivals, rng.random(len(true)) >= self.drops


_INFRARED = SimulatedCamera(
    rate=25.0, phase=0.011, clock_offset=-3.2, clock_drift=38e-6, latency=0.045, jitter=0.004, drops=0.01
)
_VISIBLE = SimulatedCamera(clock_offset=412.7, clock_drift=-21e-6, latency=0.018, jitter=0.003, drops=0.005)


@dataclass(frozen=True, kw_only=True)
class SimulatedRig:
    """Two cameras on one bar that pans over a street where people walk; the same seed gives the same frames.

    Attributes:
        seed: of scene, motion and all chance.
        size: (height, width) of both cameras' pictures, each at least 64.
        seconds: how long there are frames.
        time: of day of the scene; from the seed if None.
        start: UTC of true time 0, in seconds since 1970.
        moving: whether anything moves at all.
    """

    seed: int = 0
    size: tuple[int, int] = (240, 320)
    seconds: float = 60.0
    time: Time | None = None
    start: float = _START
    moving: bool = True
    infrared: SimulatedCamera = _INFRARED
    visible: SimulatedCamera = _VISIBLE

    def camera(self, band: Band) -> SimulatedCamera:
        """The camera of a band."""
        return self.infrared if band == "infrared" else self.visible

    def open(self, band: Band) -> SimulatedSource:
        """A source that starts at the beginning."""
        return SimulatedSource(self, band)

    def offset(self) -> float:
        """What the recorder should find, in seconds: how much later infrared frames arrive, on the common clock."""
        if self.infrared.stamps and self.visible.stamps:
            return self.infrared.latency - self.visible.latency
        means = [c.latency + (0.0 if c.stamps else c.jitter) for c in (self.infrared, self.visible)]
        return means[0] - means[1]

    def view(self, band: Band, seconds: float) -> Array:
        """The noise-free picture at a true time: 16-bit counts (H, W), or RGB (H, W, 3)."""
        picture = self._shifted(self._scene[band], seconds, cv2.INTER_LINEAR)
        for (x, y), person in self._walkers(seconds):
            height = 0.22 * self.size[0]
            colour = person[0] if band == "infrared" else person[1]
            _figure(picture, x, y, height, colour)
        return picture.astype(np.uint16) * _COUNTS_PER_GREY + _COUNTS_AT_BLACK if band == "infrared" else picture

    def labels(self, seconds: float) -> Array:
        """The FMB label map (H, W) at a true time."""
        labels = self._shifted(self._scene["labels"], seconds, cv2.INTER_NEAREST)
        for (x, y), _ in self._walkers(seconds):
            _figure(labels, x, y, 0.22 * self.size[0], (FMB.classes.index("person"),), smooth=False)
        return labels

    @cached_property
    def _scene(self) -> dict[str, Array]:
        size = tuple(int(np.ceil(_MARGIN * side)) for side in self.size)
        scene = synthetic_scene(self.seed, size=(size[0], size[1]), time=self.time, weather="clear")
        assert scene.labels is not None
        return {"infrared": scene.infrared, "visible": scene.visible, "labels": scene.labels}

    @cached_property
    def _waves(self) -> Floats:
        """Frequency in Hz, amplitude as share of the margin, and phase of the waves that pan the bar (2, 3, 7)."""
        rng = np.random.default_rng([self.seed, 11])
        frequency = np.exp(rng.uniform(np.log(0.07), np.log(2.2), (2, 7)))
        amplitude = 1 / (1 + 5 * frequency) * rng.uniform(0.5, 1, (2, 7))
        amplitude /= amplitude.sum(axis=1, keepdims=True)
        return np.stack([frequency, amplitude, rng.uniform(0, 2 * np.pi, (2, 7))], axis=1)

    def _pan(self, seconds: float) -> tuple[float, float]:
        """Upper left corner (x, y) of the view in the scene, in pixels."""
        t = seconds if self.moving else 0.0
        share = [float((w[1] * np.sin(2 * np.pi * w[0] * t + w[2])).sum()) for w in self._waves]
        room = (_MARGIN - 1) / 2 * self.size[1], (_MARGIN - 1) / 2 * self.size[0]
        return room[0] * (1 + share[0]), room[1] * (1 + share[1])

    def _shifted(self, picture: Array, seconds: float, method: int) -> Array:
        x, y = self._pan(seconds)
        matrix = np.array([[1, 0, x], [0, 1, y]], np.float32)
        size = self.size[1], self.size[0]
        return np.asarray(cv2.warpAffine(picture, matrix, size, flags=method | cv2.WARP_INVERSE_MAP))

    def _walkers(self, seconds: float) -> Iterator[tuple[tuple[float, float], tuple[tuple[int, ...], tuple[int, ...]]]]:
        """Foot points in the picture, and colours in infrared and visible."""
        rng = np.random.default_rng([self.seed, 12])
        pan = self._pan(seconds)
        for _ in range(3):
            start, speed, sway = rng.uniform(0, 1), rng.uniform(-0.25, 0.25), rng.uniform(0.2, 0.9)
            phase, depth = rng.uniform(0, 2 * np.pi), rng.uniform(0.75, 0.95)
            colour = tuple(int(c) for c in rng.integers(30, 160, 3))
            t = seconds if self.moving else 0.0
            across = start + speed * t + 0.05 * np.sin(2 * np.pi * sway * t + phase)
            width = _MARGIN * self.size[1]
            yield (across % 1.0 * width - pan[0], depth * _MARGIN * self.size[0] - pan[1]), ((235,), colour)


def _figure(picture: Array, x: float, y: float, height: float, colour: tuple[int, ...], *, smooth: bool = True) -> None:
    """A person seen from afar: two ellipses whose edges fall between pixels."""
    kind = cv2.LINE_AA if smooth else cv2.LINE_8
    for up, wide, tall in ((0.42, 0.15, 0.42), (0.92, 0.08, 0.09)):
        centre = round(16 * x), round(16 * (y - up * height))
        axes = round(16 * wide * height), round(16 * tall * height)
        cv2.ellipse(picture, centre, axes, 0, 0, 360, colour, -1, kind, 4)


@dataclass
class SimulatedSource(Source):
    """One camera of a `SimulatedRig`; its frames wait to be read, and carry the times at which they would arrive."""

    rig: SimulatedRig
    band: Band
    live: bool = False
    name: str = "simulated camera"
    _frames: Iterator[Frame] | None = field(default=None, repr=False)

    def read(self) -> Frame | None:
        """The next frame; see `Source.read`."""
        if self._frames is None:
            self._frames = self._make()
        return next(self._frames, None)

    def _make(self) -> Iterator[Frame]:
        camera, rig = self.rig.camera(self.band), self.rig
        rng = np.random.default_rng([rig.seed, 20 + BANDS.index(self.band)])
        true, stamps, arrivals, there = camera.times(rig.seconds, rng)
        deep = self.band == "infrared"
        shape = rig.size if deep else (*rig.size, 3)
        bank = [np.rint(rng.normal(0, 20 if deep else 2, shape)).astype(np.int32) for _ in range(_NOISE_BANK)]
        peak = 65535 if deep else 255
        for k in np.flatnonzero(there):
            if camera.dies_at is not None and true[k] > camera.dies_at:
                raise SourceLost("sends nothing any more (unplugged by the simulation)")
            noise = bank[int(rng.integers(_NOISE_BANK))]
            picture = rig.view(self.band, _shutter(true[k], camera.shutter_every))
            yield Frame(
                image=np.clip(picture + noise, 0, peak).astype(picture.dtype),
                host=float(arrivals[k]),
                utc=rig.start + float(arrivals[k]),
                device=float(stamps[k]) if camera.stamps else None,
                number=int(k) if camera.numbers else None,
                exposure_ms=None if deep else 8.0,
                gain=None if deep else 1.5,
                temperature_c=31.5 if deep else None,
            )


def _shutter(seconds: float, every: float | None) -> float:
    """The moment the picture shows: while the shutter is closed, the last one before."""
    if every is None or seconds < every:
        return seconds
    closed = seconds // every * every
    return closed if seconds - closed < 0.4 else seconds


def simulated(text: str) -> SimulatedRig:
    """The rig of an address ``simulate`` or ``simulate:SEED``.

    Raises:
        InputError: the seed is no number.
    """
    seed = text.partition(":")[2] or "0"
    if not seed.isdecimal():
        raise InputError(f"{text!r}: the seed must be a number, as in simulate:7")
    return SimulatedRig(seed=int(seed))
