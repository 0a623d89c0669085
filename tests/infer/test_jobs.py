"""Jobs: results of folders and shards, resume, and what a process that died leaves."""

import os
import tarfile
from functools import partial
from pathlib import Path

import pytest

from segmif import io
from segmif.checks import InputError
from segmif.data.shards import ShardWriter, list_shards, stream_parts
from segmif.infer.cluster import Ledger
from segmif.infer.jobs import DIED, Options, PairsJob, PairTask, ShardJob, pair_jobs, shard_jobs
from tests.infer.conftest import scene

BOTH = Options(outputs=("fused", "labels"))


def pictures(seed: int) -> dict[str, bytes]:
    infrared, visible = scene(40, 48, seed)
    return {"infrared.png": io.encode_image(infrared), "visible.png": io.encode_image(visible)}


def make_shard(path: Path, keys: str = "abc", **spoilt: dict[str, bytes]) -> Path:
    with ShardWriter(path) as shard:
        for seed, key in enumerate(keys):
            shard.add(key, spoilt.get(key, pictures(seed)))
    return path


def make_tasks(root: Path, names: str = "abc") -> list[PairTask]:
    for seed, name in enumerate(names):
        for part, data in pictures(seed).items():
            io.write_bytes(root / part.partition(".")[0] / f"{name}.png", data)
    return [
        PairTask(
            name=name,
            files=(root / "infrared" / f"{name}.png", root / "visible" / f"{name}.png"),
            outputs={output: root / "out" / f"{name}_{output}.png" for output in BOTH.outputs},
        )
        for name in names
    ]


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_shard_holds_what_files_hold(model, tmp_path):
    tasks = make_tasks(tmp_path)
    (job,) = pair_jobs(tasks, size=16)
    assert job.run(model, BOTH).done == 3
    shard = make_shard(tmp_path / "in" / "night.7.tar")
    (shard_job,) = shard_jobs([shard], tmp_path / "shards")
    assert shard_job.run(model, BOTH).done == 3
    parts = {
        f"{key}_{part}": data
        for key, p in stream_parts(tmp_path / "shards" / "night.7.tar")
        for part, data in p.items()
    }
    assert parts == files(tmp_path / "out")


def test_equal_shards_give_equal_bytes(model, tmp_path):
    shard = make_shard(tmp_path / "0.tar")
    for folder in ("x", "y"):
        shard_jobs([shard], tmp_path / folder)[0].run(model, BOTH)
    assert files(tmp_path / "x") == files(tmp_path / "y")


def test_compressed_shards(model, tmp_path):
    plain = make_shard(tmp_path / "plain" / "0.tar")
    (tmp_path / "packed").mkdir()
    with tarfile.open(tmp_path / "packed" / "0.tgz", "w:gz") as packed, tarfile.open(plain) as source:
        for member in source:
            packed.addfile(member, source.extractfile(member))
    for folder in ("plain", "packed"):
        shards = list_shards(tmp_path / folder)
        shard_jobs(shards, tmp_path / folder / "out")[0].run(model, BOTH)
    assert files(tmp_path / "plain" / "out") == files(tmp_path / "packed" / "out")


def test_a_damaged_pair_leaves_a_reason_in_its_place(model, tmp_path):
    broken = {**pictures(1), "visible.png": b"this is text"}
    shard = make_shard(tmp_path / "0.tar", b=broken, c={"infrared.png": pictures(2)["infrared.png"]})
    job = ShardJob(shard=shard, target=tmp_path / "out" / "0.tar")
    report = job.run(model, BOTH)
    assert report.done == 1
    assert [name for name, _ in report.failed] == ["0.tar:b", "0.tar:c"]
    assert "is not a picture in a format we read" in report.failed[0][1]
    assert "has no visible picture" in report.failed[1][1]
    assert [(key, sorted(parts)) for key, parts in stream_parts(job.target)] == [
        ("a", ["fused.png", "labels.png"]),
        ("b", ["error.txt"]),
        ("c", ["error.txt"]),
    ]
    again = job.run(model, Options(outputs=BOTH.outputs, resume=True))
    assert (again.done, again.skipped, again.failed) == (0, 1, report.failed)


