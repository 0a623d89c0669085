import time
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from segmif import video
from segmif.checks import InputError


def write_video(path: Path, levels: list[int], *, rate: Fraction | int = 10, size: tuple[int, int] = (48, 64)) -> Path:
    with video.VideoWriter(path, Fraction(rate)) as writer:
        for level in levels:
            writer.write(np.full((*size, 3), level, np.uint8))
    return path


def test_frames_rate_and_times_survive_the_round_trip(tmp_path):
    levels = [10, 60, 110, 160, 210]
    source = video.VideoFile(write_video(tmp_path / "a.mp4", levels, rate=Fraction(30000, 1001)))
    assert source.rate == Fraction(30000, 1001)
    assert source.frames == 5
    for _ in range(2):  # every iteration starts anew
        frames = list(source)
        np.testing.assert_allclose([t for t, _ in frames], [i * 1001 / 30000 for i in range(5)], atol=1e-4)
        assert [f.shape for _, f in frames] == [(48, 64, 3)] * 5
        np.testing.assert_allclose([f.mean() for _, f in frames], levels, atol=2)


def test_odd_sizes_are_padded_to_even(tmp_path):
    _, frame = next(iter(video.VideoFile(write_video(tmp_path / "a.mkv", [100], size=(47, 63)))))
    assert frame.shape == (48, 64, 3)
    np.testing.assert_allclose(frame, 100, atol=2)


def test_times_leave_gaps_where_frames_were_late(tmp_path):
    with video.VideoWriter(tmp_path / "a.mp4", Fraction(10)) as writer:
        for seconds in (0.0, 0.1, 0.5):
            writer.write(np.zeros((48, 64, 3), np.uint8), seconds)
    times = [t for t, _ in video.VideoFile(tmp_path / "a.mp4")]
    np.testing.assert_allclose(times, [0, 0.1, 0.5], atol=1e-3)


def test_sixteen_bit_grey_and_rotation_are_kept(tmp_path):
    ramp = np.arange(48 * 64, dtype=np.uint16).reshape(48, 64) * 20
    with av.open(str(tmp_path / "deep.mkv"), "w") as container:
        stream = container.add_stream("ffv1", rate=5)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "gray16le"
        container.mux(stream.encode(av.VideoFrame.from_ndarray(ramp, format="gray16le")))
        container.mux(stream.encode(None))
    _, frame = next(iter(video.VideoFile(tmp_path / "deep.mkv")))
    assert frame.dtype == np.uint16
    np.testing.assert_array_equal(frame, ramp)


class TurnedFrame:
    """What PyAV gives for a frame of a phone held upright."""

    def __init__(self, array: np.ndarray, rotation: int) -> None:
        self.array, self.rotation = array, rotation
        self.format = av.VideoFormat("yuv420p")

    def to_ndarray(self, format: str) -> np.ndarray:
        assert format == "rgb24"
        return self.array


@pytest.mark.parametrize(("rotation", "turns"), [(0, 0), (90, 1), (-90, 3), (180, 2)])
def test_frames_are_turned_upright(rotation, turns):
    array = np.random.default_rng(0).integers(0, 255, (6, 8, 3), dtype=np.uint8)
    np.testing.assert_array_equal(video.frame_array(TurnedFrame(array, rotation)), np.rot90(array, turns))


def test_not_a_video(tmp_path):
    (tmp_path / "text.mp4").write_text("hello")
    with pytest.raises(InputError, match=r"text\.mp4: is not a video"):
        video.VideoFile(tmp_path / "text.mp4")
    with pytest.raises(InputError, match="no such file"):
        video.VideoFile(tmp_path / "missing.mp4")


def test_sound_alone_is_no_video(tmp_path):
    with av.open(str(tmp_path / "sound.mp4"), "w") as container:
        stream = container.add_stream("aac", rate=8000)
        silence = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        silence.rate = 8000
        container.mux(stream.encode(silence))
        container.mux(stream.encode(None))
    with pytest.raises(InputError, match="no video stream"):
        video.VideoFile(tmp_path / "sound.mp4")


def test_damaged_video_says_after_which_frame(tmp_path, monkeypatch):
    source = video.VideoFile(write_video(tmp_path / "a.mkv", [50, 60, 70]))
    decoded = []

    def decode_one_and_fail(frame):
        if decoded:
            raise av.error.InvalidDataError(1, "Invalid data")
        decoded.append(frame)
        return np.zeros((48, 64, 3), np.uint8)

    monkeypatch.setattr(video, "frame_array", decode_one_and_fail)
    with pytest.raises(InputError, match=r"damaged after frame 1 \(Invalid data"):
        list(source)


