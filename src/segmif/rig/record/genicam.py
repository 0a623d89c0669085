"""Industrial cameras (GigE Vision, USB3 Vision, CoaXPress) through GenICam: the extra ``genicam`` (harvesters)."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from segmif.checks import InputError, require_extra
from segmif.io import Array
from segmif.rig.record.frames import Frame, HostClock, Source, SourceLost

PRODUCERS = "GENICAM_GENTL64_PATH"
"""The variable of the GenTL standard that lists folders with transport layers (``.cti`` files)."""
_READ_SECONDS = 5.0
_BAYER = {
    "BayerRG": cv2.COLOR_BayerBG2RGB,  # OpenCV names a pattern by its second row's second and third pixel
    "BayerGR": cv2.COLOR_BayerGB2RGB,
    "BayerGB": cv2.COLOR_BayerGR2RGB,
    "BayerBG": cv2.COLOR_BayerRG2RGB,
}
_FACTS = {
    "exposure_ms": (("ExposureTime", 1e-3), ("ExposureTimeAbs", 1e-3)),
    "gain": (("Gain", 1.0), ("GainRaw", 1.0)),
    "temperature_c": (("DeviceTemperature", 1.0), ("SensorTemperature", 1.0)),
}
"""Feature names of the SFNC, newer first, and what makes our unit of them."""
_FACTS_EVERY = 32


class GenICamCamera(Source):
    """A camera by its serial number; time stamps are the camera's own.

    Args:
        serial: as printed on the camera; None for the only one there is.
        producer: the transport layer, a ``.cti`` file; None for those that ``GENICAM_GENTL64_PATH`` lists.

    Raises:
        InputError: no transport layer, no such camera, or more than one where no serial number is given.
        MissingExtraError: harvesters is not installed.
    """

    def __init__(
        self, serial: str | None = None, *, producer: Path | None = None, clock: HostClock | None = None
    ) -> None:
        self.name = f"camera {serial or 'genicam'}"
        self._clock = clock or HostClock()
        core = require_extra("harvesters.core", "genicam")
        self._harvester: Any = core.Harvester()
        try:
            for file in [producer] if producer else _producers():
                self._harvester.add_file(str(file))
            self._harvester.update()
            self._camera: Any = self._find(serial)
            self._camera.start()
        except InputError:
            self._harvester.reset()
            raise
        except Exception as error:  # GenTL raises its producer's own kinds
            self._harvester.reset()
            raise InputError(f"{self.name}: cannot be opened ({error}); check that no one else uses it") from error
        self._facts: dict[str, Any] = {}
        self._count = 0

    def _find(self, serial: str | None) -> Any:
        known = [str(info.serial_number) for info in self._harvester.device_info_list]
        if not known:
            raise InputError("no GenICam camera answers; check cable, power, network and the .cti file")
        if serial is None and len(known) > 1:
            raise InputError(f"there are {len(known)} GenICam cameras: name one, as in genicam:{known[0]}")
        if serial is not None and serial not in known:
            raise InputError(f"no GenICam camera has the serial number {serial!r}; there are {', '.join(known)}")
        return self._harvester.create({"serial_number": serial or known[0]})

    def read(self) -> Frame | None:
        """The next frame; see `Source.read`."""
        try:
            buffer = self._camera.try_fetch(timeout=_READ_SECONDS)
        except Exception as error:  # GenTL raises its producer's own kinds
            raise SourceLost(f"sends nothing any more ({error}); check cable and power") from error
        host, utc = self._clock.monotonic(), self._clock.utc()
        if buffer is None:
            raise SourceLost(f"sent nothing for {_READ_SECONDS:g} s; check cable, power and trigger")
        with buffer:
            part = buffer.payload.components[0]
            picture = picture_of(part.data, part.height, part.width, part.data_format, part.num_components_per_pixel)
            ticks, frequency = buffer.timestamp, buffer.timestamp_frequency
            number = _or_none(lambda: int(buffer.frame_id))
        if self._count % _FACTS_EVERY == 0:
            self._facts = {key: self._feature(names) for key, names in _FACTS.items()}
        self._count += 1
        device = ticks / frequency if ticks and frequency else None
        return Frame(image=picture, host=host, utc=utc, device=device, number=number, **self._facts)

    def _feature(self, names: tuple[tuple[str, float], ...]) -> float | None:
        nodes = self._camera.remote_device.node_map
        for name, factor in names:
            value = _or_none(lambda name=name: float(getattr(nodes, name).value))  # type: ignore[misc]
            if value is not None:
                return float(value * factor)
        return None

    def close(self) -> None:
        """Give the camera back."""
        with suppress(Exception):  # it may be gone already
            self._camera.stop()
            self._camera.destroy()
        self._harvester.reset()


def _or_none(get: Callable[[], Any]) -> Any:
    """What `get` gives; None where the camera or its transport layer does not know it, each in its own way."""
    try:
        return get()
    except Exception:
        return None


def _producers() -> list[Path]:
    folders = [Path(folder) for folder in os.environ.get(PRODUCERS, "").split(os.pathsep) if folder]
    files = [file for folder in folders if folder.is_dir() for file in sorted(folder.glob("*.cti"))]
    if not files:
        raise InputError(
            f"no GenTL transport layer: install the camera maker's and set {PRODUCERS}, or give its file as in "
            "'genicam:SERIAL?cti=/opt/maker/lib/producer.cti'"
        )
    return files


def picture_of(data: Array, height: int, width: int, pixel_format: str, channels: float) -> Array:
    """A buffer (N,) in a pixel format of the PFNC as grey (H, W) or RGB (H, W, 3); a copy.

    Raises:
        SourceLost: a format we do not read.
    """
    if pixel_format.startswith("Mono") and "Packed" not in pixel_format and not pixel_format.endswith("p"):
        return np.array(data).reshape(height, width)
    if pixel_format.startswith(("RGB", "BGR")) and int(channels) == 3:
        picture = np.array(data).reshape(height, width, 3)
        return np.ascontiguousarray(picture[..., ::-1]) if pixel_format.startswith("BGR") else picture
    if pixel_format[:7] in _BAYER and "Packed" not in pixel_format and not pixel_format.endswith("p"):
        mosaic = np.array(data).reshape(height, width)
        return np.asarray(cv2.cvtColor(mosaic, _BAYER[pixel_format[:7]]))
    raise SourceLost(f"sends {pixel_format}, which is not read here; set it to Mono8, Mono16, BayerRG8 or RGB8")
