"""Tar shards for clusters: samples as neighbouring files ``KEY.infrared.png``, ``KEY.visible.png``, … of a tar.

The convention is that of WebDataset, so its loader and Ray Data read them too. Here they are read with the standard
library: at random through the offsets of their members, or as a stream from anything that yields bytes in order (a
pipe, a socket, an object store).
"""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from segmif.checks import InputError
from segmif.data.base import PairDataset, PairSample
from segmif.data.serial import classes_of, sample_from_parts, sample_to_parts
from segmif.io import atomic_path
from segmif.labelsets import LabelSet


def write_shards(dataset: PairDataset, folder: Path, *, per_shard: int = 500) -> list[Path]:
    """Write a data set as ``00000.tar``, ``00001.tar``, …; each is whole or absent.

    Existing whole shards of the same position are kept, so a killed run goes on where it was.

    Raises:
        InputError: a sample cannot be read or the folder not be written.
    """
    if per_shard < 1:
        raise InputError(f"per_shard {per_shard} must be at least 1")
    paths = []
    for number, start in enumerate(range(0, len(dataset), per_shard)):
        path = folder / f"{number:05d}.tar"
        paths.append(path)
        if path.exists():
            continue
        with atomic_path(path) as temporary, tarfile.open(temporary, "w") as tar:
            for index in range(start, min(start + per_shard, len(dataset))):
                for part, data in sample_to_parts(dataset[index], dataset.label_set).items():
                    entry = tarfile.TarInfo(f"{index:08d}.{part}")
                    entry.size = len(data)
                    tar.addfile(entry, io.BytesIO(data))
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
        where = source if isinstance(source, Path) else getattr(source, "name", "stream")
        try:
            if isinstance(source, Path):
                with tarfile.open(source, "r|*") as tar:
                    yield from _stream(tar, str(where))
            else:
                with tarfile.open(fileobj=source, mode="r|*") as tar:
                    yield from _stream(tar, str(where))
        except (OSError, EOFError, tarfile.TarError) as error:
            raise InputError(f"{where}: cannot be read as a tar shard ({error}); copy it again") from error


def _stream(tar: tarfile.TarFile, where: str) -> Iterator[PairSample]:
    current, parts = "", dict[str, bytes]()
    for member in tar:
        if not member.isfile():
            continue
        key, part = _split_name(member.name)
        if key != current and parts:
            yield sample_from_parts(parts, where=f"{where}:{current}")
            parts = {}
        current = key
        content = tar.extractfile(member)
        assert content is not None
        parts[part] = content.read()
    if parts:
        yield sample_from_parts(parts, where=f"{where}:{current}")
