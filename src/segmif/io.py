"""Reading and writing pictures: 8/16-bit and float files in, whole files out.

A picture in memory is RGB (H, W, 3) or grey (H, W); `uint8`, `uint16` or `float32`, exactly as stored.
`to_unit` is the one place that turns stored values into floats in [0, 1].
Everything is written to a temporary name in the same folder and renamed, so a killed run leaves no half file.
"""

from __future__ import annotations

import io
import json
import os
import secrets
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Literal, cast

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps, UnidentifiedImageError

from segmif.checks import InputError

Array = npt.NDArray[Any]
Band = Literal["infrared", "visible"]

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".webp", ".bmp")
MAX_PIXELS = 200_000_000
"""Pictures above this many pixels are refused: they are more often a decompression bomb than a photograph."""

_STRETCH_PERCENTILES = (0.1, 99.9)
_PNG_PIXELS_PER_BYTE = 8 * 1032
"""At most: deflate's largest ratio, one bit a pixel."""
_STEM = 40
"""Characters of a name that its temporary name begins with; file systems allow 255 bytes in all."""
_PNG_END = b"\0\0\0\0IEND\xaeB`\x82"

# Our own limit takes the place of Pillow's. Not inside decode_image: warning filters are not safe among threads.
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)


def is_image(path: Path) -> bool:
    """Whether the file name ends like a picture we read (any case) and is not hidden."""
    return path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith(".")


def read_image(path: str | os.PathLike[str]) -> Array:
    """Read a PNG, JPEG, TIFF, WebP or BMP file as it is stored.

    EXIF rotation is applied, palettes are expanded, alpha is dropped.

    Returns:
        (H, W) or RGB (H, W, 3) array of dtype uint8, uint16 or float32.

    Raises:
        InputError: the file is missing, empty, truncated, not a picture, too large, or holds NaN or infinity.
    """
    path = Path(path)
    data = read_bytes(path)
    try:
        return decode_image(data)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error


