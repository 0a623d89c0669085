"""Where pairs come from: two pictures, folders, videos or cameras, as one stream of synchronised pairs.

A stream yields `StreamPair`s that are cheap until `read()` is called, so folders of any length can be listed,
skipped and read ahead by threads.
"""

from __future__ import annotations

import math
import os
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

from segmif.checks import InputError
from segmif.io import Array, read_image, stretch_limits
from segmif.pairing import Pair, Pairing, pair_by_stem
from segmif.video import Camera, VideoFile, grab_together, is_video

Address = str | int | os.PathLike[str]
"""A picture, folder or video file; the index of a camera; or a network address such as ``rtsp://…``."""


@dataclass(frozen=True, kw_only=True)
class StreamPair:
    """One pair of a stream.

    Attributes:
        name: of the pair.
        read: returns (infrared, visible) arrays as stored and may raise `InputError`.
        seconds: time of a video or camera frame from the first one; None for pictures.
        limits: the infrared values that shall become 0 and 1, where a 16-bit video is steadied (`RunningLimits`).
        captured: `time.monotonic()` at which a camera took the frame; None for what does not grow old.
        files: what is read.
    """

    name: str
    read: Callable[[], tuple[Array, Array]]
    seconds: float | None = None
    limits: tuple[float, float] | None = None
    captured: float | None = None
    files: tuple[Path, ...] = ()


class PairStream(ABC):
    """Pairs in order; what is worth knowing about them is in `notes`, complete after the last pair.

    Attributes:
        name: of the whole: the folder's, the video's or the single pair's name.
        rate: frames per second, or None where the pairs are pictures.
        length: number of pairs, or None where it is not known beforehand.
        notes: one line per thing the user should know, such as files without a partner.
        files: the files all pairs come from, for videos.
        live: whether frames come by themselves and grow old.
        lost: what went away and when, if the stream ended because a camera did; known after the last pair.
    """

    files: tuple[Path, ...] = ()
    live = False
    lost: str | None = None

    def __init__(self, *, name: str, rate: Fraction | None, length: int | None) -> None:
        self.name = name
        self.rate = rate
        self.length = length
        self.notes: list[str] = []

    @abstractmethod
    def __iter__(self) -> Iterator[StreamPair]: ...


class PicturePairs(PairStream):
    """Picture files that belong together.

    Args:
        pairing: which file belongs to which.
        name: of the whole.
    """

    def __init__(self, pairing: Pairing, *, name: str) -> None:
        super().__init__(name=name, rate=None, length=len(pairing.pairs))
        self.pairing = pairing
        if pairing.only_infrared or pairing.only_visible:
            self.notes.append(pairing.summary())

    def __iter__(self) -> Iterator[StreamPair]:
        for pair in self.pairing.pairs:
            yield StreamPair(name=pair.name, read=_reader(pair), files=(pair.infrared, pair.visible))


def _reader(pair: Pair) -> Callable[[], tuple[Array, Array]]:
    return lambda: (read_image(pair.infrared), read_image(pair.visible))


class RunningLimits:
    """The infrared values that become 0 and 1, smoothed over time, so that a 16-bit video does not flicker.

    The limits L of each frame (`io.stretch_limits`) change a little with every hot pixel that comes and goes. The
    limits S in use follow them slowly, S ← S + (1 − exp(−Δt / time_constant)) (L − S), Δt seconds after the last
    frame. Where the ranges S and L have less than half of their union in common (another scene, the shutter of an
    uncooled camera), S starts anew at L.

    Args:
        time_constant: in seconds; 0 stretches every frame by itself.

    >>> import numpy as np
    >>> limits = RunningLimits(time_constant=1.0)
    >>> limits(np.array([[7000, 8000]], np.uint16), 0.0)
    (7001.0, 7999.0)
    >>> limits(np.array([[7100, 8000]], np.uint16), 0.1)
    (7010.5..., 7999.0...)
    """

    def __init__(self, time_constant: float = 1.0) -> None:
        self.time_constant = time_constant
        self._limits: tuple[float, float] | None = None
        self._seconds = 0.0

    def __call__(self, infrared: Array, seconds: float) -> tuple[float, float] | None:
        """The limits for the next frame, `seconds` after the first one; None if it is not one to be stretched."""
        new = stretch_limits(infrared)
        if new is None:
            return None
        if self._limits is not None and self.time_constant > 0 and _overlap(self._limits, new) >= 0.5:
            share = -math.expm1(-max(0.0, seconds - self._seconds) / self.time_constant)
            new = (
                self._limits[0] + share * (new[0] - self._limits[0]),
                self._limits[1] + share * (new[1] - self._limits[1]),
            )
        self._limits, self._seconds = new, seconds
        return new


def _overlap(first: tuple[float, float], second: tuple[float, float]) -> float:
    """Intersection over union of two ranges."""
    union = max(first[1], second[1]) - min(first[0], second[0])
    common = min(first[1], second[1]) - max(first[0], second[0])
    return max(0.0, common) / union if union > 0 else 1.0


