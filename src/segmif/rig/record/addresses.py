"""Which source an address means."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from urllib.parse import parse_qsl

from segmif.checks import InputError, unknown
from segmif.rig.record.cameras import NetworkCamera, UsbCamera, without_password
from segmif.rig.record.files import open_folder, open_video
from segmif.rig.record.frames import Opener
from segmif.rig.record.genicam import GenICamCamera
from segmif.video import is_video


@dataclass(frozen=True, kw_only=True)
class Address:
    """A source that can be opened, again and again.

    Attributes:
        name: for messages and the recording's description; without a password.
        open: opens it.
        live: it is a camera, not recorded material.
    """

    name: str
    open: Opener
    live: bool


def find_source(text: str) -> Address:
    """The source of an address.

    ``0``, ``/dev/video0``, ``/dev/video2?format=Y16&size=640x512&rate=30``: a V4L2/UVC camera.
    ``rtsp://…``, ``http://…``, ``udp://…``: a network camera. ``genicam:SERIAL?cti=FILE``: an industrial camera.
    ``clip.mp4``: a video. ``folder/``, ``folder/?rate=25``: pictures with times.

    Raises:
        InputError: nothing is there, or an option is unknown.
    """
    if text.startswith("genicam"):
        rest, options = _options(text, ("cti",))
        serial = rest.partition(":")[2].strip("/") or None
        producer = Path(options["cti"]) if "cti" in options else None
        return Address(name=rest, open=partial(GenICamCamera, serial, producer=producer), live=True)
    if "://" in text:
        return Address(name=without_password(text), open=partial(NetworkCamera, text), live=True)
    if Path(text).exists() and not text.startswith("/dev/"):
        return _recorded(Path(text), None, text)
    rest, options = _options(text, ("format", "size", "rate"))
    rate = _rate(options["rate"], text) if "rate" in options else None
    if rest.isdecimal() or rest.startswith("/dev/"):
        size = _size(options["size"], text) if "size" in options else None
        camera = partial(UsbCamera, rest, pixel_format=options.get("format"), size=size, rate=rate)
        return Address(name=rest, open=camera, live=True)
    return _recorded(Path(rest), rate, text)


def _recorded(path: Path, rate: float | None, text: str) -> Address:
    if path.is_dir():
        return Address(name=text, open=partial(open_folder, path, rate), live=False)
    if not path.exists():
        raise InputError(f"{path}: no such camera, file or folder; check the path")
    if not is_video(path):
        raise InputError(f"{path}: is no video by its name; give a video, a folder of pictures, or a camera")
    return Address(name=text, open=partial(open_video, path), live=False)


def _options(text: str, known: tuple[str, ...]) -> tuple[str, dict[str, str]]:
    rest, _, query = text.partition("?")
    options = dict(parse_qsl(query, keep_blank_values=True))
    for key in options:
        if key not in known:
            raise unknown(f"option of {rest}", key, known)
    return rest, options


def _rate(value: str, text: str) -> float:
    return _number(value, text, "rate", float)


def _size(value: str, text: str) -> tuple[int, int]:
    width, _, height = value.partition("x")
    return int(_number(width, text, "size", int)), int(_number(height, text, "size", int))


def _number(value: str, text: str, what: str, kind: Callable[[str], float]) -> float:
    try:
        number = kind(value)
    except ValueError:
        number = 0
    if not number > 0:
        example = "rate=25" if what == "rate" else "size=640x512"
        raise InputError(f"{text}: {what} cannot be read; write {example}")
    return number
