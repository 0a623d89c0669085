"""Tar shards for clusters: samples as neighbouring files ``KEY.infrared.png``, ``KEY.visible.png``, … of a tar.

The convention is that of WebDataset, so its loader and Ray Data read them too. Here they are read with the standard
library: at random through the offsets of their members, or as a stream from anything that yields bytes in order (a
pipe, a socket, an object store). Equal contents make equal files: members carry no time and no owner.
"""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import IO, Self

from segmif.checks import InputError
from segmif.claims import claim
from segmif.data.base import PairDataset, PairSample
from segmif.data.serial import classes_of, sample_from_parts, sample_to_parts
from segmif.io import atomic_path
from segmif.labelsets import LabelSet

SHARD_SUFFIXES = (".tar", ".tar.gz", ".tgz")


def is_shard(path: Path) -> bool:
    """Whether the file name ends like a tar shard (any case) and is not hidden."""
    return path.name.lower().endswith(SHARD_SUFFIXES) and not path.name.startswith(".")


def shard_stem(path: Path) -> str:
    """The name without the suffix of a shard.

    >>> shard_stem(Path("in/night.0007.tar.gz"))
    'night.0007'
    """
    suffix = next(each for each in SHARD_SUFFIXES if path.name.lower().endswith(each))
    return path.name[: -len(suffix)]


def list_shards(path: Path) -> list[Path]:
    """The shards of a folder by name, or the one shard `path` is.

    Raises:
        InputError: nothing there, or no shards.
    """
    if path.is_file() and is_shard(path):
        return [path]
    if not path.exists():
        raise InputError(f"{path}: no such file or folder; check the path")
    shards = sorted(each for each in path.iterdir() if is_shard(each)) if path.is_dir() else []
    if not shards:
        raise InputError(f"{path}: holds no tar shards; write them with 'segmif data cache --format tar'")
    return shards


