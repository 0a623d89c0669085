"""What strangers send: pictures and videos, looked at before anything is decoded.

Files are known by their first bytes, never by their names or what the sender says they are, and only a few kinds are
opened at all. Sizes are read from headers and compared with limits first.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from PIL import Image

from segmif.app.security import Refusal
from segmif.checks import require_extra

_PICTURES = {
    "PNG": (b"\x89PNG\r\n\x1a\n",),
    "JPEG": (b"\xff\xd8\xff",),
    "TIFF": (b"II*\0", b"MM\0*"),
    "BMP": (b"BM",),
}
_OTHERS = {
    "a PDF": (b"%PDF",),
    "a GIF": (b"GIF8",),
    "an archive": (b"PK\x03\x04", b"Rar!", b"\x1f\x8b", b"7z\xbc\xaf"),
    "a program": (b"MZ", b"\x7fELF", b"#!"),
    "an SVG or HTML page": (b"<",),
}
_HEAD = 64

_RESERVED = re.compile(r"^(con|prn|aux|nul|com\d|lpt\d)$", re.IGNORECASE)


def picture_kind(head: bytes) -> str | None:
    """The kind of picture that starts with these bytes, None for anything we do not open.

    >>> picture_kind(b"BM123456"), picture_kind(b"<svg xmlns=")
    ('BMP', None)
    """
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "WEBP"
    return next((kind for kind, starts in _PICTURES.items() if head.startswith(starts)), None)


def check_picture(file: BinaryIO, what: str, *, max_pixels: int) -> None:
    """Refuse a file that is no picture of ours, or too large a one, by its header alone; the file is rewound.

    Raises:
        Refusal: 400 empty or damaged, 413 too many pixels, 415 another type.
    """
    file.seek(0)
    head = file.read(_HEAD)
    kind = picture_kind(head)
    if not head:
        raise Refusal(400, f"{what}: the file is empty (0 bytes); choose another one")
    if kind is None:
        raise Refusal(415, f"{what}: is {_guess(head)}, expected a PNG, JPEG, TIFF, WebP or BMP picture")
    file.seek(0)
    try:
        with Image.open(file, formats=[kind]) as image:
            width, height = image.size
    except Image.DecompressionBombError:
        raise Refusal(413, f"{what}: unpacks to too many pixels; crop or shrink it first") from None
    except (OSError, SyntaxError, ValueError, EOFError, KeyError, TypeError, struct.error, MemoryError):
        raise Refusal(400, f"{what}: is a damaged or truncated {kind} file; copy or export it again") from None
    finally:
        file.seek(0)
    check_pixels(width, height, what, max_pixels=max_pixels)


def check_pixels(width: int, height: int, what: str, *, max_pixels: int) -> None:
    """Raise a `Refusal` (413) above so many pixels."""
    if width * height > max_pixels:
        raise Refusal(
            413, f"{what}: {width}x{height} is above the limit of {max_pixels / 1e6:g} megapixels; shrink it first"
        )


def _guess(head: bytes) -> str:
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n")
    return next((kind for kind, starts in _OTHERS.items() if text.startswith(starts)), "of an unknown type")


def safe_stem(name: str | None, fallback: str = "pair") -> str:
    r"""A file name from a stranger as a name that is harmless on every system: no folders, no tricks.

    >>> [safe_stem(n) for n in ("../../etc/passwd.png", r"C:\\x\\night 01.PNG", "nul.png", "..", None)]
    ['passwd', 'night 01', '_nul', 'pair', 'pair']
    """
    base = PurePosixPath((name or "").replace("\\", "/")).name
    stem = re.sub(r"[^\w\-. ]", "_", PurePosixPath(base).stem).strip(" .")[:80].strip(" .")
    return f"_{stem}" if _RESERVED.match(stem.partition(".")[0]) else stem or fallback


@dataclass(frozen=True, kw_only=True)
class VideoLimits:
    """How much a video may hold."""

    frames: int = 600
    pixels: int = 2_100_000


def check_video(path: Path, what: str, limits: VideoLimits) -> None:
    """Refuse a file that is no video of ours, or a frame that is too large, before a frame is decoded.

    Playlists, which could make the decoder open other files or addresses, are never given to it.

    Raises:
        Refusal: 400 empty or damaged, 413 frames too large, 415 another type.
        MissingExtraError: PyAV is not installed.
    """
    with path.open("rb") as file:
        head = file.read(_HEAD)
    if not head:
        raise Refusal(400, f"{what}: the file is empty (0 bytes); choose another one")
    container = head[4:8] == b"ftyp" or head[:4] == b"\x1aE\xdf\xa3" or (head[:4], head[8:12]) == (b"RIFF", b"AVI ")
    if not container:
        raise Refusal(415, f"{what}: is {_guess(head)}, expected an MP4, MOV, MKV, WebM or AVI video")
    av = require_extra("av", "video")
    try:
        with av.open(str(path)) as opened:
            sizes = [(stream.width, stream.height) for stream in opened.streams.video]
    except (av.FFmpegError, OSError, ValueError):
        raise Refusal(400, f"{what}: is a damaged or unknown video; export it again as MP4") from None
    if not sizes:
        raise Refusal(400, f"{what}: holds no pictures; choose another file")
    for width, height in sizes:
        check_pixels(width, height, what, max_pixels=limits.pixels)
