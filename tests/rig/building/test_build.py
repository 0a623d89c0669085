"""Building: sources are found, drives stay together, what will not do is listed, a stopped build goes on."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest

from segmif.checks import InputError
from segmif.cli import main
from segmif.io import read_image, read_labels, write_image, write_labels
from segmif.labelsets import FMB
from segmif.rig.building.build import STAGE, BuildConfig, Built, _time, build, divide
from segmif.rig.building.drives import Moment, drive_links, read_moments
from segmif.rig.building.sources import find_sources
from segmif.rig.record.simulate import SimulatedRig
from tests.rig.building.recordings import PLACE, START, recording


@pytest.fixture
def drive(tmp_path: Path) -> Path:
    return recording(tmp_path / "drive")


def _build(drive: Path, out: Path, **config: object) -> Built:
    return build(find_sources(drive), out, BuildConfig(**{"parts": {"train": 0.5, "test": 0.5}, **config}))  # type: ignore[arg-type]


def test_drives_are_kept_together(drive: Path, tmp_path: Path) -> None:
    built = _build(drive, tmp_path / "out")
    assert built.problems == []
    assert sorted(map(len, built.splits.values())) == [4, 4]
    for names in built.splits.values():
        for name in names:
            other = int(name) + (1 if int(name) % 2 else -1)
            assert f"{other:06d}" in names
    files = sorted(path.stem for path in (tmp_path / "out" / "test" / "Infrared").iterdir())
    assert files == sorted(built.splits["test"])
    assert not (tmp_path / "out" / STAGE).exists()


def test_pictures_that_need_no_change_are_copied_as_they_are(drive: Path, tmp_path: Path) -> None:
    built = _build(drive, tmp_path / "out")
    for split, names in built.splits.items():
        for band in ("Infrared", "Visible"):
            copy = (tmp_path / "out" / split / band / f"{names[0]}.png").read_bytes()
            assert copy == (drive / band / f"{names[0]}.png").read_bytes()


def test_deep_infrared_can_be_stored_in_eight_bits(drive: Path, tmp_path: Path) -> None:
    assert read_image(drive / "Infrared" / "000001.png").dtype == np.uint16
    built = _build(drive, tmp_path / "out", eight_bits=True)
    name = built.splits["train"][0]
    assert read_image(tmp_path / "out" / "train" / "Infrared" / f"{name}.png").dtype == np.uint8


def test_registration_while_building_moves_infrared_back(tmp_path: Path) -> None:
    drive = recording(tmp_path / "drive", drives=2, pairs=1, shift=4)
    build(find_sources(drive), tmp_path / "out", BuildConfig(parts={"train": 1.0}, register=True))
    rows = [json.loads(line) for line in (tmp_path / "out" / "pairs.jsonl").read_text().splitlines()]
    assert all(abs(row["registration"]["homography"][0][2] + 4) < 1.5 for row in rows)


def test_bad_pairs_are_left_out_and_named(drive: Path, tmp_path: Path) -> None:
    (drive / "Visible" / "000001.png").write_bytes(b"broken")
    (drive / "label" / "000002.png").unlink()
    write_image(drive / "Infrared" / "000003.png", np.zeros((50, 60), np.uint8))
    write_image(drive / "label" / "000004.png", np.full((96, 128), 255, np.uint8))
    write_image(drive / "label" / "000005.png", np.full((96, 128), 77, np.uint8))
    write_image(drive / "label" / "000006.png", np.ones((9, 9), np.uint8))
    (drive / "Infrared" / "000007.png").unlink()
    built = build(find_sources(drive), tmp_path / "out", BuildConfig(parts={"train": 1.0}))
    assert built.splits == {"train": ["000008"]}
    said = {problem.where.rpartition("/")[2]: problem.message for problem in built.problems}
    wanted = {
        "000001": "not a picture",
        "000002": "has no label",
        "000003": "register them first",
        "000004": "says nothing",
        "000005": "ids 77",
        "000006": "the label map is 9x9",
        "000007.png": "no infrared partner",
    }
    assert said.keys() == wanted.keys()
    assert all(words in said[name] for name, words in wanted.items())
    assert len(json.loads((tmp_path / "out" / "build.json").read_text())["left_out"]) == 7


def test_a_stopped_build_goes_on(drive: Path, tmp_path: Path) -> None:
    class Stop(Exception):
        pass

    def stop(pair: object, problem: object) -> None:
        if len(list((tmp_path / "out" / STAGE / "facts").iterdir())) == 3:
            raise Stop

    config = BuildConfig(parts={"train": 0.5, "test": 0.5})
    with pytest.raises(Stop):
        build(find_sources(drive), tmp_path / "out", config, on_progress=stop)
    with pytest.raises(InputError, match="go on with --resume"):
        build(find_sources(drive), tmp_path / "out", config)
    resumed = build(find_sources(drive), tmp_path / "out", config, resume=True)
    assert resumed.splits == _build(drive, tmp_path / "other").splits
    with pytest.raises(InputError, match="holds a built data set already"):
        build(find_sources(drive), tmp_path / "out", config)


def test_a_folder_with_other_pictures_is_not_touched(drive: Path, tmp_path: Path) -> None:
    (tmp_path / "out" / "train").mkdir(parents=True)
    with pytest.raises(InputError, match="pictures of another data set"):
        _build(drive, tmp_path / "out")


def test_nothing_that_will_do_is_one_line(drive: Path, tmp_path: Path) -> None:
    for path in (drive / "label").iterdir():
        path.unlink()
    with pytest.raises(InputError, match="none of 8 pairs will do: 000001: has no label"):
        _build(drive, tmp_path / "out")


def _facts(numbers: Sequence[int], nights: Sequence[int] = ()) -> list[dict[str, str]]:
    """Pairs that look nothing alike."""
    random = np.random.default_rng(0)
    return [
        {"name": f"f_{n:04d}", "time": "night" if n in nights else "day", "hash": random.bytes(16).hex()}
        for n in numbers
    ]


@pytest.mark.parametrize(("by", "gap", "groups"), [("drive", 60, 3), ("sequence", 400, 2), ("hash", 60, 5)])
def test_without_a_manifest_near_numbers_stay_together(by: str, gap: float, groups: int) -> None:
    config = BuildConfig(parts={"train": 0.5, "test": 0.5}, by=by, gap=gap)
    splits, drives = divide(_facts((1, 4, 300, 305, 900)), [], config)
    assert len(set(drives.values())) == groups
    assert sum(map(len, splits.values())) == 5


def test_pairs_without_a_time_go_by_their_numbers_the_others_by_time() -> None:
    times = {"f_0001": 0.0, "f_0004": 500.0, "f_0300": 550.0}
    moments = [Moment(name=name, utc=utc) for name, utc in times.items()] + [Moment(name="f_0901")]
    _, drives = divide(_facts((1, 4, 300, 305, 900, 901)), moments, BuildConfig(parts={"train": 0.5, "test": 0.5}))
    assert drives["f_0004"] == drives["f_0300"] != drives["f_0001"], "near in time, not by number"
    assert drives["f_0900"] == drives["f_0901"]
    assert len(set(drives.values())) == 4


def test_what_record_wrote_is_built_with_its_times(tmp_path: Path) -> None:
    """Not the recordings of these tests, but those of the command."""
    assert main(["rig", "record", "--simulate", "-o", str(tmp_path / "drive"), "--pairs", "3", "--sync", "0"]) == 0
    manifest = (tmp_path / "drive" / "manifest.jsonl").read_text().splitlines()
    rig = SimulatedRig(seconds=60.0)
    truth = {}
    for record in map(json.loads, manifest):
        truth[record["name"]] = rig.labels(datetime.fromisoformat(record["visible_time"]).timestamp() - rig.start)
        write_labels(tmp_path / "drive" / "label" / f"{record['name']}.png", truth[record["name"]], FMB.palette)
    sources = find_sources(tmp_path / "drive")
    built = build(sources, tmp_path / "city", BuildConfig(parts={"train": 1.0}))
    assert (built.count, built.problems, set(built.drives.values())) == (3, [], {"1"})
    rows = [json.loads(line) for line in (tmp_path / "city" / "pairs.jsonl").read_text().splitlines()]
    assert all(0 <= row["utc"] - rig.start < 60 for row in rows)
    for name, labels in truth.items():
        assert np.array_equal(read_labels(tmp_path / "city" / "train" / "Label" / f"{name}.png"), labels)
    moments = read_moments(tmp_path / "drive").values()
    assert drive_links(moments, gap=0.001) == [], "three moments, not one"


def test_day_and_night_are_divided_each_for_themselves() -> None:
    facts = _facts(range(0, 4000, 100), nights=range(0, 4000, 400))
    splits, _ = divide(facts, [], BuildConfig(parts={"train": 0.8, "test": 0.2}))
    nights = {fact["name"] for fact in facts if fact["time"] == "night"}
    assert {split: len(nights.intersection(names)) for split, names in splits.items()} == {"train": 8, "test": 2}


def test_the_sun_tells_day_from_night_where_it_is_known_and_brightness_elsewhere(drive: Path) -> None:
    bright, dark = (read_image(drive / "Visible" / f"{name}.png") for name in ("000001", "000003"))
    day, night = (Moment(name="a", utc=START + 3600 * hours, place=PLACE) for hours in (0, 6))
    assert [_time(None, picture, BuildConfig()) for picture in (bright, dark)] == ["day", "night"]
    assert [_time(moment, bright, BuildConfig()) for moment in (day, night)] == ["day", "night"]
    assert [_time(moment, dark, BuildConfig()) for moment in (day, night)] == ["day", "night"]
    dusk = Moment(name="a", utc=START + 3600 * 4.3, place=PLACE)
    assert dusk.light() == "dusk"
    assert [_time(dusk, picture, BuildConfig()) for picture in (bright, dark)] == ["day", "night"]
    assert _time(Moment(name="a"), bright, BuildConfig(night_sky=0.99)) == "night"
    with pytest.raises(InputError, match="night sky 2 is no brightness"):
        BuildConfig(night_sky=2)


def test_unknown_grouping_and_missing_folders_are_refused(drive: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="unknown way to group 'drives': did you mean 'drive'"):
        BuildConfig(by="drives")
    with pytest.raises(InputError, match="no such folder"):
        find_sources(tmp_path / "none")
    with pytest.raises(InputError, match="check --labels"):
        find_sources(drive, labels=tmp_path / "none")
    (drive / "label").rename(drive / "marks")
    with pytest.raises(InputError, match=r"has no folder of annotations .* name it with --labels"):
        find_sources(drive)
    assert len(find_sources(drive, labels=drive / "marks").painted) == 8


def test_damaged_polygons_cost_their_pair_only(tmp_path: Path) -> None:
    drive = recording(tmp_path / "drive", drives=2, pairs=1, polygons=True)
    (drive / "annotations" / "000001.json").write_text("{")
    sources = find_sources(drive)
    assert [problem.kind for problem in sources.problems] == ["left-out"]
    assert list(sources.drawn) == ["000002"]


def test_moments_tell_drives_and_the_height_of_the_sun(drive: Path, tmp_path: Path) -> None:
    moments = read_moments(drive)
    assert moments["000001"].utc == START
    assert moments["000001"].place == PLACE
    assert len(drive_links(moments.values())) == 4
    assert Moment(name="a", utc=START).light() is None
    assert Moment(name="a", utc=START).light(PLACE) in ("day", "dusk")  # 15 June 2025, 17:06 local time
    assert Moment(name="a", utc=START + 6 * 3600).light(PLACE) == "night"
    (tmp_path / "pairs.jsonl").write_text(
        '{"name": "a", "drive": 1, "utc": "2025-06-15T12:00:00+00:00"}\n{"name": "b", "drive": 1}\n'
    )
    listed = read_moments(tmp_path)
    assert (listed["a"].utc, listed["b"].utc) == (1749988800.0, None)
    assert drive_links(listed.values()) == [("a", "b")]
    (tmp_path / "pairs.jsonl").write_text('{"split": "a"}\n')
    with pytest.raises(InputError, match=r"pairs\.jsonl:1: is no record"):
        read_moments(tmp_path)
