import math
import time
from fractions import Fraction
from pathlib import Path

import av
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
    assert (infrared[0, 0], visible[0, 0], items[0].seconds, items[0].captured) == (10, 200, None, None)
    assert items[0].files == (folders[0] / "2.png", folders[1] / "2.tif")


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
    assert pairs.files == (tmp_path / "i.mp4", tmp_path / "v.mp4")
    assert [p.limits for p in pairs] == [None] * 4
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
    assert pairs.live
    before = time.monotonic()
    frames = list(pairs)
    assert [f.name for f in frames] == ["camera_000000", "camera_000001", "camera_000002"]
    assert all(before <= f.captured <= time.monotonic() for f in frames)
    assert pairs.notes == []
    assert pairs.lost.startswith(f"camera {addresses[0]} stopped sending frames after 0.0 s and 3 frames; check")


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        ({"count": 0}, "camera 0 stopped sending frames before the first frame"),
        ({"damaged": True}, "camera 0: sent a damaged frame before the first frame"),
    ],
)
def test_a_camera_that_never_sends_anything(monkeypatch, spoil, reason):
    monkeypatch.setattr(cv2, "VideoCapture", FakeCapture)
    for name, value in spoil.items():
        monkeypatch.setattr(FakeCapture, name, value)
    pairs = streams.open_pairs(0, 1)
    assert list(pairs) == []
    assert pairs.lost.startswith(reason)


# --- 16-bit infrared over time ---------------------------------------------------------------------------------------


def flickering(count: int, *, rng: np.random.Generator) -> list[np.ndarray]:
    """A still 16-bit scene in which a few hot and cold pixels come and go."""
    scene = rng.integers(7000, 8000, (40, 48)).astype(np.uint16)
    frames = []
    for _ in range(count):
        frame = scene.copy()
        frame.ravel()[rng.choice(frame.size, rng.integers(0, 12), replace=False)] = rng.choice([6600, 8400])
        frames.append(frame)
    return frames


def test_running_limits_flicker_less_than_those_of_each_frame():
    frames = flickering(50, rng=np.random.default_rng(0))
    running = streams.RunningLimits()
    alone = np.array([io.stretch_limits(frame) for frame in frames])
    steady = np.array([running(frame, i / 25) for i, frame in enumerate(frames)])
    assert np.abs(np.diff(steady, axis=0)).mean() < 0.1 * np.abs(np.diff(alone, axis=0)).mean()
    np.testing.assert_allclose(steady[25:].mean(axis=0), alone.mean(axis=0), atol=60)


def test_running_limits_follow_a_slow_change_with_their_time_constant():
    running = streams.RunningLimits(time_constant=2.0)
    cool = np.linspace(7000, 8000, 500).reshape(20, 25).astype(np.uint16)
    start = running(cool, 0.0)
    end = io.stretch_limits(cool + np.uint16(100))
    for i in range(1, 51):  # 2 s
        limits = running(cool + np.uint16(100), i / 25)
    np.testing.assert_allclose(limits[0] - start[0], (1 - math.exp(-1)) * (end[0] - start[0]), rtol=1e-6)


def test_running_limits_start_anew_with_another_scene():
    running = streams.RunningLimits()
    running(np.array([[7000, 8000]], np.uint16), 0.0)
    other = np.array([[9000, 9500]], np.uint16)
    assert running(other, 0.04) == io.stretch_limits(other)


@pytest.mark.parametrize("dtype", [np.uint8, np.bool_])
def test_nothing_is_stretched_that_has_a_fixed_range(dtype):
    assert streams.RunningLimits()(np.ones((4, 4), dtype), 0.0) is None
    assert io.stretch_limits(np.full((4, 4), 0.5, np.float32)) is None
    assert io.stretch_limits(np.array([[20.0, 35.0]], np.float32)) is not None


def test_a_sixteen_bit_video_carries_steadied_limits(tmp_path):
    frames = flickering(6, rng=np.random.default_rng(1))
    with av.open(str(tmp_path / "i.mkv"), "w") as container:
        stream = container.add_stream("ffv1", rate=10)
        stream.width, stream.height, stream.pix_fmt = 48, 40, "gray16le"
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="gray16le")))
        container.mux(stream.encode(None))
    write_video(tmp_path / "v.mp4", [100] * 6, size=(40, 48))
    pairs = list(streams.open_pairs(tmp_path / "i.mkv", tmp_path / "v.mp4"))
    running = streams.RunningLimits()
    assert [p.limits for p in pairs] == [running(f, i / 10) for i, f in enumerate(frames)]
    np.testing.assert_array_equal(pairs[3].read()[0], frames[3])  # the values themselves are as stored
