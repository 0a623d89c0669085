"""Where pairs come from: two pictures, folders, videos or cameras, as one stream of synchronised pairs.

A stream yields `StreamPair`s that are cheap until `read()` is called, so folders of any length can be listed,
skipped and read ahead by threads.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from segmif.checks import InputError
from segmif.io import Array, read_image
from segmif.pairing import Pair, Pairing, pair_by_stem
from segmif.video import Camera, VideoFile, grab_together, is_video

Address = str | int | os.PathLike[str]
"""A picture, folder or video file; the index of a camera; or a network address such as ``rtsp://…``."""


@dataclass(frozen=True, kw_only=True)
class StreamPair:
    """One pair of a stream.

    `read` returns (infrared, visible) arrays as stored and may raise `InputError`; `seconds` is the time of a video
    or camera frame from the first one, None for pictures.
    """

    name: str
    read: Callable[[], tuple[Array, Array]]
    seconds: float | None = None


class PairStream(ABC):
    """Pairs in order; what is worth knowing about them is in `notes`, complete after the last pair.

    Attributes:
        name: of the whole: the folder's, the video's or the single pair's name.
        rate: frames per second, or None where the pairs are pictures.
        length: number of pairs, or None where it is not known beforehand.
        notes: one line per thing the user should know, such as files without a partner.
    """

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
            yield StreamPair(name=pair.name, read=_reader(pair))


def _reader(pair: Pair) -> Callable[[], tuple[Array, Array]]:
    return lambda: (read_image(pair.infrared), read_image(pair.visible))


class VideoPairs(PairStream):
    """Two videos, paired by time: every visible frame with the infrared frame nearest to it.

    The stream has the visible video's frame rate and ends with the shorter video, noting what is left out.
    """

    def __init__(self, infrared: VideoFile, visible: VideoFile) -> None:
        lengths = [v.frames / v.rate for v in (infrared, visible) if v.frames]
        length = int(min(lengths) * visible.rate) if len(lengths) == 2 else None
        super().__init__(name=visible.path.stem, rate=visible.rate, length=length)
        self.infrared, self.visible = infrared, visible
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
        seconds = 0.0
        for number, (seconds, picture) in enumerate(iter(self.visible)):
            while following is not None and abs(following[0] - seconds) <= abs(time - seconds):
                (time, frame), following = following, next(thermal, None)
            if following is None and seconds >= time + 0.999 * period:
                self._note_end(self.infrared, "infrared", time + period)
                return
            yield _frame_pair(f"{self.name}_{number:06d}", frame, picture, seconds)
        if following is not None and following[0] >= seconds + 0.999 / float(self.visible.rate):
            self._note_end(self.visible, "visible", seconds + 1 / float(self.visible.rate))

    def _note_end(self, video: VideoFile, band: str, end: float) -> None:
        self.notes.append(f"{video}: the {band} video ends after {end:.2f} s, the rest of the other one is left out")


class CameraPairs(PairStream):
    """Two cameras, each pair grabbed at one moment; endless until a camera stops."""

    def __init__(self, infrared: Camera, visible: Camera) -> None:
        super().__init__(name="camera", rate=visible.rate, length=None)
        self.infrared, self.visible = infrared, visible

    def __iter__(self) -> Iterator[StreamPair]:
        frames = grab_together(self.infrared, self.visible)
        for number, (seconds, infrared, visible) in enumerate(frames):
            yield _frame_pair(f"{self.name}_{number:06d}", infrared, visible, seconds)
        self.notes.append("a camera has stopped sending frames")


def _frame_pair(name: str, infrared: Array, visible: Array, seconds: float) -> StreamPair:
    return StreamPair(name=name, read=lambda: (infrared, visible), seconds=seconds)


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
