"""Cameras on a USB port (V4L2/UVC, by OpenCV) and on the network (RTSP and what else PyAV opens)."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import cv2
import numpy as np

from segmif.checks import InputError, require_extra
from segmif.io import Array
from segmif.rig.record.frames import Frame, HostClock, Source, SourceLost
from segmif.video import frame_array

_EXPOSURE_UNIT_MS = 0.1
"""V4L2 counts exposure in steps of 100 µs."""
_FACTS_EVERY = 32
_OPEN_SECONDS, _READ_SECONDS = 10.0, 5.0


class UsbCamera(Source):
    """A V4L2/UVC camera.

    Frames carry the kernel's time stamp of the buffer where the driver gives one that advances.

    Args:
        device: index (``"0"``) or path (``"/dev/video2"``).
        pixel_format: four letters such as ``"Y16"`` (raw 16-bit thermal) or ``"MJPG"``; the camera's choice if None.
        size: (width, height) to ask for.
        rate: frames per second to ask for.

    Raises:
        InputError: it cannot be opened, or does not give the pixel format.
    """

    def __init__(
        self,
        device: str,
        *,
        pixel_format: str | None = None,
        size: tuple[int, int] | None = None,
        rate: float | None = None,
        clock: HostClock | None = None,
    ) -> None:
        self.name = f"camera {device}"
        self._clock = clock or HostClock()
        backend = cv2.CAP_V4L2 if sys.platform == "linux" else cv2.CAP_ANY
        self._capture = cv2.VideoCapture(int(device) if device.isdecimal() else device, backend)
        if not self._capture.isOpened():
            raise InputError(f"{self.name}: cannot be opened; check that it is connected and no one else uses it")
        self._raw = pixel_format is not None and pixel_format.strip().upper() == "Y16"
        self._ask(pixel_format, size, rate)
        self._facts: dict[str, Any] = {}
        self._count = 0
        self._stamps = self._stamps_advance()

    def _ask(self, pixel_format: str | None, size: tuple[int, int] | None, rate: float | None) -> None:
        if pixel_format is not None:
            code = cv2.VideoWriter.fourcc(*pixel_format.ljust(4)[:4])
            self._capture.set(cv2.CAP_PROP_FOURCC, code)
            if int(self._capture.get(cv2.CAP_PROP_FOURCC)) != code:
                self._capture.release()
                raise InputError(
                    f"{self.name}: does not give {pixel_format}; see what it does with 'v4l2-ctl --list-formats'"
                )
        if self._raw:
            self._capture.set(cv2.CAP_PROP_CONVERT_RGB, 0)
        if size is not None:
            self._capture.set(cv2.CAP_PROP_FRAME_WIDTH, size[0])
            self._capture.set(cv2.CAP_PROP_FRAME_HEIGHT, size[1])
        if rate is not None:
            self._capture.set(cv2.CAP_PROP_FPS, rate)

    def _stamps_advance(self) -> bool:
        seen = []
        for _ in range(3):
            if not self._capture.grab():
                return False
            seen.append(self._capture.get(cv2.CAP_PROP_POS_MSEC))
        return 0 < seen[0] < seen[1] < seen[2]

    def read(self) -> Frame | None:
        """The next frame; see `Source.read`."""
        if not self._capture.grab():
            raise SourceLost("sends nothing any more; check cable and power")
        host, utc = self._clock.monotonic(), self._clock.utc()
        device = self._capture.get(cv2.CAP_PROP_POS_MSEC) / 1000 if self._stamps else None
        done, picture = self._capture.retrieve()
        if not done or picture is None:
            raise SourceLost("sent a damaged frame; check the cable")
        if self._count % _FACTS_EVERY == 0:
            exposure, gain = (self._capture.get(p) for p in (cv2.CAP_PROP_EXPOSURE, cv2.CAP_PROP_GAIN))
            self._facts = {
                "exposure_ms": exposure * _EXPOSURE_UNIT_MS if exposure > 0 else None,
                "gain": gain if gain > 0 else None,
            }
        self._count += 1
        return Frame(image=self._array(np.asarray(picture)), host=host, utc=utc, device=device, **self._facts)

    def _array(self, picture: Array) -> Array:
        if self._raw:
            width = int(self._capture.get(cv2.CAP_PROP_FRAME_WIDTH))
            return np.ascontiguousarray(picture).view(np.uint16).reshape(-1, width).copy()
        if picture.ndim == 3 and picture.shape[2] == 3:
            return np.ascontiguousarray(picture[..., ::-1])
        return np.ascontiguousarray(picture.reshape(picture.shape[:2]))

    def close(self) -> None:
        """Give the camera back."""
        self._capture.release()


class NetworkCamera(Source):
    """A camera that streams, by RTSP over TCP or any address PyAV opens; stamps are the stream's presentation times.

    Raises:
        InputError: nothing answers, or there is no video in it.
        MissingExtraError: PyAV is not installed.
    """

    def __init__(self, address: str, *, clock: HostClock | None = None) -> None:
        self.name = f"camera {without_password(address)}"
        self._clock = clock or HostClock()
        self._av = require_extra("av", "rig")
        options = {"rtsp_transport": "tcp", "fflags": "nobuffer"} if address.startswith("rtsp") else {}
        try:
            self._container: Any = self._av.open(address, options=options, timeout=(_OPEN_SECONDS, _READ_SECONDS))
        except (self._av.FFmpegError, OSError) as error:
            raise InputError(f"{self.name}: cannot be opened ({_reason(error)}); check address and password") from error
        if not self._container.streams.video:
            self._container.close()
            raise InputError(f"{self.name}: sends no video; check the address")
        stream = self._container.streams.video[0]
        stream.thread_type = "SLICE"  # threads that each take a frame would delay every one of them
        self._frames: Iterator[Any] = self._container.decode(stream)

    def read(self) -> Frame | None:
        """The next frame; see `Source.read`."""
        try:
            frame = next(self._frames, None)
        except (self._av.FFmpegError, OSError) as error:
            raise SourceLost(f"sends nothing any more ({_reason(error)}); check network and power") from error
        if frame is None:
            raise SourceLost("has ended the stream")
        host, utc = self._clock.monotonic(), self._clock.utc()
        device = None if frame.time is None else float(frame.time)
        return Frame(image=frame_array(frame), host=host, utc=utc, device=device)

    def close(self) -> None:
        """Hang up."""
        with suppress(self._av.FFmpegError, OSError):
            self._container.close()


def _reason(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or error)


def without_password(address: str) -> str:
    """
    >>> without_password("rtsp://me:secret@10.0.0.9/live")
    'rtsp://10.0.0.9/live'
    """
    scheme, separator, rest = address.partition("://")
    host, slash, path = rest.partition("/")
    return f"{scheme}{separator}{host.rpartition('@')[2]}{slash}{path}"
