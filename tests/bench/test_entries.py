from pathlib import Path

import numpy as np
import pytest

from segmif.bench.entries import Classic, Folder, parse_methods
from segmif.bench.methods import METHODS
from segmif.bench.sources import open_pairs, pairs_of_folders
from segmif.checks import InputError
from segmif.io import write_image
from tests.bench.conftest import NAMES, SIZE, write_pairs


def grey(value: int) -> np.ndarray:
    return np.full(SIZE, value, np.uint8)


def test_what_methods_may_be_called(tmp_path, tiny):
    results = tmp_path / "SeAFusion"
    results.mkdir()
    specs = parse_methods(
        ["classic", "average", str(results), f"mine={results}", str(tiny), "owner/model", "X=r/{dataset}"]
    )
    assert [s.name for s in specs] == [*METHODS, "SeAFusion", "mine", "tiny", "model", "X"]
    assert [s.kind for s in specs[len(METHODS) :]] == ["folder", "folder", "network", "network", "folder"]
    assert parse_methods(["models", "average"])[-1].name == "average"
    kept = parse_methods(["average@tno", "X=r/{dataset}@msrs", "maximum"])
    assert [(s.name, s.only, s.runs_on("tno")) for s in kept] == [
        ("average", ("tno",), True),
        ("X", ("msrs",), False),
        ("maximum", None, True),
    ]


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["averag"], "did you mean 'average'"),
        ([], "no methods"),
        (["mine=nowhere"], "nowhere: no such folder"),
        (["X=a/{dataset}", "X=b/{dataset}"], "two methods are named 'X'"),
    ],
)
def test_wrong_methods(texts, message):
    with pytest.raises(InputError, match=message):
        parse_methods(texts)


def test_results_by_data_set(tmp_path):
    spec = parse_methods([f"X={tmp_path}"])[0]
    assert spec.folder("msrs") == tmp_path
    (tmp_path / "msrs").mkdir()
    assert spec.folder("msrs") == tmp_path / "msrs"
    assert parse_methods(["X=r/{dataset}/out"])[0].folder("tno") == Path("r/tno/out")


def test_a_folder_of_results(tmp_path, data):
    pairs = open_pairs("msrs", data)
    sample = pairs.samples[0]
    write_image(tmp_path / "r" / f"{NAMES[0]}.png", grey(7))
    write_image(tmp_path / "r" / f"{NAMES[1]}_fused.png", grey(9))
    write_image(tmp_path / "r" / f"{NAMES[1]}_labels.png", grey(1))
    write_image(tmp_path / "r" / "other.png", grey(1))
    folder = Folder.of("X", tmp_path / "r", pairs.samples.names)
    assert set(folder.files) == set(NAMES[:2])
    assert set(folder.labels) == {NAMES[1]}
    assert (folder.picture(sample) == 7).all()
    before = folder.key(NAMES[0], "sources")
    write_image(tmp_path / "r" / f"{NAMES[0]}.png", grey(8))
    assert folder.key(NAMES[0], "sources") != before
    with pytest.raises(InputError, match=r"holds no picture named '00003D'"):
        folder.key(NAMES[2], "sources")
    write_image(tmp_path / "r" / f"{NAMES[0]}.png", grey(8)[:40])
    with pytest.raises(InputError, match="must have the same width x height"):
        folder.picture(sample)
    with pytest.raises(InputError, match=r"holds no picture of the 1 pairs"):
        Folder.of("X", tmp_path / "r", ["nothing"])


def test_a_classic_method_fuses(data):
    sample = open_pairs("msrs", data).samples[0]
    fused = Classic(name="maximum").picture(sample)
    assert fused.shape == (*SIZE, 3)
    assert fused.dtype == np.uint8
    keys = {Classic(name=name).key("a", source) for name in ("maximum", "average") for source in ("1", "2")}
    assert len(keys) == 4


def test_data_sets_by_name(data, tmp_path):
    pairs = open_pairs("msrs", data)
    assert (pairs.key, pairs.title, len(pairs.samples)) == ("msrs", "MSRS, test", 4)
    assert open_pairs("msrs:all", data, limit=2).samples.names == [NAMES[0], NAMES[2]]
    assert open_pairs(f"folder={data / 'msrs'}", tmp_path).title == "msrs"
    assert open_pairs(f"msrs:test={data / 'msrs'}", tmp_path).key == "msrs:test"
    with pytest.raises(InputError, match="'tno' is not below"):
        open_pairs("tno", data)
    with pytest.raises(InputError, match="did you mean 'msrs'"):
        open_pairs("msr", data)


def test_a_missing_partner_is_a_problem_of_its_own(data):
    (data / "msrs" / "infrared" / f"{NAMES[1]}.png").unlink()
    pairs = open_pairs("msrs", data)
    assert len(pairs.samples) == 3
    assert any(NAMES[1] in problem and "without infrared partner" in problem for problem in pairs.problems)


def test_two_folders_or_two_pictures(tmp_path):
    root = write_pairs(tmp_path)
    (root / "visible" / f"{NAMES[3]}.png").unlink()
    pairs = pairs_of_folders(root / "infrared", root / "visible")
    assert pairs.samples.names == list(NAMES[:3])
    assert len(pairs.problems) == 1
    assert "has no visible partner" in pairs.problems[0]
    one = pairs_of_folders(root / "infrared" / f"{NAMES[0]}.png", root / "visible" / f"{NAMES[0]}.png")
    assert one.samples.names == [NAMES[0]]
    before = pairs.sources(0)
    write_image(pairs.samples.records[0].infrared, grey(3))
    assert pairs.sources(0) != before
    assert pairs.sources(1) == pairs.sources(1)
