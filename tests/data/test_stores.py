"""Tar shards, the mapped cache, fusion targets: what goes in comes out, half files never."""

import io
import json
import pickle
import tarfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from segmif.checks import InputError
from segmif.claims import claim
from segmif.color import luma
from segmif.data import PairDataset, PairSample, open_dataset
from segmif.data.cache import CachedDataset, write_cache
from segmif.data.shards import ShardDataset, stream_shards, write_shards
from segmif.data.targets import TargetedDataset, TargetStore
from segmif.guide import vsm_wls
from segmif.io import to_unit
from segmif.labelsets import FMB
from segmif.train.targets import compute_targets

from . import worlds


@pytest.fixture
def dataset(tmp_path: Path) -> PairDataset:
    return open_dataset("folder", worlds.paired(tmp_path / "mine"))


def same(one: PairSample, two: PairSample) -> None:
    assert one.name == two.name
    for role in ("infrared", "visible", "labels", "target"):
        a, b = getattr(one, role), getattr(two, role)
        assert (a is None) == (b is None)
        if a is not None:
            assert a.dtype == b.dtype
            np.testing.assert_array_equal(a, b)
    assert (one.boxes is None) == (two.boxes is None)
    if one.boxes is not None and two.boxes is not None:
        np.testing.assert_array_equal(one.boxes.xyxy, two.boxes.xyxy)
        np.testing.assert_array_equal(one.boxes.class_ids, two.boxes.class_ids)
        np.testing.assert_array_equal(one.boxes.ignore, two.boxes.ignore)
    assert one.meta.items() <= two.meta.items()


def test_shards_at_random_and_as_a_stream(dataset: PairDataset, tmp_path: Path) -> None:
    shards = write_shards(dataset, tmp_path / "tar", per_shard=2)
    assert [path.name for path in shards] == ["00000.tar", "00001.tar"]
    read = ShardDataset(shards)
    assert isinstance(read, PairDataset)
    assert len(read) == 3
    assert read.label_set is FMB
    assert read.names == ["00000000", "00000001", "00000002"]
    for i in (2, 0, 1):
        same(dataset[i], read[i])
    for one, two, three in zip(dataset, read, stream_shards(shards), strict=True):
        same(one, two)
        same(one, three)
    halves = [[s.name for s in stream_shards(shards, rank=rank, world=2)] for rank in (0, 1)]
    assert halves == [["a", "b"], ["c"]]
    again = pickle.loads(pickle.dumps(read))
    same(read[1], again[1])


def test_streaming_from_a_pipe_and_compressed(dataset: PairDataset, tmp_path: Path) -> None:
    (plain,) = write_shards(dataset, tmp_path / "tar")

    class Pipe(io.RawIOBase):
        """Bytes in order, no seeking."""

        def __init__(self) -> None:
            self.inner = io.BytesIO(plain.read_bytes())

        def readable(self) -> bool:
            return True

        def read(self, size: int = -1) -> bytes:
            return self.inner.read(size)

    assert [s.name for s in stream_shards([Pipe()])] == ["a", "b", "c"]  # type: ignore[list-item]
    packed = tmp_path / "x.tar.gz"
    with tarfile.open(packed, "w:gz") as tar, tarfile.open(plain) as source:
        for member in source:
            tar.addfile(member, source.extractfile(member))
    assert [s.name for s in stream_shards([packed])] == ["a", "b", "c"]
    with pytest.raises(InputError, match="shards must be uncompressed"):
        ShardDataset([packed])


def test_whole_shards_are_kept_on_a_second_run(dataset: PairDataset, tmp_path: Path) -> None:
    shards = write_shards(dataset, tmp_path / "tar", per_shard=1)
    times = [path.stat().st_mtime_ns for path in shards]
    shards[1].unlink()
    write_shards(dataset, tmp_path / "tar", per_shard=1)
    after = [path.stat().st_mtime_ns for path in shards]
    assert (times[0], times[2]) == (after[0], after[2])
    assert times[1] != after[1]


def test_damaged_shards(dataset: PairDataset, tmp_path: Path) -> None:
    (shard,) = write_shards(dataset, tmp_path / "tar")
    data = shard.read_bytes()
    cut = tmp_path / "cut.tar"
    cut.write_bytes(data[:2000])
    with pytest.raises(InputError, match=r"cut\.tar"):
        list(stream_shards([cut]))
    with pytest.raises(InputError, match="cannot be read as a tar shard"):
        list(stream_shards([tmp_path / "absent.tar"]))
    empty = tmp_path / "empty.tar"
    tarfile.open(empty, "w").close()
    with pytest.raises(InputError, match="holds no samples"):
        ShardDataset([empty])
    with pytest.raises(InputError, match="no tar shards given"):
        ShardDataset([])
    with pytest.raises(InputError, match="at least 1"):
        write_shards(dataset, tmp_path, per_shard=0)