class VideoPairs(PairStream):
    """Two videos, paired by time: every visible frame with the infrared frame nearest to it.

    The stream has the visible video's frame rate and ends with the shorter video, noting what is left out.
    """

    def __init__(self, infrared: VideoFile, visible: VideoFile) -> None:
        lengths = [v.frames / v.rate for v in (infrared, visible) if v.frames]
        length = int(min(lengths) * visible.rate) if len(lengths) == 2 else None
        super().__init__(name=visible.path.stem, rate=visible.rate, length=length)
        self.infrared, self.visible = infrared, visible
        self.files = (infrared.path, visible.path)
        if infrared.rate != visible.rate:
            self.notes.append(
                f"{infrared} has {float(infrared.rate):g} frames per second and {visible} {float(visible.rate):g}: "
                "each visible frame takes the infrared frame nearest in time"
            )

    def __iter__(self) -> Iterator[StreamPair]:
        period = float(1 / self.infrared.rate)
        thermal = iter(self.infrared)
        time, frame = next(thermal)
        following = next(thermal, None)
        limits, seconds = RunningLimits(), 0.0
        for number, (seconds, picture) in enumerate(iter(self.visible)):
            while following is not None and abs(following[0] - seconds) <= abs(time - seconds):
                (time, frame), following = following, next(thermal, None)
            if following is None and seconds >= time + 0.999 * period:
                self._note_end(self.infrared, "infrared", time + period)
                return
            yield _frame_pair(f"{self.name}_{number:06d}", frame, picture, seconds, limits(frame, seconds))
        if following is not None and following[0] >= seconds + 0.999 / float(self.visible.rate):
            self._note_end(self.visible, "visible", seconds + 1 / float(self.visible.rate))

    def _note_end(self, video: VideoFile, band: str, end: float) -> None:
        self.notes.append(f"{video}: the {band} video ends after {end:.2f} s, the rest of the other one is left out")


class CameraPairs(PairStream):
    """Two cameras, each pair grabbed at one moment; endless until a camera stops, which `lost` then names."""

    live = True

    def __init__(self, infrared: Camera, visible: Camera) -> None:
        super().__init__(name="camera", rate=visible.rate, length=None)
        self.infrared, self.visible = infrared, visible

    def __iter__(self) -> Iterator[StreamPair]:
        limits, start, seconds, number = RunningLimits(), time.monotonic(), 0.0, -1
        try:
            for number, (seconds, infrared, visible) in enumerate(grab_together(self.infrared, self.visible)):
                pair = _frame_pair(f"{self.name}_{number:06d}", infrared, visible, seconds, limits(infrared, seconds))
                yield replace(pair, captured=start + seconds)
        except InputError as error:  # a damaged frame, the last thing an unplugged camera sends
            reason = str(error).partition(";")[0]
        else:
            gone = " and ".join(str(c) for c in (self.infrared, self.visible) if c.lost)
            reason = f"{gone} stopped sending frames"
        after = f"after {seconds:.1f} s and {number + 1} frames" if number >= 0 else "before the first frame"
        self.lost = f"{reason} {after}; check the connection"


def _frame_pair(
    name: str, infrared: Array, visible: Array, seconds: float, limits: tuple[float, float] | None
) -> StreamPair:
    return StreamPair(name=name, read=lambda: (infrared, visible), seconds=seconds, limits=limits)


def open_pairs(infrared: Address, visible: Address, *, recursive: bool = False) -> PairStream:
    """The pairs of two pictures, two folders (by file name), two videos (by time) or two cameras.

    Args:
        infrared: picture, folder or video file; or a camera's index or network address.
        visible: the same kind of thing.
        recursive: look into sub-folders too.

    Raises:
        InputError: something is missing, the two are of different kinds or the same thing, or no names match.
        MissingExtraError: videos need the extra ``video``.
    """
    kinds = _kind(infrared), _kind(visible)
    if kinds[0] != kinds[1]:
        raise InputError(
            f"infrared is a {kinds[0]} ({infrared}) but visible is a {kinds[1]} ({visible}): give two alike"
        )
    if str(infrared) == str(visible):
        raise InputError(f"infrared and visible are the same {kinds[0]} ({infrared}): give one of each band")
    if kinds[0] == "camera":
        return CameraPairs(_camera(infrared), _camera(visible))
    left, right = Path(str(infrared)), Path(str(visible))
    if kinds[0] == "video":
        return VideoPairs(VideoFile(left), VideoFile(right))
    if kinds[0] == "folder":
        return PicturePairs(pair_by_stem(left, right, recursive=recursive), name=right.resolve().name)
    return PicturePairs(Pairing(pairs=[Pair(name=right.stem, infrared=left, visible=right)]), name=right.stem)


def _kind(address: Address) -> str:
    """What an address means: "camera", "folder", "video" or "picture"."""
    if isinstance(address, int) or (isinstance(address, str) and "://" in address):
        return "camera"
    path = Path(address)
    if path.is_dir():
        return "folder"
    if path.exists():
        return "video" if is_video(path) else "picture"
    if str(address).isdecimal():
        return "camera"
    raise InputError(f"{path}: no such file or folder; check the path")


def _camera(address: Address) -> Camera:
    text = str(address)
    return Camera(int(text) if text.isdecimal() else text)