def is_whole_image(path: Path) -> bool:
    """Whether a picture file can be read: by the checksums of a PNG, else by decoding it."""
    try:
        if path.suffix.lower() != ".png":
            return read_image(path).size > 0
        data = path.read_bytes()
        with Image.open(io.BytesIO(data)) as image:
            image.verify()
        return data[-12:] == _PNG_END
    except (InputError, OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return False


def read_bytes(path: Path) -> bytes:
    """The file's bytes, or an `InputError` that says why they cannot be had."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; check the path") from None
    except IsADirectoryError:
        raise InputError(f"{path}: is a folder, expected a file") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); check its permissions") from error
    if not data:
        raise InputError(f"{path}: the file is empty (0 bytes); copy or export it again")
    return data


def decode_image(data: bytes) -> Array:
    """Decode the bytes of an image file; see `read_image` for the result and the errors."""
    try:
        with Image.open(io.BytesIO(data)) as image:
            refuse_huge(image, len(data))
            image.load()
            array = _deep_array(image, data)
            return from_pillow(image) if array is None else _finite(array)
    except InputError:
        raise
    except UnidentifiedImageError:
        return _rare_tiff(data)
    except Image.DecompressionBombError as error:
        raise InputError(f"refused, it unpacks to too many pixels ({error})") from error
    except (OSError, SyntaxError, ValueError, EOFError, KeyError, MemoryError, TypeError) as error:
        raise InputError(f"is damaged or truncated ({error}); copy or export it again") from error


def _rare_tiff(data: bytes) -> Array:
    """TIFFs that Pillow does not know, such as float colour and double precision; anything else is no picture."""
    array = None
    if data[:4] in (b"II*\0", b"MM\0*"):
        with suppress(cv2.error):
            array = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if array is None:
        raise InputError("is not a picture in a format we read (PNG, JPEG, TIFF, WebP, BMP); convert it first")
    array = array[..., 2::-1] if array.ndim == 3 else array
    return _finite(array if array.dtype == np.uint8 else _stored_depth(array))


def from_pillow(image: Image.Image) -> Array:
    """A Pillow image as an array, by the rules of `read_image`: upright, without palette or alpha.

    Raises:
        InputError: it holds NaN or infinity.
    """
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        return _finite(_stored_depth(np.asarray(ImageOps.exif_transpose(image))))
    return np.asarray(_eight_bit(image)).copy()


def refuse_huge(image: Image.Image, length: int) -> None:
    """Refuse, before it is decoded, an image file of `length` bytes whose header claims too many pixels.

    Raises:
        InputError: more than `MAX_PIXELS`, or a PNG that claims more than its bytes can hold (Pillow fills it up).
    """
    pixels = image.width * image.height
    if pixels > MAX_PIXELS:
        raise InputError(
            f"{image.width}x{image.height} is above the limit of {MAX_PIXELS} pixels; crop or shrink it first"
        )
    if image.format == "PNG" and pixels > _PNG_PIXELS_PER_BYTE * length:
        raise InputError(
            f"is damaged: its header says {image.width}x{image.height}, which {length} bytes cannot hold; copy it again"
        )


def _finite(array: Array) -> Array:
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        count = int(np.size(array) - np.isfinite(array).sum())
        raise InputError(f"holds {count} NaN or infinite values; fill them before fusing")
    return np.ascontiguousarray(array)


def _eight_bit(image: Image.Image) -> Image.Image:
    """An 8-bit picture as mode L or RGB, upright, without palette or alpha."""
    upright = ImageOps.exif_transpose(image)
    if upright.mode == "P":
        upright = upright.convert("RGBA" if "transparency" in upright.info else "RGB")
    return upright.convert("L" if upright.mode in ("1", "L", "LA", "La") else "RGB")


def _deep_array(image: Image.Image, data: bytes) -> Array | None:
    """16-bit or float pictures as (H, W) or RGB (H, W, 3); None for 8-bit ones, which Pillow reads best."""
    grey_deep = image.mode in ("I", "F") or image.mode.startswith("I;16")
    bits: Any = image.tag_v2.get(258, 8) if hasattr(image, "tag_v2") else 8
    tiff_deep = max(bits) > 8 if isinstance(bits, tuple) else int(bits) > 8
    png_deep = data[:8] == b"\x89PNG\r\n\x1a\n" and len(data) > 24 and data[24] == 16
    if not (grey_deep or tiff_deep or png_deep):
        return None
    array = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if array is None or array.dtype == np.uint8:
        if not grey_deep:
            return None
        array = np.asarray(image)
    elif array.ndim == 3:
        array = array[..., 0] if array.shape[2] <= 2 else array[..., 2::-1]
    return _stored_depth(_upright(array, image.getexif().get(0x0112, 1)))


def _stored_depth(array: Array) -> Array:
    """uint16 where the values fit, else float32."""
    if array.dtype.kind in "iu" and array.size and array.min() >= 0 and array.max() <= 65535:
        return array.astype(np.uint16)
    return array.astype(np.float32)


def _upright(array: Array, orientation: int) -> Array:
    """Undo an EXIF orientation (1..8) on an array."""
    if orientation in (5, 6, 7, 8):
        array = np.swapaxes(array, 0, 1)
    if orientation in (2, 3, 6, 7):
        array = array[:, ::-1]
    if orientation in (3, 4, 7, 8):
        array = array[::-1]
    return array


def to_unit(image: Array, band: Band, *, limits: tuple[float, float] | None = None) -> npt.NDArray[np.float32]:
    """Stored values to float32 in [0, 1]. The rule, by dtype and band:

    - uint8: divided by 255.
    - uint16 visible: divided by the full scale of the fewest bits among 8, 10, 12, 14, 16 that hold the maximum.
    - uint16 infrared: raw thermal counts fill a small part of their range, so the 0.1 and 99.9 percentiles go
      to 0 and 1 (a constant picture becomes 0).
    - float in [0, 1]: unchanged. Other floats: infrared (degrees, kelvin) is stretched like uint16; visible is
      refused, since its scale cannot be known.
    - bool: 0 or 1.

    Args:
        image: (H, W) or (H, W, 3).
        band: which camera it is from.
        limits: for infrared that is stretched, the values to take to 0 and 1 instead of its own percentiles.

    Raises:
        InputError: NaN or infinity, a visible float picture outside [0, 1], or another dtype.
    """
    if image.dtype == np.uint8:
        return image.astype(np.float32) / np.float32(255)
    if image.dtype == np.bool_:
        return image.astype(np.float32)
    if image.dtype == np.uint16:
        if band == "infrared":
            return _stretch(image, limits)
        peak = int(image.max(initial=0))
        bits = next(b for b in (8, 10, 12, 14, 16) if peak < 2**b)
        return image.astype(np.float32) / np.float32(2**bits - 1)
    if image.dtype.kind == "f":
        return _float_to_unit(image, band, limits)
    raise InputError(
        f"the {band} image has dtype {image.dtype}; expected uint8, uint16 or float; convert with .astype(np.uint8)"
    )


def _float_to_unit(image: Array, band: Band, limits: tuple[float, float] | None) -> npt.NDArray[np.float32]:
    if not np.isfinite(image).all():
        raise InputError(f"the {band} image holds NaN or infinite values; fill them before fusing")
    low, high = (float(image.min()), float(image.max())) if image.size else (0.0, 0.0)
    if limits is None and low >= 0.0 and high <= 1.0:
        return image.astype(np.float32)
    if band == "infrared":
        return _stretch(image, limits)
    raise InputError(
        f"the {band} image is float with values {low:g}..{high:g}; expected 0..1: divide by its full scale first"
    )


def stretch_limits(infrared: Array) -> tuple[float, float] | None:
    """The stored values `to_unit` takes to 0 and 1 in an infrared picture; None if it is not one to be stretched.

    >>> stretch_limits(np.array([[7000, 7500], [8000, 9000]], np.uint16))
    (7001.5, 8997.0)
    >>> stretch_limits(np.zeros((2, 2), np.uint8)) is None
    True
    """
    if not infrared.size or not (infrared.dtype == np.uint16 or infrared.dtype.kind == "f"):
        return None
    if infrared.dtype.kind == "f" and not (infrared.min() < 0 or infrared.max() > 1):  # also true of NaN
        return None
    low, high = (float(value) for value in np.percentile(infrared, _STRETCH_PERCENTILES))
    return (low, high) if high > low else (float(infrared.min()), float(infrared.max()))


def _stretch(image: Array, limits: tuple[float, float] | None) -> npt.NDArray[np.float32]:
    low, high = limits or stretch_limits(image) or (0.0, 0.0)
    if high <= low:
        return np.zeros(image.shape, np.float32)
    unit = (image.astype(np.float32) - np.float32(low)) / np.float32(high - low)
    return cast("npt.NDArray[np.float32]", np.clip(unit, 0, 1))


@contextmanager
def atomic_path(path: str | os.PathLike[str]) -> Iterator[Path]:
    """A temporary path beside `path`; renamed to it on success, removed on any failure.

    Raises:
        InputError: the folder cannot be made or written, or the disk is full.
    """
    path = Path(path)
    temporary = temporary_beside(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        os.replace(temporary, path)  # noqa: PTH105 (atomic on every system, also over an existing file)
    except OSError as error:
        if error.errno is None:
            raise
        raise InputError(
            f"{path}: cannot be written ({os.strerror(error.errno)}); free space or choose another folder"
        ) from error
    finally:
        # The folder may be missing or not even a folder; the error that says so is already on its way.
        with suppress(OSError):
            temporary.unlink()


def temporary_beside(path: Path) -> Path:
    """A name in the same folder for a file in the making: starts with a dot, keeps the suffix writers look at.

    Nobody can guess it and so put a link in its place; `segmif.claims` removes those whose process was killed.
    """
    return path.with_name(f".{path.stem[:_STEM]}.{os.getpid()}-{secrets.token_hex(8)}.tmp{path.suffix}")


def make_output_folder(folder: str | os.PathLike[str]) -> Path:
    """Make `folder` and prove that files can be written into it, before any long work begins.

    Raises:
        InputError: it cannot be made or written.
    """
    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(prefix=".segmif.", dir=folder):  # has no name, so none can be left behind
            pass
    except OSError as error:
        raise InputError(
            f"{folder}: cannot be written ({error.strerror}); choose another folder for the output"
        ) from error
    return folder


def tells_case_apart(folder: Path) -> bool:
    """Whether ``a.png`` and ``A.png`` are two files in `folder`, as on Linux but not on most memory cards."""
    with tempfile.NamedTemporaryFile(prefix=".segmif-a.", dir=folder) as file:
        return not Path(file.name).with_name(Path(file.name).name.replace("-a.", "-A.")).exists()


def write_bytes(path: str | os.PathLike[str], data: bytes) -> None:
    """Write a whole file or nothing."""
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Write a whole UTF-8 text file or nothing."""
    write_bytes(path, text.encode("utf-8"))


def write_json(path: str | os.PathLike[str], value: object) -> None:
    """Write JSON (2-space indent, keys in the order given, NaN refused), whole or not at all."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def encode_image(image: Array, suffix: str = ".png", *, quality: int | None = None) -> bytes:
    """A grey (H, W) or RGB (H, W, 3) array, uint8 or uint16, as the bytes of an image file.

    `quality` (1..100) is for JPEG, 95 by default, and for WebP, by default without loss.
    """
    if image.dtype not in (np.uint8, np.uint16):
        raise InputError(f"cannot write dtype {image.dtype}: expected uint8 or uint16")
    bgr = image[..., ::-1] if image.ndim == 3 else image
    suffix = suffix.lower()
    options = [cv2.IMWRITE_PNG_COMPRESSION, 3] if suffix == ".png" else []
    if suffix in (".jpg", ".jpeg"):
        options = [cv2.IMWRITE_JPEG_QUALITY, quality or 95]
    if suffix == ".webp" and quality is not None:
        options = [cv2.IMWRITE_WEBP_QUALITY, quality]
    try:
        done, data = cv2.imencode(suffix, np.ascontiguousarray(bgr), options)
    except cv2.error:
        done, data = False, np.empty(0, np.uint8)
    if not done:
        raise InputError(f"cannot write a {image.dtype} picture as {suffix!r}: use .png or .tif")
    return data.tobytes()


def write_image(path: str | os.PathLike[str], image: Array) -> None:
    """Write a grey (H, W) or RGB (H, W, 3) uint8 or uint16 array; the suffix chooses the format."""
    write_bytes(path, encode_image(image, Path(path).suffix))


def read_labels(path: str | os.PathLike[str]) -> npt.NDArray[np.uint8]:
    """Read a label map: class ids from a grey or palette PNG, (H, W) uint8; 255 means ignore.

    Raises:
        InputError: the file is not readable, or is RGB (convert it by its palette first).
    """
    path = Path(path)
    data = read_bytes(path)
    try:
        with Image.open(io.BytesIO(data)) as image:
            if image.mode in ("L", "P"):
                return np.asarray(image, np.uint8).copy()
            mode = image.mode
    except (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError) as error:
        raise InputError(f"{path}: is not a readable label picture ({error})") from error
    raise InputError(f"{path}: labels must be a grey or palette PNG of class ids, not {mode}; convert by palette")


def encode_labels(labels: npt.NDArray[np.uint8], palette: Sequence[tuple[int, int, int]]) -> bytes:
    """Class ids (H, W) uint8 as the bytes of a palette PNG: ids survive, viewers show the colours."""
    image = Image.fromarray(labels)
    image.putpalette(_full_palette(palette))
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def _full_palette(palette: Sequence[tuple[int, int, int]]) -> list[int]:
    """256 colours; unused ids are mid grey, 255 (ignore) is white."""
    colours = [*palette, *[(128, 128, 128)] * (255 - len(palette)), (255, 255, 255)]
    return [channel for colour in colours[:256] for channel in colour]


def write_labels(
    path: str | os.PathLike[str], labels: npt.NDArray[np.uint8], palette: Sequence[tuple[int, int, int]]
) -> None:
    """Write class ids (H, W) as a palette PNG."""
    write_bytes(path, encode_labels(labels, palette))
