from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest

from segmif import io, streams
from segmif.checks import InputError
from tests.test_video import FakeCapture, write_video


def picture(path: Path, level: int = 100) -> Path:
    io.write_image(path, np.full((40, 48), level, np.uint8))
    return path


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """Pairs 2 and 10; an infrared-only and two visible-only pictures; a text file."""
    for name in ("2", "10", "only_ir"):
        picture(tmp_path / "ir" / f"{name}.png", 10)
    for name in ("2", "10", "only_a", "only_b"):
        picture(tmp_path / "vis" / f"{name}.tif", 200)
    (tmp_path / "vis" / "notes.txt").write_text("not a picture")
    return tmp_path / "ir", tmp_path / "vis"


def test_folders_pair_by_name_and_report_the_rest(folders):
    pairs = streams.open_pairs(*folders)
    assert (pairs.name, pairs.rate, pairs.length) == ("vis", None, 2)
    assert pairs.notes == [
        "2 pairs; 1 infrared without a partner (first: only_ir.png); 2 visible without a partner (first: only_a.tif)"
    ]
    items = list(pairs)
    assert [item.name for item in items] == ["2", "10"]
    infrared, visible = items[0].read()
    assert (infrared[0, 0], visible[0, 0], items[0].seconds) == (10, 200, None)


def test_a_folder_is_listed_without_reading_it(folders):
    (folders[0] / "2.png").write_bytes(b"broken")
    items = list(streams.open_pairs(*folders))
    with pytest.raises(InputError, match=r"2\.png"):
        items[0].read()
    items[1].read()


def test_sub_folders_on_request(tmp_path):
    picture(tmp_path / "ir" / "a" / "1.png")
    picture(tmp_path / "vis" / "a" / "1.png")
    with pytest.raises(InputError, match="no pairs"):
        streams.open_pairs(tmp_path / "ir", tmp_path / "vis")
    assert [p.name for p in streams.open_pairs(tmp_path / "ir", tmp_path / "vis", recursive=True)] == ["a/1"]


def test_two_pictures_make_one_pair_named_after_the_visible_one(tmp_path):
    pairs = streams.open_pairs(picture(tmp_path / "i.png"), str(picture(tmp_path / "v.png")))
    assert pairs.length == 1
    assert [p.name for p in pairs] == ["v"]


@pytest.mark.parametrize(
    ("infrared", "visible", "message"),
    [
        ("missing", "ir", "missing: no such file or folder"),
        ("ir", "vis/2.tif", "infrared is a folder .* but visible is a picture .*: give two alike"),
        ("ir", "ir", "the same folder"),
    ],
)
def test_what_cannot_be_a_pair(folders, infrared, visible, message):
    root = folders[0].parent
    with pytest.raises(InputError, match=message):
        streams.open_pairs(root / infrared, root / visible)


def levels(pairs: streams.PairStream) -> list[tuple[int, int]]:
    """The grey levels of both frames of every pair, in steps of ten."""
    return [tuple(round(float(frame.mean()) / 10) for frame in item.read()) for item in pairs]


def test_videos_of_one_rate_pair_frame_by_frame(tmp_path):
    write_video(tmp_path / "i.mp4", [30, 40, 50, 60])
    write_video(tmp_path / "v.mp4", [130, 140, 150, 160])
    pairs = streams.open_pairs(tmp_path / "i.mp4", tmp_path / "v.mp4")
    assert (pairs.name, pairs.rate, pairs.length) == ("v", 10, 4)
    assert levels(pairs) == [(3, 13), (4, 14), (5, 15), (6, 16)]
    assert pairs.notes == []
    assert [p.name for p in pairs][:2] == ["v_000000", "v_000001"]


@pytest.mark.parametrize(("infrared", "visible", "ends"), [(3, 5, "infrared"), (5, 3, "visible")])
def test_the_shorter_video_ends_the_stream_with_a_note(tmp_path, infrared, visible, ends):
    write_video(tmp_path / "i.mp4", [50] * infrared)
    write_video(tmp_path / "v.mp4", [150] * visible)
    pairs = streams.open_pairs(tmp_path / "i.mp4", tmp_path / "v.mp4")
    assert pairs.length == 3
    assert len(list(pairs)) == 3
    assert len(pairs.notes) == 1
    assert f"the {ends} video ends after 0.30 s" in pairs.notes[0]


def test_videos_of_different_rates_pair_by_time(tmp_path):
    write_video(tmp_path / "i.mp4", [30, 60, 90], rate=5)
    write_video(tmp_path / "v.mp4", [100, 110, 120, 130, 140, 150], rate=10)
    pairs = streams.open_pairs(tmp_path / "i.mp4", tmp_path / "v.mp4")
    assert pairs.rate == Fraction(10)
    found = levels(pairs)
    assert [visible for _, visible in found] == [10, 11, 12, 13, 14, 15]
    assert [infrared for infrared, _ in found][::2] == [3, 6, 9]
    assert found[-1][0] == 9
    assert len(pairs.notes) == 1
    assert "nearest in time" in pairs.notes[0]


@pytest.mark.parametrize("addresses", [(0, 1), ("0", "1"), ("rtsp://a/x", "rtsp://b/y")])
def test_cameras(monkeypatch, tmp_path, addresses):
    monkeypatch.setattr(cv2, "VideoCapture", FakeCapture)
    monkeypatch.chdir(tmp_path)
    pairs = streams.open_pairs(*addresses)
    assert pairs.length is None
    assert pairs.infrared.address == (0 if addresses[0] == "0" else addresses[0])
    assert len(list(pairs)) == 3
    assert pairs.notes == ["a camera has stopped sending frames"]
