"""`segmif fuse` as users call it: what comes out, and what is said about every kind of bad input."""

import errno
import os
import pickle
import signal
import subprocess
import sys
import time
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from segmif import io
from segmif.cli import main
from segmif.data.synthetic import synthetic_scene
from segmif.infer import Model
from segmif.video import VideoFile, VideoWriter
from tests.infer.conftest import scene
from tests.test_video import FakeCapture, write_video
from tests.tiny import tiny_network

PNG = ("fused", "labels")


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny model on disk."""
    folder = tmp_path_factory.mktemp("models") / "tiny"
    tiny_network().save_pretrained(folder)
    return folder


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Path, Path]:
    """One pair of pictures, in.png and vis.png."""
    infrared, visible = scene()
    io.write_image(tmp_path / "in.png", infrared)
    io.write_image(tmp_path / "vis.png", visible)
    return tmp_path / "in.png", tmp_path / "vis.png"


def make_folders(root: Path, count: int = 3) -> tuple[Path, Path]:
    for i in range(count):
        for band, picture in zip(("ir", "vis"), scene(seed=i), strict=True):
            io.write_image(root / band / f"{i}.png", picture)
    return root / "ir", root / "vis"


@pytest.fixture
def fuse(tiny: Path, capsys: pytest.CaptureFixture[str]):
    """Run `segmif fuse` with the tiny model; gives exit code, stdout and the lines of stderr."""

    def run(*arguments: object, model: object = tiny) -> tuple[int, str, list[str]]:
        options = ["--model", str(model), "--device", "cpu", "--dtype", "float32"]
        code = main(["fuse", *map(str, arguments), *options])
        captured = capsys.readouterr()
        return code, captured.out, captured.err.splitlines()

    return run


def interrupted_at(call: int):
    """A `Model._run` during whose n-th call the user presses Ctrl-C."""
    run, calls = Model._run, []

    def interrupted(self, pairs, *rest):
        calls.append(pairs)
        if len(calls) == call:
            raise KeyboardInterrupt
        return run(self, pairs, *rest)

    return interrupted


def names(folder: Path) -> set[str]:
    return {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}


# --- what comes out --------------------------------------------------------------------------------------------------


def test_a_pair_into_a_folder(fuse, pair, tmp_path):
    code, out, err = fuse(*pair, "-o", tmp_path / "out")
    assert (code, err) == (0, [])
    assert "1 pair fused" in out
    assert names(tmp_path / "out") == {"vis_fused.png", "vis_labels.png"}
    assert io.read_image(tmp_path / "out" / "vis_fused.png").shape == (64, 80, 3)
    with Image.open(tmp_path / "out" / "vis_labels.png") as labels:
        assert labels.mode == "P"


def test_every_output_of_a_pair_beside_a_named_file(fuse, pair, tmp_path):
    code, _, err = fuse(*pair, "-o", tmp_path / "out" / "scene.jpg", "--overlay", "--panel")
    assert (code, err) == (0, [])
    expected = {"scene.jpg", "scene_labels.png", "scene_overlay.png", "scene_panel.png"}
    assert names(tmp_path / "out") == expected


def test_folders_and_what_has_no_partner(fuse, tmp_path):
    folders = make_folders(tmp_path)
    (folders[0] / "lonely.png").write_bytes(b"never read")
    code, out, err = fuse(*folders, "-o", tmp_path / "out", "--batch-size", 2)
    assert code == 0
    assert "3 pairs fused" in out
    assert err == ["segmif: warning: 3 pairs; 1 infrared without a partner (first: lonely.png)"]
    assert names(tmp_path / "out") == {f"{i}_{o}.png" for i in range(3) for o in PNG}


def test_sub_folders_keep_their_places(fuse, tmp_path):
    for night in ("a", "b"):
        for band, picture in zip(("ir", "vis"), scene(), strict=True):
            io.write_image(tmp_path / band / night / "1.png", picture)
    assert fuse(tmp_path / "ir", tmp_path / "vis", "-o", tmp_path / "out", "--recursive")[0] == 0
    assert names(tmp_path / "out") == {f"{night}/1_{o}.png" for night in "ab" for o in PNG}


def test_resume_makes_only_what_is_missing(fuse, tmp_path):
    folders, out = make_folders(tmp_path), tmp_path / "out"
    assert fuse(*folders, "-o", out, "--limit", 2)[0] == 0
    assert names(out) == {f"{i}_{o}.png" for i in range(2) for o in PNG}
    (out / "1_labels.png").unlink()
    before = (out / "0_fused.png").stat().st_mtime_ns
    code, said, _ = fuse(*folders, "-o", out, "--resume")
    assert code == 0
    assert "2 pairs fused" in said
    assert "1 finished before" in said
    assert (out / "0_fused.png").stat().st_mtime_ns == before
    assert names(out) == {f"{i}_{o}.png" for i in range(3) for o in PNG}


def test_resume_makes_anew_what_is_damaged_or_older_than_its_inputs(fuse, tmp_path):
    folders, out = make_folders(tmp_path, 5), tmp_path / "out"
    assert fuse(*folders, "-o", out)[0] == 0
    truncated(out / "0_fused.png")
    (out / "1_labels.png").write_bytes(b"")
    data = bytearray((out / "2_fused.png").read_bytes())
    data[len(data) // 2] ^= 255
    (out / "2_fused.png").write_bytes(data)
    later = time.time() + 10
    os.utime(folders[0] / "3.png", (later, later))
    code, said, _ = fuse(*folders, "-o", out, "--resume")
    assert code == 0
    assert "4 pairs fused" in said
    assert "1 finished before" in said
    for name in names(out):
        io.read_image(out / name)


def test_resume_makes_a_damaged_video_anew(fuse, tmp_path):
    write_video(tmp_path / "i.mp4", [20, 80])
    write_video(tmp_path / "v.mp4", [200, 140])
    arguments = (tmp_path / "i.mp4", tmp_path / "v.mp4", "-o", tmp_path / "clip.mp4")
    assert fuse(*arguments)[0] == 0
    whole = (tmp_path / "clip.mp4").read_bytes()
    (tmp_path / "clip.mp4").write_bytes(whole[: len(whole) // 2])
    assert "2 frames fused" in fuse(*arguments, "--resume")[1]
    assert "finished before" in fuse(*arguments, "--resume")[1]


def test_fusion_only_models_write_no_labels(fuse, pair, tmp_path):
    tiny_network(label_set=None, num_classes=None).save_pretrained(tmp_path / "fusion-only")
    code, _, err = fuse(*pair, "-o", tmp_path / "out", "--overlay", "--panel", model=tmp_path / "fusion-only")
    assert (code, err) == (0, [])
    assert names(tmp_path / "out") == {"vis_fused.png", "vis_panel.png"}


@pytest.mark.parametrize("guide", ["visible", "average", "vsm_wls", "FILE", "FOLDER"])
def test_guides(fuse, pair, tmp_path, guide):
    io.write_image(tmp_path / "guides" / "vis.png", np.full((64, 80), 200, np.uint8))
    places = {"FILE": tmp_path / "guides" / "vis.png", "FOLDER": tmp_path / "guides"}
    assert fuse(*pair, "-o", tmp_path / "out", "--guide", places.get(guide, guide))[0] == 0
    default = tmp_path / "default"
    assert fuse(*pair, "-o", default)[0] == 0
    same = (io.read_image(default / "vis_fused.png") == io.read_image(tmp_path / "out" / "vis_fused.png")).all()
    assert same == (guide == "vsm_wls")


@pytest.mark.parametrize("suffix", [".jpg", ".tif", ".webp", ".bmp"])
def test_formats(fuse, tmp_path, suffix):
    infrared, visible = scene()
    io.write_image(tmp_path / f"i{suffix}", infrared)
    io.write_image(tmp_path / f"v{suffix}", visible)
    assert fuse(tmp_path / f"i{suffix}", tmp_path / f"v{suffix}", "-o", tmp_path / "out")[0] == 0


def test_videos(fuse, tmp_path):
    write_video(tmp_path / "i.mp4", [20, 80, 140, 200], rate=12)
    write_video(tmp_path / "v.mp4", [200, 140, 80], rate=12)
    arguments = (tmp_path / "i.mp4", tmp_path / "v.mp4", "-o", tmp_path / "out", "--overlay")
    code, out, err = fuse(*arguments)
    assert code == 0
    assert "3 frames fused" in out
    assert len([line for line in err if "the visible video ends after 0.25 s" in line]) == 1
    assert names(tmp_path / "out") == {"v_fused.mp4", "v_labels.mp4", "v_overlay.mp4"}
    fused = VideoFile(tmp_path / "out" / "v_fused.mp4")
    assert (fused.rate, fused.frames) == (12, 3)
    before = (tmp_path / "out" / "v_fused.mp4").stat().st_mtime_ns
    assert "finished before" in fuse(*arguments, "--resume")[1]
    assert (tmp_path / "out" / "v_fused.mp4").stat().st_mtime_ns == before


def test_a_video_under_a_given_name(fuse, tmp_path):
    write_video(tmp_path / "i.mp4", [20, 80])
    write_video(tmp_path / "v.mp4", [200, 140])
    assert fuse(tmp_path / "i.mp4", tmp_path / "v.mp4", "-o", tmp_path / "clip.mkv", "--limit", 1)[0] == 0
    assert VideoFile(tmp_path / "clip.mkv").rate == 10
    assert len(list(VideoFile(tmp_path / "clip.mkv"))) == 1
    assert (tmp_path / "clip_labels.mkv").is_file()


def test_cameras_into_a_video(fuse, tmp_path, monkeypatch):
    monkeypatch.setattr(cv2, "VideoCapture", FakeCapture)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(FakeCapture, "pace", 0.2)
    code, out, err = fuse("0", "1", "-o", "out", "--limit", 2)
    assert code == 0
    assert len(err) == 1
    assert "camera_000000: the infrared picture is in false colours" in err[0]
    assert "2 frames fused" in out
    assert "ms after capture" in out
    assert len(list(VideoFile(tmp_path / "out" / "camera_fused.mp4"))) == 2


@pytest.mark.parametrize("how", ["silent", "damaged"])
def test_a_camera_unplugged_in_the_middle(fuse, tmp_path, monkeypatch, how):
    monkeypatch.setattr(cv2, "VideoCapture", FakeCapture)
    monkeypatch.setattr(FakeCapture, "pace", 0.2)
    monkeypatch.chdir(tmp_path)
    if how == "damaged":
        monkeypatch.setattr(
            FakeCapture, "retrieve", lambda c: (c.number < 3, np.full((48, 64), 9 * c.number, np.uint8))
        )
        monkeypatch.setattr(FakeCapture, "count", 100)
    code, out, err = fuse("0", "1", "-o", "out")
    assert code == 1
    assert "3 frames fused" in out
    lost = [line for line in err if "camera 0" in line]
    assert len(lost) == 1
    assert lost[0].endswith(
        f"{'sent a damaged frame' if how == 'damaged' else 'stopped sending frames'} after "
        f"{lost[0].partition(' after ')[2]}"
    )
    assert "and 3 frames; check the connection. What was recorded until then is whole" in lost[0]
    assert names(tmp_path / "out") == {"camera_fused.mp4", "camera_labels.mp4"}
    for name in names(tmp_path / "out"):
        assert len(list(VideoFile(tmp_path / "out" / name))) == 3


def test_a_camera_that_sends_nothing(fuse, tmp_path, monkeypatch):
    monkeypatch.setattr(cv2, "VideoCapture", FakeCapture)
    monkeypatch.setattr(FakeCapture, "count", 0)
    monkeypatch.chdir(tmp_path)
    code, out, err = fuse("0", "1", "-o", "out")
    assert (code, out, len(err)) == (2, "", 1)
    assert "camera 0 stopped sending frames before the first frame" in err[0]
    assert names(tmp_path / "out") == set()


def test_cameras_faster_than_the_network_lose_frames_and_say_how_many(fuse, tmp_path, monkeypatch):
    monkeypatch.setattr(cv2, "VideoCapture", FakeCapture)
    monkeypatch.setattr(FakeCapture, "pace", 0.002)
    monkeypatch.setattr(FakeCapture, "count", 10_000)
    monkeypatch.setattr(FakeCapture, "retrieve", lambda c: (True, np.full((48, 64), c.number % 250, np.uint8)))
    monkeypatch.chdir(tmp_path)
    run = Model._run
    monkeypatch.setattr(Model, "_run", lambda *a: (time.sleep(0.1), run(*a))[1])
    code, _, err = fuse("0", "1", "-o", "out", "--limit", 5, "--max-latency", 60)
    assert code == 0
    said = [line for line in err if "dropped" in line]
    assert len(said) == 1
    assert "because fusing is slower than the cameras" in said[0]
    assert "older than 60 ms" in said[0]
    times = [seconds for seconds, _ in VideoFile(tmp_path / "out" / "camera_fused.mp4")]
    assert len(times) == 5
    assert times[-1] > 0.3, "frames keep their times"


def test_flicker_is_measured_and_labels_stabilised(fuse, tmp_path):
    rng = np.random.default_rng(0)
    still = {"i": scene()[0][..., None].repeat(3, axis=2), "v": scene()[1]}
    for name, picture in still.items():
        with VideoWriter(tmp_path / f"{name}.mp4", Fraction(25)) as writer:
            for _ in range(6):
                writer.write(np.clip(picture + rng.normal(0, 5, picture.shape), 0, 255).astype(np.uint8))
    shares = []
    for options in ((), ("--stabilise",)):
        code, out, _ = fuse(tmp_path / "i.mp4", tmp_path / "v.mp4", "-o", tmp_path / "out", "--flicker", *options)
        assert code == 0
        line = next(line for line in out.splitlines() if line.startswith("flicker: "))
        assert "grey levels (infrared " in line
        shares.append(float(line.partition("labels change at ")[2].partition("%")[0]))
    assert shares[1] < shares[0]


def test_ctrl_c_is_how_a_recording_ends(fuse, tmp_path, monkeypatch):
    monkeypatch.setattr(cv2, "VideoCapture", FakeCapture)
    monkeypatch.setattr(FakeCapture, "count", 1000)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(Model, "_run", interrupted_at(3))
    assert fuse("0", "1", "-o", "out")[0] == 130
    assert len(list(VideoFile(tmp_path / "out" / "camera_fused.mp4"))) == 2
    monkeypatch.setattr(Model, "_run", interrupted_at(1))
    assert fuse("0", "1", "-o", "none")[0] == 130
    assert names(tmp_path / "none") == set()


# --- what works, with a warning --------------------------------------------------------------------------------------


def test_sizes_that_differ_are_resampled_with_a_warning(fuse, pair, tmp_path):
    io.write_image(pair[0], scene(32, 40)[0])
    code, _, err = fuse(*pair, "-o", tmp_path / "out")
    assert code == 0
    assert err == ["segmif: warning: vis: infrared resampled from 40x32 to the visible picture's 80x64"]
    assert io.read_image(tmp_path / "out" / "vis_fused.png").shape == (64, 80, 3)


def test_all_black_infrared_works_with_a_warning(fuse, pair, tmp_path):
    io.write_image(pair[0], np.zeros((64, 80), np.uint8))
    code, _, err = fuse(*pair, "-o", tmp_path / "out")
    assert code == 0
    assert len(err) == 1
    assert "infrared picture is all black" in err[0]


def test_a_warning_that_holds_for_many_pairs_is_said_twice(fuse, tmp_path):
    folders = make_folders(tmp_path, 4)
    for path in folders[0].iterdir():
        io.write_image(path, np.zeros((64, 80), np.uint8))
    _, _, err = fuse(*folders, "-o", tmp_path / "out")
    assert len(err) == 2
    assert err[1].startswith("segmif: warning: and 3 more: the infrared picture is all black")


def test_sixteen_bits_with_a_fourteen_bit_range(fuse, tmp_path):
    """A 14-bit pair in 16-bit files gives nearly the picture of its 8-bit version, not a black one."""
    infrared, visible = scene()
    io.write_image(tmp_path / "8" / "i.png", infrared)
    io.write_image(tmp_path / "8" / "v.png", visible)
    io.write_image(tmp_path / "16" / "i.tif", (infrared.astype(np.uint16) * 30 + 5000).astype(np.uint16))
    io.write_image(tmp_path / "16" / "v.tif", (visible.astype(np.uint16) * 64).astype(np.uint16))
    for bits, suffix in (("8", "png"), ("16", "tif")):
        folder = tmp_path / bits
        assert fuse(folder / f"i.{suffix}", folder / f"v.{suffix}", "-o", folder, "--guide", "visible")[0] == 0
    eight, sixteen = (io.read_image(tmp_path / bits / "v_fused.png").astype(float) for bits in ("8", "16"))
    assert np.corrcoef(eight.ravel(), sixteen.ravel())[0, 1] > 0.9


def test_alpha_palette_and_rotation(fuse, tmp_path):
    infrared, visible = scene(64, 80)
    Image.fromarray(infrared.T).save(tmp_path / "i.jpg", exif=_rotated(), quality=95)
    Image.fromarray(np.dstack([visible, infrared])).quantize(128).save(tmp_path / "v.png")
    code, _, err = fuse(tmp_path / "i.jpg", tmp_path / "v.png", "-o", tmp_path / "out")
    assert (code, err) == (0, [])
    assert io.read_image(tmp_path / "out" / "v_fused.png").shape == (64, 80, 3)


def _rotated() -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = 6
    return exif


# --- bad input: exit code 2 and one line ------------------------------------------------------------------------------


def truncated(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-2000])


def as_text(path: Path) -> None:
    path.write_text("this is text")


def one_pixel(path: Path) -> None:
    io.write_image(path, np.zeros((1, 1), np.uint8))


def other_shape(path: Path) -> None:
    io.write_image(path, np.full((80, 64), 9, np.uint8) + np.arange(64, dtype=np.uint8))


def with_nan(path: Path) -> None:
    array = np.zeros((64, 80), np.float32)
    array[3, 4] = np.nan
    Image.fromarray(array).save(path, "TIFF")


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (Path.unlink, "in.png: no such file"),
        (lambda p: p.write_bytes(b""), "in.png: the file is empty (0 bytes)"),
        (truncated, "in.png: is damaged or truncated"),
        (as_text, "in.png: is not a picture in a format we read"),
        (one_pixel, "the infrared picture is 1x1: both sides must be at least 32"),
        (other_shape, "do not show the same field of view"),
        (with_nan, "in.png: holds 1 NaN or infinite values"),
    ],
)
def test_bad_pictures(fuse, pair, tmp_path, spoil, message):
    spoil(pair[0])
    code, out, err = fuse(*pair, "-o", tmp_path / "out")
    assert (code, out) == (2, "")
    assert len(err) == 1
    assert err[0].startswith("segmif: ")
    assert message in err[0]
    assert not names(tmp_path / "out") if (tmp_path / "out").exists() else True


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("ir", "vis/0.png", "-o", "out"), "infrared is a folder"),
        (("ir", "ir", "-o", "out"), "are the same folder"),
        (("ir", "empty", "-o", "out"), "no pairs: ir holds 3 pictures"),
        (("ir", "vis", "-o", "out.png"), "is a file name, but there are 3 pairs"),
        (("ir/0.png", "vis/0.png", "-o", "vis/0.png"), "is one of the inputs"),
        (("ir/0.png", "vis/0.png", "-o", "ir/0.png/out"), "ir/0.png/out: cannot be written"),
        (("ir/0.png", "vis/0.png", "-o", "out", "--guide", "saliency"), "guide saliency: neither a file"),
        (("ir/0.png", "vis/0.png", "-o", "out", "--align"), "--align is not available"),
        (("ir", "vis"), "Missing option '-o' / '--out'"),
        (("ir", "vis", "-o", "out", "--limit", "0"), "Invalid value for '--limit'"),
        (("ir", "vis", "-o", "out", "--max-latency", "50"), "--max-latency is for cameras"),
        (("ir", "vis", "-o", "out", "--stabilise"), "--stabilise and --flicker are for videos"),
    ],
)
def test_requests_that_cannot_be_met(fuse, tmp_path, monkeypatch, arguments, message):
    make_folders(tmp_path)
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "segmif.rig.register", None)
    code, _, err = fuse(*arguments)
    assert code == 2
    assert len(err) == 1
    assert message in err[0]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--device", "toaster"), "device 'toaster' cannot be used here"),
        (("--dtype", "int3"), "unknown dtype 'int3'"),
        (("--model", "segmif-b99"), "unknown model 'segmif-b99'"),
    ],
)
def test_models_and_devices_that_are_not_there(pair, tmp_path, capsys, tiny, options, message):
    model = () if "--model" in options else ("--model", str(tiny))
    assert main(["fuse", *map(str, pair), "-o", str(tmp_path / "out"), *model, *options]) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert message in err


class Trap:
    """Unpickling this writes a file."""

    def __init__(self, proof: Path) -> None:
        self.proof = proof

    def __reduce__(self):
        return Path.write_text, (self.proof, "code ran")


def test_a_strangers_pickle_as_model_runs_no_code(fuse, pair, tmp_path):
    (tmp_path / "model.pth").write_bytes(pickle.dumps(Trap(tmp_path / "proof")))
    code, _, err = fuse(*pair, "-o", tmp_path / "out", model=tmp_path / "model.pth")
    assert code == 2
    assert len(err) == 1
    assert "may carry code and are not opened" in err[0]
    assert not (tmp_path / "proof").exists()


def test_good_pairs_are_written_and_bad_ones_listed(fuse, tmp_path):
    folders = make_folders(tmp_path, 4)
    as_text(folders[0] / "1.png")
    one_pixel(folders[1] / "2.png")
    code, out, err = fuse(*folders, "-o", tmp_path / "out")
    assert code == 1
    assert "2 pairs fused" in out
    assert "2 failed" in out
    assert len(err) == 2
    assert err[0].startswith("segmif: left out 1: ")
    assert "the visible picture is 1x1" in err[1]
    assert names(tmp_path / "out") == {f"{i}_{o}.png" for i in (0, 3) for o in PNG}


def test_nothing_but_bad_pairs_is_an_error(fuse, tmp_path):
    folders = make_folders(tmp_path, 2)
    for path in folders[0].iterdir():
        as_text(path)
    code, out, err = fuse(*folders, "-o", tmp_path / "out")
    assert (code, out) == (2, "")
    assert "none of the 2 pairs could be fused; the first is 0" in err[-1]


def test_a_full_disk_stops_the_work_and_keeps_what_is_finished(fuse, tmp_path, monkeypatch):
    folders, written = make_folders(tmp_path, 6), []
    fsync = os.fsync

    def fill_up(file: int) -> None:
        written.append(file)
        if len(written) > 3:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        fsync(file)

    monkeypatch.setattr(os, "fsync", fill_up)
    code, _, err = fuse(*folders, "-o", tmp_path / "out")
    assert code == 2
    assert "cannot be written (No space left on device); free space" in err[-1]
    kept = names(tmp_path / "out")
    assert len(kept) == 3
    assert all(not name.startswith(".") for name in kept)


def test_ctrl_c_keeps_what_is_computed(fuse, tmp_path, monkeypatch):
    folders, run = make_folders(tmp_path, 5), Model._run
    monkeypatch.setattr(Model, "_run", interrupted_at(3))
    code, _, err = fuse(*folders, "-o", tmp_path / "out")
    assert code == 130
    assert "stopped by Ctrl-C" in err[-1]
    assert names(tmp_path / "out") == {f"{i}_{o}.png" for i in range(2) for o in PNG}
    monkeypatch.setattr(Model, "_run", run)
    assert "3 pairs fused" in fuse(*folders, "-o", tmp_path / "out", "--resume")[1]


def test_ctrl_c_in_a_video_keeps_the_frames(fuse, tmp_path, monkeypatch):
    write_video(tmp_path / "i.mp4", [20] * 5)
    write_video(tmp_path / "v.mp4", [200] * 5)
    monkeypatch.setattr(Model, "_run", interrupted_at(3))
    assert fuse(tmp_path / "i.mp4", tmp_path / "v.mp4", "-o", tmp_path / "out")[0] == 130
    assert names(tmp_path / "out") == {"v_fused_partial.mp4", "v_labels_partial.mp4"}
    assert len(list(VideoFile(tmp_path / "out" / "v_fused_partial.mp4"))) == 2


def test_align_registers_the_infrared_and_says_where_it_cannot(fuse, tmp_path):
    visible = synthetic_scene(3, size=(120, 160)).visible
    infrared = synthetic_scene(3, size=(120, 160)).infrared
    for name, picture in (("aligned", infrared), ("moved", np.roll(infrared, 8, axis=1)), ("dark", infrared[:, ::-1])):
        io.write_image(tmp_path / "ir" / f"{name}.png", np.ascontiguousarray(picture))
        io.write_image(tmp_path / "vis" / f"{name}.png", visible)
    code, _, err = fuse(tmp_path / "ir", tmp_path / "vis", "-o", tmp_path / "out", "--align")
    assert code == 0
    notes = [line for line in err if "warning" in line]
    assert len(notes) == 1
    assert notes[0].startswith("segmif: warning: dark: not aligned: registration refused: too few edges in common")
    fuse(tmp_path / "ir", tmp_path / "vis", "-o", tmp_path / "plain")
    fused = {
        (folder, name): io.read_image(tmp_path / folder / f"{name}_fused.png")[20:-20, 20:-20].astype(int)
        for folder in ("out", "plain") for name in ("aligned", "moved", "dark")
    }  # fmt: skip
    np.testing.assert_array_equal(fused["out", "dark"], fused["plain", "dark"])
    np.testing.assert_array_equal(fused["out", "aligned"], fused["plain", "aligned"])
    apart = np.abs(fused["plain", "moved"] - fused["plain", "aligned"]).mean()
    assert np.abs(fused["out", "moved"] - fused["plain", "aligned"]).mean() < 0.5 * apart


# --- as a program -----------------------------------------------------------------------------------------------------


def start(*arguments: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", "import sys; from segmif.cli import main; sys.exit(main())", "fuse"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [*command, *map(str, arguments)],
        text=True,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def test_a_program_stopped_by_ctrl_c_in_the_middle_of_a_folder(tiny, tmp_path):
    folders, out = make_folders(tmp_path, 200), tmp_path / "out"
    program = start(*folders, "-o", out, "--model", tiny, "--device", "cpu")
    deadline = time.monotonic() + 60
    while not list(out.glob("*_labels.png")) and program.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    program.send_signal(signal.SIGINT)
    _, err = program.communicate(timeout=60)
    assert program.returncode == 130
    assert "Traceback" not in err
    assert err.strip().splitlines()[-1].startswith("segmif: stopped by Ctrl-C")
    kept = names(out)
    assert 2 <= len(kept) < 400
    assert all(not name.startswith(".") for name in kept)
    for name in sorted(kept)[:4]:
        io.read_image(out / name)


def test_a_program_with_a_damaged_picture(pair, tmp_path, tiny):
    truncated(pair[1])
    program = start(*pair, "-o", tmp_path / "out", "--model", tiny)
    out, err = program.communicate(timeout=60)
    assert (program.returncode, out) == (2, "")
    assert len(err.splitlines()) == 1
    assert "vis.png: is damaged or truncated" in err
