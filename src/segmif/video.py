"""Video files and cameras: frames in, whole video files out (PyAV, extra ``video``; OpenCV for cameras).

A frame is uint8 RGB (H, W, 3) or grey (H, W), or uint16 grey where the video stores more than 8 bits of grey;
its time is in seconds from the first frame.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import cv2
import numpy as np

from segmif.checks import InputError, require_extra
from segmif.io import Array, make_output_folder, temporary_beside

VIDEO_SUFFIXES = (".mp4", ".mkv", ".mov", ".avi", ".m4v", ".webm", ".mpg", ".mpeg", ".ts", ".wmv")
WRITABLE_SUFFIXES = (".mp4", ".mkv", ".mov")

_FALLBACK_RATE = Fraction(25)


def is_video(path: Path) -> bool:
    """Whether the file name ends like a video we read (any case)."""
    return path.suffix.lower() in VIDEO_SUFFIXES


def is_playable(path: Path) -> bool:
    """Whether a video file can be opened and its first frame be decoded."""
    try:
        next(iter(VideoFile(path)))
    except InputError:
        return False
    return True


class VideoFile:
    """The frames of a video file; iterating again starts from the beginning.

    Attributes:
        rate: frames per second.
        frames: number of frames as the file states it; None where it does not.

    Raises:
        InputError: the file is missing, is no video, or is damaged (on iteration).
        MissingExtraError: PyAV is not installed.
    """

    live = False

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        if not self.path.is_file():
            raise InputError(f"{self.path}: no such file; check the path")
        self._av = require_extra("av", "video")
        with self._open() as container:
            stream = container.streams.video[0]
            self.rate = Fraction(stream.average_rate or stream.guessed_rate or _FALLBACK_RATE)
            self.frames: int | None = stream.frames or None

    def __str__(self) -> str:
        return str(self.path)

    def _open(self) -> Any:
        try:
            container = self._av.open(str(self.path))
        except (self._av.FFmpegError, OSError) as error:
            raise InputError(f"{self.path}: is not a video we can read ({_reason(error)}); convert it first") from error
        if not container.streams.video:
            container.close()
            raise InputError(f"{self.path}: holds no video stream; choose another file")
        return container

    def __iter__(self) -> Iterator[tuple[float, Array]]:
        count, start = 0, None
        with self._open() as container:
            stream = container.streams.video[0]
            stream.thread_type = "AUTO"
            try:
                for frame in container.decode(stream):
                    seconds = frame.time if frame.time is not None else float(count / self.rate)
                    start = seconds if start is None else start
                    yield seconds - start, frame_array(frame)
                    count += 1
            except self._av.FFmpegError as error:
                raise InputError(
                    f"{self.path}: is damaged after frame {count} ({_reason(error)}); copy or export it again"
                ) from error
        if not count:
            raise InputError(f"{self.path}: holds no frames; copy or export it again")


def _reason(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or error)


def frame_array(frame: Any) -> Array:
    """A decoded PyAV frame as an upright array: grey (H, W) uint8 or uint16, or RGB (H, W, 3) uint8."""
    name = frame.format.name
    if name.startswith("gray"):
        deep = frame.format.components[0].bits > 8
        array = frame.to_ndarray(format="gray16le" if deep else "gray")
    else:
        array = frame.to_ndarray(format="rgb24")
    turns = round(frame.rotation / 90) % 4
    return np.ascontiguousarray(np.rot90(array, turns)) if turns else array


class VideoWriter:
    """Writes pictures as an H.264 video; use it as a context manager.

    The file appears under its name when the block ends well. After an exception, Ctrl-C included, the frames
    written so far are kept as ``<stem>_partial<suffix>``, unless the disk is too full to end the file. Odd sizes are
    padded by one repeated row or column, since players need even ones.

    Args:
        path: file name ending in .mp4, .mkv or .mov.
        rate: frames per second.

    Raises:
        InputError: another suffix, no frames, frames that differ in size, or a file that cannot be written.
    """

    def __init__(self, path: str | Path, rate: Fraction) -> None:
        self.path = Path(path)
        if self.path.suffix.lower() not in WRITABLE_SUFFIXES:
            raise InputError(f"{self.path}: cannot write this kind of video; use {', '.join(WRITABLE_SUFFIXES)}")
        self.rate = Fraction(rate).limit_denominator(65535)
        self._av = require_extra("av", "video")
        self._pts = -1
        self._size: tuple[int, ...] = ()
        self._container: Any = None
        self._stream: Any = None

    @property
    def partial_path(self) -> Path:
        """Where the frames go when the block is left by an exception."""
        return self.path.with_name(f"{self.path.stem}_partial{self.path.suffix}")

    def __enter__(self) -> Self:
        make_output_folder(self.path.parent)
        self._temporary = temporary_beside(self.path)
        return self

    def write(self, picture: Array, seconds: float | None = None) -> None:
        """Append a uint8 picture (H, W, 3); shown at `seconds`, or one frame after the last one."""
        if not self._size:
            self._start(picture)
        if picture.shape[:2] != self._size:
            raise InputError(f"{self.path}: frames differ in size; all frames of a video must have one size")
        even = [(0, side % 2) for side in self._size]
        padded = np.pad(picture, [*even, (0, 0)], mode="edge") if any(pad for _, pad in even) else picture
        frame = self._av.VideoFrame.from_ndarray(np.ascontiguousarray(padded), format="rgb24")
        wanted = 0 if seconds is None else round(seconds * self.rate)
        self._pts = frame.pts = max(self._pts + 1, wanted)
        self._mux(frame)

    def _start(self, picture: Array) -> None:
        self._size = picture.shape[:2]
        h264 = "libx264" in self._av.codecs_available
        try:
            self._container = self._av.open(str(self._temporary), "w")
        except (self._av.FFmpegError, OSError) as error:
            raise InputError(f"{self.path}: cannot be written ({_reason(error)}); choose another folder") from error
        self._stream = self._container.add_stream("libx264" if h264 else "mpeg4", rate=self.rate)
        self._stream.height, self._stream.width = (side + side % 2 for side in self._size)
        self._stream.pix_fmt = "yuv420p"
        self._stream.options = {"crf": "18", "preset": "veryfast"} if h264 else {"qscale": "3"}

    def _mux(self, frame: Any) -> None:
        try:
            for packet in self._stream.encode(frame):
                self._container.mux(packet)
        except (self._av.FFmpegError, OSError) as error:
            raise InputError(f"{self.path}: cannot be written ({_reason(error)}); free space first") from error

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._close()
        except InputError:  # without its end no player opens it
            self._temporary.unlink(missing_ok=True)
            if error is None:
                raise
            return
        if self._temporary.exists():
            self._temporary.replace(self.path if error is None else self.partial_path)
        elif error is None:
            raise InputError(f"{self.path}: there were no frames to write; check the inputs")

    def _close(self) -> None:
        if self._container is None:
            return
        try:
            try:
                self._mux(None)
            finally:
                self._container.close()
        except (self._av.FFmpegError, OSError) as error:
            raise InputError(f"{self.path}: cannot be finished ({_reason(error)}); free space first") from error


class Camera:
    """A camera by its index or network address (``rtsp://…``), read through OpenCV.

    Attributes:
        rate: frames per second as the camera states it, 25 where it does not.
        lost: whether it has stopped sending frames.

    Raises:
        InputError: the camera cannot be opened.
    """

    live = True
    frames = None

    def __init__(self, address: int | str) -> None:
        self.address = address
        self.lost = False
        self._capture = cv2.VideoCapture(address)
        if not self._capture.isOpened():
            raise InputError(f"camera {address}: cannot be opened; check that it is connected and not in use")
        self._capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)  # a slow reader shall see the newest frame, not a queue
        stated = self._capture.get(cv2.CAP_PROP_FPS)
        usable = np.isfinite(stated) and 1 <= stated <= 1000
        self.rate = Fraction(stated).limit_denominator(1001) if usable else _FALLBACK_RATE

    def __str__(self) -> str:
        return f"camera {self.address}"

    def grab(self) -> bool:
        """Take a frame without decoding it, so that two cameras are read at one moment; False at the end."""
        self.lost = not self._capture.grab()
        return not self.lost

    def retrieve(self) -> Array:
        """Decode the frame taken by `grab`.

        Raises:
            InputError: the frame is damaged.
        """
        done, frame = self._capture.retrieve()
        if not done:
            self.lost = True
            raise InputError(f"{self}: sent a damaged frame; check the connection")
        return np.ascontiguousarray(frame[..., ::-1]) if frame.ndim == 3 else frame

    def close(self) -> None:
        """Give the camera back."""
        self._capture.release()


def grab_together(first: Camera, second: Camera) -> Iterator[tuple[float, Array, Array]]:
    """(seconds, frame, frame) of two cameras, both grabbed before either is decoded; both are closed at the end."""
    start = time.monotonic()
    try:
        while first.grab() and second.grab():
            yield time.monotonic() - start, first.retrieve(), second.retrieve()
    finally:
        first.close()
        second.close()