@pytest.mark.parametrize("spoil", ["cut", "empty", "absent"])
def test_a_shard_that_cannot_be_read_gives_nothing(model, tmp_path, spoil):
    shard = make_shard(tmp_path / "0.tar")
    if spoil == "cut":
        shard.write_bytes(shard.read_bytes()[:4000])
    elif spoil == "empty":
        make_shard(shard, "")
    else:
        shard.unlink()
    report = ShardJob(shard=shard, target=tmp_path / "out" / "0.tar").run(model, BOTH)
    assert (report.done, len(report.failed)) == (0, 1)
    assert report.failed[0][0] == "0.tar"
    assert {"cut": "cannot be read as a tar", "empty": "holds no pairs", "absent": "No such file"}[
        spoil
    ] in report.failed[0][1]
    assert list((tmp_path / "out").iterdir()) == []


def test_resume_of_shards(model, tmp_path):
    job = ShardJob(shard=make_shard(tmp_path / "0.tar"), target=tmp_path / "out" / "0.tar")
    resume = Options(outputs=BOTH.outputs, resume=True)
    assert job.run(model, resume).done == 3
    whole = job.target.read_bytes()
    assert job.run(model, resume).skipped == 3
    assert job.run(model, Options(outputs=("fused", "labels", "overlay"), resume=True)).done == 3
    job.target.write_bytes(whole[:3000])
    assert job.run(model, resume).done == 3
    assert job.target.read_bytes() == whole
    later = job.target.stat().st_mtime_ns + 10**9
    os.utime(job.shard, ns=(later, later))
    assert job.run(model, resume).done == 3


def test_resume_of_pairs(model, tmp_path):
    (job,) = pair_jobs(make_tasks(tmp_path), size=16)
    resume = Options(outputs=BOTH.outputs, resume=True)
    assert job.run(model, resume).done == 3
    job.tasks[1].outputs["labels"].write_bytes(b"")
    report = job.run(model, resume)
    assert (report.done, report.skipped) == (1, 2)


class Dies(BaseException):
    """What kill -9 is to a process, to a test."""


def deadly(infrared, visible, *, on_refusal):
    """Kills at pair b, as one that takes all memory would."""
    if (infrared == scene(40, 48, 1)[0]).all():
        raise Dies
    on_refusal("was left as it is")
    return infrared, visible


@pytest.mark.parametrize("kind", ["pairs", "shard"])
def test_a_pair_that_kills_costs_only_itself(model, tmp_path, kind):
    options = Options(outputs=BOTH.outputs, align=deadly)
    job = ShardJob(shard=make_shard(tmp_path / "0.tar"), target=tmp_path / "out" / "0.tar")
    if kind == "pairs":
        job = PairsJob(tuple(make_tasks(tmp_path)))
    ledger = Ledger()
    for before in range(3):
        assert ledger.begin(7) == before
        with pytest.raises(Dies):
            job.run(model, options, partial(ledger.deaths, 7) if before else None)
    ledger.begin(7)
    report = job.run(model, options, partial(ledger.deaths, 7))
    assert (report.done, report.failed) == (2, [("b" if kind == "pairs" else "0.tar:b", DIED)])
    assert report.notes == {"was left as it is": ("a", 2)}
    if kind == "shard":
        assert [sorted(parts) for _, parts in stream_parts(job.target)][1] == ["error.txt"]


def test_what_a_killed_process_left_is_cleared_away(model, tmp_path):
    job = ShardJob(shard=make_shard(tmp_path / "0.tar"), target=tmp_path / "out" / "0.tar")
    io.write_bytes(tmp_path / "out" / ".0.123-456.tmp.tar", b"half")
    job.run(model, BOTH)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["0.tar"]


def test_a_folder_that_cannot_be_written_ends_the_run(model, tmp_path):
    (tmp_path / "out").write_text("a file")
    job = ShardJob(shard=make_shard(tmp_path / "0.tar"), target=tmp_path / "out" / "0.tar")
    with pytest.raises(InputError, match="cannot be written"):
        job.run(model, BOTH)


def test_shards_that_would_be_lost(tmp_path):
    shard = make_shard(tmp_path / "0.tar")
    with pytest.raises(InputError, match="holds the shards themselves"):
        shard_jobs([shard], tmp_path)
    with pytest.raises(InputError, match="differs from it in the suffix only"):
        shard_jobs([shard, tmp_path / "0.tgz"], tmp_path / "out")


@pytest.mark.parametrize(("name", "message"), [("none", "no such file"), ("folder", "holds no tar shards")])
def test_no_shards(tmp_path, name, message):
    (tmp_path / "folder").mkdir()
    with pytest.raises(InputError, match=message):
        list_shards(tmp_path / name)