class ShardWriter:
    """Writes one tar shard; use it as a context manager. The file appears when the block ends well, else not at all.

    Raises:
        InputError: it cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            temporary = stack.enter_context(atomic_path(self.path))
            self._tar = stack.enter_context(tarfile.open(temporary, "w"))
            self._stack = stack.pop_all()
        return self

    def add(self, key: str, parts: Mapping[str, bytes]) -> None:
        """Append the parts of one sample, ``KEY.PART`` each."""
        for part, data in parts.items():
            entry = tarfile.TarInfo(f"{key}.{part}")
            entry.size = len(data)
            self._tar.addfile(entry, io.BytesIO(data))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.__exit__(kind, error, trace)


def write_shards(dataset: PairDataset, folder: Path, *, per_shard: int = 500) -> list[Path]:
    """Write a data set as ``00000.tar``, ``00001.tar``, …; each is whole or absent.

    Existing whole shards of the same position are kept, so a killed run goes on where it was.

    Raises:
        InputError: a sample cannot be read, another run writes there, or the folder cannot be written.
    """
    if per_shard < 1:
        raise InputError(f"per_shard {per_shard} must be at least 1")
    starts = range(0, len(dataset), per_shard)
    paths = [folder / f"{number:05d}.tar" for number in range(len(starts))]
    with claim(folder):
        for path, start in zip(paths, starts, strict=True):
            if path.exists():
                continue
            with ShardWriter(path) as shard:
                for index in range(start, min(start + per_shard, len(dataset))):
                    shard.add(f"{index:08d}", sample_to_parts(dataset[index], dataset.label_set))
    return paths


@dataclass(frozen=True)
class _Part:
    """Where the bytes of one part lie."""

    shard: Path
    offset: int
    size: int


class ShardDataset:
    """Samples of plain (uncompressed) tar shards by position, read straight from the files.

    Opening reads the headers of all members once; reading a sample is one seek per part.

    Raises:
        InputError: no shards, or one that is damaged or compressed.
    """

    def __init__(self, shards: Sequence[Path]) -> None:
        if not shards:
            raise InputError("no tar shards given; write them with 'segmif data cache --format tar'")
        self._samples: list[tuple[str, dict[str, _Part]]] = []
        for shard in shards:
            self._samples += _index(shard)
        if not self._samples:
            raise InputError(f"{shards[0]}: holds no samples; write it with 'segmif data cache --format tar'")
        first = self[0]
        self._label_set = classes_of(first.meta)

    @property
    def label_set(self) -> LabelSet | None:
        """Classes of the labels."""
        return self._label_set

    @property
    def names(self) -> list[str]:
        """The keys of the samples in their shards."""
        return [key for key, _ in self._samples]

    def __len__(self) -> int:
        return len(self._samples)

    def __getitem__(self, index: int) -> PairSample:
        key, parts = self._samples[index]
        data = {}
        for name, part in parts.items():
            with part.shard.open("rb") as file:
                file.seek(part.offset)
                data[name] = file.read(part.size)
        return sample_from_parts(data, where=f"{next(iter(parts.values())).shard}:{key}")

    def __iter__(self) -> Iterator[PairSample]:
        return (self[index] for index in range(len(self)))


def _index(shard: Path) -> list[tuple[str, dict[str, _Part]]]:
    samples: dict[str, dict[str, _Part]] = {}
    try:
        with tarfile.open(shard, "r:") as tar:
            for member in tar:
                if member.isfile():
                    key, part = _split_name(member.name)
                    samples.setdefault(key, {})[part] = _Part(shard, member.offset_data, member.size)
    except (OSError, tarfile.TarError) as error:
        raise InputError(f"{shard}: is not a plain tar file ({error}); shards must be uncompressed") from error
    return list(samples.items())


def _split_name(name: str) -> tuple[str, str]:
    """Key and part of ``folder/KEY.infrared.png``: the key ends at the first dot of the file name."""
    path = PurePosixPath(name)
    stem, _, part = path.name.partition(".")
    return (path.parent / stem).as_posix(), part


def stream_shards(sources: Sequence[Path | IO[bytes]], *, rank: int = 0, world: int = 1) -> Iterator[PairSample]:
    """Samples in the order they lie in shards, each read once from front to back; compressed tars too.

    Args:
        sources: files, or open streams that need not seek.
        rank, world: this process takes shards ``rank``, ``rank + world``, …

    Raises:
        InputError: a shard is missing, damaged or cut off.
    """
    for source in sources[rank::world]:
        for key, parts in stream_parts(source):
            yield sample_from_parts(parts, where=f"{shard_name(source)}:{key}")


def shard_name(source: Path | IO[bytes]) -> str:
    """What to call a shard in messages."""
    return str(source if isinstance(source, Path) else getattr(source, "name", "stream"))


def stream_parts(source: Path | IO[bytes]) -> Iterator[tuple[str, dict[str, bytes]]]:
    """Key and parts, still encoded, of the samples of one shard, read once from front to back.

    Raises:
        InputError: the shard is missing, damaged or cut off.
    """
    try:
        if isinstance(source, Path):
            with tarfile.open(source, "r|*") as tar:
                yield from _stream(tar)
        else:
            with tarfile.open(fileobj=source, mode="r|*") as tar:
                yield from _stream(tar)
    except (OSError, EOFError, tarfile.TarError) as error:
        raise InputError(f"{shard_name(source)}: cannot be read as a tar shard ({error}); copy it again") from error


def _stream(tar: tarfile.TarFile) -> Iterator[tuple[str, dict[str, bytes]]]:
    current, parts = "", dict[str, bytes]()
    for member in tar:
        if not member.isfile():
            continue
        key, part = _split_name(member.name)
        if key != current and parts:
            yield current, parts
            parts = {}
        current = key
        content = tar.extractfile(member)
        assert content is not None
        parts[part] = content.read()
    if parts:
        yield current, parts