@pytest.mark.parametrize(
    ("parts", "message"),
    [({"k.visible.png": b""}, "has no infrared"), ({"k.infrared.png": b"x", "k.visible.png": b"x"}, "is damaged")],
)
def test_shards_of_others(tmp_path: Path, parts: dict[str, bytes], message: str) -> None:
    path = tmp_path / "x.tar"
    with tarfile.open(path, "w") as tar:
        for name, data in parts.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
    with pytest.raises(InputError, match=message):
        list(stream_shards([path]))


def test_cache_gives_the_same_samples(dataset: PairDataset, tmp_path: Path) -> None:
    write_cache(dataset, tmp_path / "cache")
    cached = CachedDataset(tmp_path / "cache")
    assert isinstance(cached, PairDataset)
    assert cached.names == dataset.names
    assert cached.label_set is FMB
    for one, two in zip(dataset, cached, strict=True):
        same(one, two)
    assert len(pickle.dumps(cached)) < 5000
    same(dataset[1], pickle.loads(pickle.dumps(cached))[1])
    assert not cached[0].visible.flags.writeable


@pytest.mark.parametrize("write", [write_cache, write_shards])
def test_two_runs_do_not_write_one_folder(dataset: PairDataset, tmp_path: Path, write: Callable[..., object]) -> None:
    out = tmp_path / "out"
    with claim(out), pytest.raises(InputError, match="another run is writing there"):
        write(dataset, out)
    assert not list(out.iterdir())
    write(dataset, out)
    opened = CachedDataset(out) if write is write_cache else ShardDataset(sorted(out.iterdir()))
    assert [sample.name for sample in opened] == list(dataset.names)


def test_damaged_caches(dataset: PairDataset, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is not a cache"):
        CachedDataset(tmp_path)
    write_cache(dataset, tmp_path / "c")
    pixels = tmp_path / "c/pixels.bin"
    pixels.write_bytes(pixels.read_bytes()[:-1])
    with pytest.raises(InputError, match=r"holds \d+ of \d+ bytes"):
        CachedDataset(tmp_path / "c")
    index = tmp_path / "c/index.json"
    index.write_text(json.dumps({**json.loads(index.read_text()), "format": "old"}))
    with pytest.raises(InputError, match="format old"):
        CachedDataset(tmp_path / "c")


def test_targets_are_computed_once_and_found_by_content(dataset: PairDataset, tmp_path: Path) -> None:
    store = TargetStore(folder=tmp_path / "targets")
    with pytest.raises(InputError, match="no target in"):
        store.read(dataset[0])
    finished: list[int] = []
    report = compute_targets(dataset, store, on_progress=finished.append)
    assert (report.made, report.kept, report.failed) == (3, 0, [])
    assert finished == [1, 2, 3]
    sample = dataset[1]
    wanted = vsm_wls(to_unit(sample.infrared, "infrared"), luma(to_unit(sample.visible, "visible")))
    with_target = TargetedDataset(dataset=dataset, store=store)
    assert isinstance(with_target, PairDataset)
    np.testing.assert_allclose(with_target[1].target / 255, wanted, atol=1 / 509)
    assert [s.target is not None for s in with_target] == [True] * 3
    assert (len(with_target), with_target.names, with_target.label_set) == (3, dataset.names, FMB)
    store.path(sample).unlink()
    report = compute_targets(dataset, store)
    assert (report.made, report.kept) == (1, 2)
    renamed = replace(sample, name="other", meta={})
    np.testing.assert_array_equal(store.read(renamed), with_target[1].target)
    assert store.path(replace(sample, visible=255 - sample.visible)) != store.path(sample)
    assert TargetStore(folder=store.folder, method="other").path(sample) != store.path(sample)


def test_targets_in_processes_and_with_a_bad_pair(tmp_path: Path) -> None:
    root = worlds.paired(tmp_path / "mine")
    (root / "visible/b.png").write_bytes(b"damaged")
    samples = open_dataset("folder", root)
    store = TargetStore(folder=tmp_path / "targets")
    report = compute_targets(samples, store, workers=2)
    assert (report.made, report.kept) == (2, 0)
    assert len(report.failed) == 1
    assert report.failed[0].startswith("b: ")


def test_a_target_of_another_size(dataset: PairDataset, tmp_path: Path) -> None:
    store = TargetStore(folder=tmp_path)
    worlds.save(store.path(dataset[0]), worlds.picture(0, channels=1, size=(5, 5)))
    with pytest.raises(InputError, match="is not a target of a"):
        store.read(dataset[0])


def test_caches_keep_targets(dataset: PairDataset, tmp_path: Path) -> None:
    store = TargetStore(folder=tmp_path / "t")
    compute_targets(dataset, store)
    with_target = TargetedDataset(dataset=dataset, store=store)
    write_cache(with_target, tmp_path / "cache")
    same(with_target[0], CachedDataset(tmp_path / "cache")[0])
    same(with_target[2], ShardDataset(write_shards(with_target, tmp_path / "tar"))[2])
