from fractions import Fraction

import numpy as np
import pytest

from segmif.checks import InputError
from segmif.infer.recording import Recorder
from segmif.infer.result import Result
from segmif.labelsets import FMB
from segmif.video import VideoFile


def result(level: int, *, size: tuple[int, int] = (48, 64), seconds: float | None = None) -> Result:
    picture = np.full((*size, 3), level, np.uint8)
    return Result(
        name=str(level), fused=picture, labels=picture[..., 0] % 3, confidence=None, label_set=FMB,
        infrared=picture[..., 0], visible=picture, seconds=seconds,
    )  # fmt: skip


def test_every_output_becomes_a_video_in_order_and_time(tmp_path):
    with Recorder({o: tmp_path / f"{o}.mp4" for o in ("fused", "labels")}, Fraction(10)) as recorder:
        for i in range(10):
            recorder.write(result(20 * i, seconds=i / 5))
    frames = list(VideoFile(tmp_path / "fused.mp4"))
    np.testing.assert_allclose([f.mean() for _, f in frames], [20 * i for i in range(10)], atol=3)
    np.testing.assert_allclose([t for t, _ in frames], [i / 5 for i in range(10)], atol=1e-3)
    assert len(list(VideoFile(tmp_path / "labels.mp4"))) == 10


def test_what_was_recorded_before_ctrl_c_is_playable(tmp_path):
    def record() -> None:
        with Recorder({"fused": tmp_path / "a.mp4", "panel": tmp_path / "b.mp4"}, Fraction(10)) as recorder:
            for i in range(5):
                recorder.write(result(i))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        record()
    assert {p.name for p in tmp_path.iterdir()} == {"a_partial.mp4", "b_partial.mp4"}
    assert [len(list(VideoFile(p))) for p in tmp_path.iterdir()] == [5, 5]


def test_an_error_of_encoding_comes_once_and_leaves_what_is_playable(tmp_path):
    def record() -> None:
        with Recorder({"fused": tmp_path / "a.mp4"}, Fraction(10)) as recorder:
            for i in range(3):
                recorder.write(result(i))
            recorder.write(result(3, size=(50, 64)))

    with pytest.raises(InputError, match="frames differ in size"):
        record()
    assert [p.name for p in tmp_path.iterdir()] == ["a_partial.mp4"]
    assert len(list(VideoFile(tmp_path / "a_partial.mp4"))) == 3


def test_without_results_there_is_no_file(tmp_path):
    with pytest.raises(InputError, match="no frames"), Recorder({"fused": tmp_path / "a.mp4"}, Fraction(10)):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_wrong_name_is_told_before_any_work(tmp_path):
    with pytest.raises(InputError, match=r"use \.mp4"):
        Recorder({"fused": tmp_path / "a.gif"}, Fraction(10))