def test_a_file_without_frames_is_refused(tmp_path):
    with (
        pytest.raises(InputError, match="no frames to write"),
        video.VideoWriter(tmp_path / "a.mp4", Fraction(10)),
    ):
        pass
    assert list(tmp_path.iterdir()) == []


def write_frames(path: Path, sizes: list[int], then: type[BaseException] | None = None) -> None:
    """Write black frames of these heights, then fail."""
    with video.VideoWriter(path, Fraction(10)) as writer:
        for height in sizes:
            writer.write(np.zeros((height, 64, 3), np.uint8))
        if then:
            raise then


def test_what_was_written_before_an_interruption_is_kept(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        write_frames(tmp_path / "a.mp4", [48, 48, 48], KeyboardInterrupt)
    assert [p.name for p in tmp_path.iterdir()] == ["a_partial.mp4"]
    assert len(list(video.VideoFile(tmp_path / "a_partial.mp4"))) == 3


def test_an_interruption_before_the_first_frame_leaves_nothing(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        write_frames(tmp_path / "a.mp4", [], KeyboardInterrupt)
    assert list(tmp_path.iterdir()) == []


def test_writer_refuses_wrong_names_sizes_and_places(tmp_path):
    with pytest.raises(InputError, match=r"use \.mp4"):
        video.VideoWriter(tmp_path / "a.gif", Fraction(10))
    with pytest.raises(InputError, match="differ in size"):
        write_frames(tmp_path / "b.mp4", [48, 64])
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="cannot be written"):
        write_frames(tmp_path / "file" / "a.mp4", [48])


@pytest.mark.parametrize("stage", ["open", "frame", "end"])
def test_a_full_disk_is_one_clear_error(tmp_path, monkeypatch, stage):
    def full(*_: object) -> None:
        raise av.error.OSError(28, "No space left on device")

    def mux(writer: video.VideoWriter, frame: object) -> None:
        if (frame is None) == (stage == "end"):
            monkeypatch.setattr(writer, "_stream", type("Stream", (), {"encode": full})())
        original(writer, frame)

    original = video.VideoWriter._mux
    monkeypatch.setattr(video.VideoWriter, "_mux", mux)
    if stage == "open":
        monkeypatch.setattr(av, "open", full)
    with pytest.raises(InputError, match=r"a\.mp4: cannot be .*No space left"):
        write_frames(tmp_path / "a.mp4", [48, 48])
    assert not (tmp_path / "a.mp4").exists()


class FakeCapture:
    """Stands in for cv2.VideoCapture: `count` frames whose level tells their number."""

    count = 3
    opens = True
    rate = 30.0
    pace = 0.0
    """Seconds between frames."""
    damaged = False

    def __init__(self, address):
        self.address, self.number, self.released = address, -1, False

    def isOpened(self):
        return self.opens

    def set(self, *_):
        return True

    def get(self, _):
        return self.rate

    def grab(self):
        time.sleep(self.pace)
        self.number += 1
        return self.number < self.count

    def retrieve(self):
        return not self.damaged, np.full((48, 64, 3), [self.number, 0, 9], np.uint8)

    def release(self):
        self.released = True


def test_cameras_are_grabbed_together_and_given_back(monkeypatch):
    monkeypatch.setattr(cv2, "VideoCapture", FakeCapture)
    first, second = video.Camera(0), video.Camera("rtsp://example/stream")
    assert first.rate == 30
    frames = list(video.grab_together(first, second))
    assert (first.lost, second.lost) == (True, False)
    assert [tuple(f[1][0, 0]) for f in frames] == [(9, 0, i) for i in range(3)], "BGR becomes RGB"
    assert all(a[0] <= b[0] for a, b in pairwise(frames))
    assert first._capture.released
    assert second._capture.released


@pytest.mark.parametrize("stated", [0.0, float("nan"), 1e9])
def test_a_camera_without_a_rate_gets_the_usual_one(monkeypatch, stated):
    monkeypatch.setattr(cv2, "VideoCapture", FakeCapture)
    monkeypatch.setattr(FakeCapture, "rate", stated)
    assert video.Camera(0).rate == 25


def test_a_camera_that_is_not_there_or_breaks(monkeypatch):
    monkeypatch.setattr(cv2, "VideoCapture", FakeCapture)
    monkeypatch.setattr(FakeCapture, "damaged", True)
    first = video.Camera(0)
    with pytest.raises(InputError, match="damaged frame"):
        list(video.grab_together(first, video.Camera(1)))
    assert first.lost
    monkeypatch.setattr(FakeCapture, "opens", False)
    with pytest.raises(InputError, match="camera 3: cannot be opened"):
        video.Camera(3)
