"""`segmif datasets` and `segmif data`: what they print, write and return."""

import json
from pathlib import Path

import pytest

from segmif.cli import main
from segmif.data import open_dataset
from segmif.data.cache import CachedDataset
from segmif.data.shards import ShardDataset

from ..data import worlds


def run(*argv: object) -> int:
    return main([str(word) for word in argv])


def test_datasets(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    worlds.fmb(tmp_path / "FMB", train=1, test=1)
    assert run("datasets", "--root", tmp_path) == 0
    printed = capsys.readouterr().out
    for word in (
        "fmb",
        "1220 train + 280 test",
        "found: ",
        "llvip",
        "CC BY-NC 4.0",
        "https://github.com/bupt-ai-cz/LLVIP",
    ):
        assert word in printed
    assert run("datasets", "--root", tmp_path, "--verbose") == 0
    assert "bicycle (13) occurs in train but not in test" in capsys.readouterr().out


def test_check_of_a_sound_and_a_broken_data_set(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = worlds.fmb(tmp_path / "FMB", train=2, test=1)
    options = ("--dataset", "fmb", "-j", 1, "--json", tmp_path / "r.json", "--html", tmp_path / "r.html")
    assert run("data", "check", root, *options) == 0
    printed = capsys.readouterr().out
    assert "fmb is sound: 0 errors" in printed
    assert json.loads((tmp_path / "r.json").read_text())["sound"] is True
    assert "<h2>Splits" in (tmp_path / "r.html").read_text()
    for path in (root / "train/Infrared").iterdir():
        path.unlink()
        break
    for i in range(15):
        worlds.save(root / f"test/Infrared/9{i:04d}.png", worlds.picture(i, channels=1))
    assert run("data", "check", root, *options) == 1
    printed = capsys.readouterr().out
    assert "1 infrared and 2 visible pictures" in printed
    assert "NOT sound" in printed
    assert "more of kind no-partner" in printed
    assert len(json.loads((tmp_path / "r.json").read_text())["problems"]) > 15


def test_check_of_an_own_folder_by_patterns(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for i in range(2):
        worlds.save_pair(tmp_path / f"t/{i}_ir.png", tmp_path / f"v/{i}.jpg", i)
        worlds.save(tmp_path / f"l/{i}.png", worlds.labels(i, 15))
    patterns = ("--infrared", "t/*_ir.png", "--visible", "v/*", "--label", "l/*")
    assert run("data", "check", tmp_path, "-j", 1, *patterns) == 0
    assert "2 hand" in capsys.readouterr().out
    assert run("data", "check", tmp_path, "--infrared", "t/*") == 2
    assert "--infrared and --visible go together" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("check", "ROOT/none"), "no such folder"),
        (("check", "ROOT", "--dataset", "fbm"), "did you mean 'fmb'"),
        (("targets", "ROOT", "--split", "val"), "has no split 'val' here"),
        (("split", "ROOT", "--parts", "train"), "must look like train=0.8"),
        (("split", "ROOT", "--by", "luck"), "unknown way to group 'luck'"),
        (("cache", "ROOT", "-o", "ROOT/c", "--format", "zip"), "unknown format 'zip'"),
        (("make-synthetic", "ROOT/s", "--size", "big"), "is not WIDTHxHEIGHT"),
    ],
)
def test_mistakes_are_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], message: str
) -> None:
    worlds.paired(tmp_path)
    assert run("data", *(word.replace("ROOT", str(tmp_path)) for word in arguments)) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_targets_resume_and_report_bad_pairs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = worlds.paired(tmp_path)
    assert run("data", "targets", root, "-j", 1) == 0
    assert "3 targets made, 0 kept, 0 failed" in capsys.readouterr().out
    assert len(list((root / ".segmif/targets").glob("*.png"))) == 3
    (root / "infrared/c.png").write_bytes(b"")
    assert run("data", "targets", root, "-j", 1) == 1
    captured = capsys.readouterr()
    assert "0 targets made, 2 kept, 1 failed" in captured.out
    assert "failed: c: " in captured.err
    assert run("data", "targets", root, "-j", 1, "--out", tmp_path / "elsewhere") == 1
    assert len(list((tmp_path / "elsewhere").glob("*.png"))) == 2


def test_split_keeps_sequences_together(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names = [f"f_{number:05d}" for number in (1, 3, 5, 500, 502, 900, 1300, 1700)]
    root = worlds.paired(tmp_path, names)
    assert run("data", "split", root, "--parts", "train=0.6,val=0.4") == 0
    assert "5 independent groups, the largest of 3 pairs" in capsys.readouterr().out
    splits = {s: set(open_dataset("folder", root, split=s).names) for s in ("train", "val")}
    assert splits["train"] | splits["val"] == set(names)
    assert any(set(names[:3]) <= members for members in splits.values())
    assert run("data", "split", root) == 2
    assert "is there already" in capsys.readouterr().err
    assert run("data", "split", root, "--by", "hash", "--out", tmp_path / "lists", "--overwrite") == 0
    assert "8 independent groups" in capsys.readouterr().out


def test_split_by_time(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    worlds.msrs(tmp_path)
    out = tmp_path / "night"
    options = ("-d", "msrs", "--time", "night", "--by", "hash", "--parts", "train=0.5,val=0.5", "-o", out)
    assert run("data", "split", tmp_path, *options) == 0
    names = (out / "train.txt").read_text() + (out / "val.txt").read_text()
    assert sorted(names.split()) == ["00002N", "00004N"]


def test_cache_and_shards(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = worlds.paired(tmp_path / "mine")
    assert run("data", "cache", root, "-o", tmp_path / "memory") == 0
    assert CachedDataset(tmp_path / "memory").names == ["a", "b", "c"]
    assert run("data", "cache", root, "-o", tmp_path / "tar", "--format", "tar", "--per-shard", 2) == 0
    assert "3 samples in 2 shards" in capsys.readouterr().out
    assert len(ShardDataset(sorted((tmp_path / "tar").iterdir()))) == 3


def test_synthetic_scenes_are_readable_as_fmb(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("data", "make-synthetic", tmp_path / "s", "-n", 2, "--size", "96x64", "--test-share", 0.5) == 0
    assert "--dataset fmb" in capsys.readouterr().out
    assert open_dataset("fmb", tmp_path / "s", split="test")[0].size == (64, 96)
