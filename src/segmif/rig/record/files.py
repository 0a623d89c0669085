"""Recorded material as a source: a video, or a folder of pictures with times."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from segmif.checks import InputError, require_extra
from segmif.io import Array, read_image
from segmif.pairing import list_images, natural_key
from segmif.rig.record.frames import Frame, Source, SourceLost
from segmif.video import VideoFile

TIME_FILES = ("timestamps.csv", "timestamps.txt")
_EPOCH_DIGITS = {10: 1.0, 13: 1e-3, 16: 1e-6, 19: 1e-9}
_DATE = re.compile(r"(\d{8})[T_-]?(\d{6})(?:[._-]?(\d{1,9}))?Z?")
_EARLIEST = 315532800.0  # 1980: smaller times are seconds from some start, not from 1970


class RecordedSource(Source):
    """Frames with the times they were recorded with."""

    live = False

    def __init__(self, name: str, frames: Iterator[tuple[float, float | None, Callable[[], Array]]]) -> None:
        self.name = name
        self._frames = frames

    def read(self) -> Frame | None:
        """The next frame; see `Source.read`."""
        try:
            entry = next(self._frames, None)
            return None if entry is None else Frame(host=entry[0], utc=entry[1], image=entry[2]())
        except InputError as error:
            raise SourceLost(str(error)) from error

    def close(self) -> None:
        """Give the file back."""
        close = getattr(self._frames, "close", None)
        if close is not None:
            close()


def open_video(path: Path) -> RecordedSource:
    """A video's frames, in seconds from the first; UTC by the file's creation time, where it has one.

    Raises:
        InputError: it is no video we can read.
        MissingExtraError: PyAV is not installed.
    """
    video = VideoFile(path)
    start = _creation_time(path)

    def frames() -> Iterator[tuple[float, float | None, Callable[[], Array]]]:
        for seconds, picture in video:
            yield seconds, None if start is None else start + seconds, partial(_same, picture)

    return RecordedSource(str(path), frames())


def _same(picture: Array) -> Array:
    return picture


def _creation_time(path: Path) -> float | None:
    with require_extra("av", "video").open(str(path)) as container:
        text = container.metadata.get("creation_time")
    try:
        moment = datetime.fromisoformat(text) if text else None
    except ValueError:
        return None
    if moment is None:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def open_folder(folder: Path, rate: float | None) -> RecordedSource:
    """A folder's pictures by time: from ``timestamps.csv`` or ``.txt`` (a name and seconds per line), from names
    such as ``1750000000123.png`` and ``20250615T160000.250.png``, or even at `rate` frames per second.

    Raises:
        InputError: there are no pictures, or no times for them, or times that do not rise.
    """
    pictures = list_images(folder)
    if not pictures:
        raise InputError(f"{folder}: holds no pictures; check the path")
    names = sorted(pictures, key=natural_key)
    if rate is not None:
        times = [index / rate for index in range(len(names))]
    else:
        known = _listed_times(folder)
        found = [known.get(name, known.get(pictures[name].name)) if known else time_of_name(name) for name in names]
        bad = next((name for name, when in zip(names, found, strict=True) if when is None), None)
        if bad is not None:
            raise InputError(
                f"{pictures[bad]}: has no time; add {TIME_FILES[0]} (a name and seconds per line), name pictures by "
                f"time (1750000000123.png), or give the rate as in '{folder}?rate=25'"
            )
        ordered = sorted((when, name) for name, when in zip(names, found, strict=True) if when is not None)
        times, names = [when for when, _ in ordered], [name for _, name in ordered]
    if any(later <= earlier for earlier, later in itertools.pairwise(times)):
        raise InputError(f"{folder}: two pictures have the same time; each needs its own")
    absolute = times[0] > _EARLIEST

    def frames() -> Iterator[tuple[float, float | None, Callable[[], Array]]]:
        for when, name in zip(times, names, strict=True):
            yield when, when if absolute else None, partial(read_image, pictures[name])

    return RecordedSource(str(folder), frames())


def _listed_times(folder: Path) -> dict[str, float]:
    path = next((folder / name for name in TIME_FILES if (folder / name).is_file()), None)
    if path is None:
        return {}
    times = {}
    for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), 1):
        parts = re.split(r"[,;\s]+", line.strip())
        if len(parts) < 2 or line.lstrip().startswith("#"):
            continue
        try:
            times[parts[0]] = float(parts[1])
        except ValueError:
            if number > 1:  # the first line may be a heading
                raise InputError(f"{path}: line {number}: {parts[1]!r} is no number of seconds; mend it") from None
    return times


def time_of_name(stem: str) -> float | None:
    """Seconds since 1970 that a file name tells: a Unix time in s, ms, µs or ns, or a UTC date and time.

    >>> time_of_name("1750000000.25"), time_of_name("frame_1750000000250"), time_of_name("20250615T150640.25")
    (1750000000.25, 1750000000.25, 1750000000.25)
    """
    stem = Path(stem).name
    match = _DATE.search(stem)
    if match is not None and match[1][:2] in ("19", "20"):
        try:
            moment = datetime.strptime(match[1] + match[2], "%Y%m%d%H%M%S").replace(tzinfo=UTC)
            return moment.timestamp() + float(f"0.{match[3] or 0}")
        except ValueError:
            pass
    number = re.search(r"(\d{10})\.(\d+)", stem)
    if number is not None:
        return float(number[0])
    digits = re.search(r"\d{10,19}", stem)
    scale = _EPOCH_DIGITS.get(len(digits[0])) if digits else None
    return int(digits[0]) * scale if digits and scale else None
