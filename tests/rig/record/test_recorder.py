"""Recordings on disk: complete after every kind of end, and read by the rest of the package."""

import errno
import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest

from segmif import io
from segmif.checks import InputError
from segmif.cli import main
from segmif.pairing import pair_by_stem
from segmif.rig.record import manifest as manifest_module
from segmif.rig.record.display import stretch
from segmif.rig.record.manifest import MANIFEST, Manifest, read_manifest, verify
from segmif.rig.record.preview import Preview
from segmif.rig.record.recorder import Recorder
from segmif.rig.record.schedule import parse_schedule
from segmif.rig.record.settings import RecordConfig
from segmif.rig.record.simulate import SimulatedCamera, SimulatedRig, simulated
from segmif.rig.record.writer import Budget, DiskFull, Formats, PairWriter

SIZE = (64, 80)
RIG = SimulatedRig(seed=0, seconds=14, size=SIZE)
QUICK = RecordConfig(sync=0.0, clock="stamps", tolerance=0.04, rate=2.0)


def record(out: Path, rig: SimulatedRig = RIG, config: RecordConfig = QUICK, **more):
    return Recorder(lambda: rig.open("infrared"), lambda: rig.open("visible"), out, config, **more).run()


def records(out: Path) -> list[dict]:
    return read_manifest(out / MANIFEST)[0]


def test_a_recording(tmp_path):
    said: list[str] = []
    shown: list[object] = []
    viewer = type("Viewer", (), {"show": lambda self, *pair: shown.append(pair), "tell": lambda self, line: None})()
    config = RecordConfig(duration=2.0, rate=5.0)
    summary = record(tmp_path, config=config, say=said.append, viewer=viewer)
    assert (summary.code, summary.reason) == (0, "2 s are over")
    assert summary.offset.origin == "motion"
    assert abs(summary.offset.offset - RIG.offset()) < 0.02
    assert said[0].startswith("infrared is ahead by ")
    lines = records(tmp_path)
    assert len(lines) == summary.written == len(shown) == pytest.approx(10, abs=1)
    assert verify(tmp_path) == []
    first = lines[0]
    raw = io.read_image(tmp_path / first["infrared"])
    assert raw.dtype == np.uint16
    assert raw.shape == SIZE
    np.testing.assert_array_equal(io.read_image(tmp_path / first["display"]), stretch(raw, "percentile"))
    assert max(abs(line["difference_ms"]) for line in lines) <= 20
    assert first["visible_time"].startswith("2025-06-15T15:06:")
    assert (first["infrared_temperature_c"], first["visible_exposure_ms"]) == (31.5, 8.0)
    facts = json.loads((tmp_path / "recording.json").read_text())
    run = facts["runs"][0]
    assert facts["pairs"] == len(lines)
    assert run["infrared"]["missing"] > 0
    assert run["infrared"]["rate"] == pytest.approx(25, abs=0.1)
    assert len(pair_by_stem(tmp_path / "Infrared", tmp_path / "Visible").pairs) == len(lines)


def test_recorded_material_is_paired_from_its_first_frame(tmp_path):
    """The clocks are measured on it first, and then it is read again."""
    opened: list[str] = []

    def open_(band):
        opened.append(band)
        return RIG.open(band)

    config = RecordConfig(sync=8.0, rate=2.0)
    said: list[str] = []
    summary = Recorder(
        lambda: open_("infrared"), lambda: open_("visible"), tmp_path, config, say=said.append
    ).run()  # fmt: skip
    assert opened == ["infrared", "visible"] * 2
    assert summary.offset.origin == "motion"
    lines = records(tmp_path)
    assert {line["offset_origin"] for line in lines} == {"motion"}
    assert len(lines) == pytest.approx(2 * RIG.seconds, abs=1)
    first = datetime.fromisoformat(lines[0]["visible_time"]).timestamp() - RIG.start
    assert 0 <= first < 0.1
    # Accounts count every frame once.
    for track, camera in ((summary.infrared, RIG.infrared), (summary.visible, RIG.visible)):
        assert track.drops.received + track.drops.missing == pytest.approx(RIG.seconds * camera.rate, abs=4)
    assert sum("ahead" in line for line in said) == 1


def test_material_shorter_than_the_watch_is_recorded_whole(tmp_path):
    summary = record(tmp_path, replace(RIG, seconds=6.0), RecordConfig(rate=2.0))
    assert summary.offset.origin == "motion"
    assert summary.pairs == pytest.approx(12, abs=1)
    said: list[str] = []
    still = record(tmp_path / "b", replace(RIG, seconds=2.0), RecordConfig(rate=2.0), say=said.append)
    assert still.pairs == pytest.approx(4, abs=1)
    assert said[0].startswith("warning: the offset of the clocks is not known")


def test_what_goes_wrong_while_the_clocks_are_measured_is_told_once(tmp_path):
    config = RecordConfig(rate=2.0)
    summary = record(tmp_path / "dead", replace(RIG, visible=replace(RIG.visible, dies_at=5.0)), config)
    assert (summary.code, summary.written) == (1, pytest.approx(10, abs=1))
    with pytest.raises(InputError, match="swap the two sources"):
        Recorder(lambda: RIG.open("visible"), lambda: RIG.open("infrared"), tmp_path / "swapped", config).run()
    fast = replace(RIG, visible=replace(RIG.visible, clock_drift=0.004, jitter=0, latency=0, stamp_jitter=0))
    stopped = Recorder(lambda: fast.open("infrared"), lambda: fast.open("visible"), tmp_path / "stopped", config)
    stopped.stop("enough")
    assert stopped.run().reason == "enough"


def test_corrected_times_meet(tmp_path):
    """With the offset known, pairs show the same true moment to within the tolerance, by the simulation's own truth."""
    record(tmp_path, config=replace(QUICK, offset=RIG.offset(), tolerance=0.02))
    for line in records(tmp_path):
        infrared, visible = line["infrared_stamp"], line["visible_stamp"]
        true = [
            (stamp - camera.clock_offset) / (1 + camera.clock_drift)
            for stamp, camera in ((infrared, RIG.infrared), (visible, RIG.visible))
        ]
        assert true[0] - true[1] == pytest.approx(line["difference_ms"] / 1000, abs=0.004)


def test_resume_goes_on_and_refuses_to_mix(tmp_path):
    record(tmp_path, config=replace(QUICK, pairs=4))
    with pytest.raises(InputError, match="already holds a recording of 4 pairs; go on with --resume"):
        record(tmp_path)
    (tmp_path / "Visible" / "000005.png").write_bytes(b"half")
    (tmp_path / "Infrared" / ".000005.1-2.tmp.png").write_bytes(b"half")
    with (tmp_path / MANIFEST).open("ab") as file:
        file.write(b'{"name": "000005", "infr')
    (tmp_path / "Display" / "000002.png").unlink()
    said: list[str] = []
    summary = record(tmp_path, config=replace(QUICK, pairs=7, resume=True), say=said.append)
    assert (summary.written, summary.pairs) == (3, 7)
    assert [line["name"] for line in records(tmp_path)] == [f"{n:06d}" for n in range(1, 8)]
    assert verify(tmp_path) == ["Display/000002.png: No such file or directory"]
    assert said[:2] == [
        "removed 2 unfinished files of an interrupted recording",
        "warning: 1 files of earlier pairs are missing or changed (first: Display/000002.png)",
    ]
    assert len(json.loads((tmp_path / "recording.json").read_text())["runs"]) == 2


def test_files_of_others_are_left_alone(tmp_path):
    io.write_bytes(tmp_path / "Infrared" / "000001.png", b"precious")
    with pytest.raises(InputError, match="holds files but there is no manifest"):
        record(tmp_path, config=replace(QUICK, resume=True))
    assert (tmp_path / "Infrared" / "000001.png").read_bytes() == b"precious"


def test_a_line_torn_anywhere_is_cut_off(tmp_path):
    record(tmp_path, config=replace(QUICK, pairs=2))
    path = tmp_path / MANIFEST
    whole = path.read_bytes()
    start = whole.index(b"\n") + 1
    for end in [*range(start, len(whole), 13), len(whole) - 1]:
        path.write_bytes(whole[:end])
        found, length = read_manifest(path)
        assert (len(found), length) == (1, start)
    path.write_bytes(b"broken\n" + whole)
    with pytest.raises(InputError, match="line 1 is no record"):
        read_manifest(path)


def test_two_recorders_do_not_share_a_folder(tmp_path):
    with Manifest(tmp_path, resume=False), pytest.raises(InputError, match="another recording is writing it"):
        Manifest(tmp_path, resume=True)


_CHILD = """
import sys
from tests.rig.record.test_recorder import QUICK, RIG, record
from dataclasses import replace
from pathlib import Path
import os, time
print("ready", flush=True)
for line in sys.stdin:
    child = os.fork()
    if not child:
        record(Path(line.strip()), config=replace(QUICK, resume=True, rate=None))
        os._exit(0)
    print(child, flush=True)
    os.waitpid(child, 0)
    print("over", flush=True)
"""


def test_kill_9_at_random_moments_leaves_whole_pairs(tmp_path):
    """One process imports everything; its forks record, are killed, and the next one goes on."""
    root = Path(__file__).parents[3]
    environment = {**os.environ, "PYTHONPATH": f"{root}:{root / 'src'}", "OMP_NUM_THREADS": "1"}
    parent = subprocess.Popen(
        [sys.executable, "-c", _CHILD], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    )
    rng = np.random.default_rng(0)
    try:
        assert parent.stdout.readline() == "ready\n"
        counts = [0]
        for _ in range(5):
            parent.stdin.write(f"{tmp_path}\n")
            parent.stdin.flush()
            child = int(parent.stdout.readline())
            while len(records(tmp_path)) <= counts[-1]:
                time.sleep(0.002)
            time.sleep(rng.uniform(0, 0.05))
            os.kill(child, signal.SIGKILL)
            assert parent.stdout.readline() == "over\n"
            assert verify(tmp_path) == []
            counts.append(len(records(tmp_path)))
    finally:
        parent.stdin.close()
        parent.wait(30)
    assert counts == sorted(set(counts))
    PairWriter(tmp_path, formats=Formats(), budget=Budget(), resume=True).close()
    known = {line[key] for line in records(tmp_path) for key in ("infrared", "visible", "display")}
    there = {str(p.relative_to(tmp_path)) for p in tmp_path.glob("*/*")}
    assert there == known


def test_disk_budget_is_kept(tmp_path):
    summary = record(tmp_path, config=replace(QUICK, budget=Budget(most=60_000, keep_free=0)))
    used = sum(path.stat().st_size for path in tmp_path.glob("*/*.png"))
    assert summary.code == 0
    assert "the budget of 60 kB (--max-disk) is used up" in summary.reason
    assert 30_000 < used <= 60_000
    assert verify(tmp_path) == []


def test_free_space_is_kept(tmp_path):
    writer = PairWriter(
        tmp_path, formats=Formats(), budget=Budget(keep_free=1000), resume=False, free=lambda path: 1500
    )
    summary = record(tmp_path, writer=writer)
    assert (summary.code, summary.pairs) == (1, 0)
    assert "only 2 kB free on the disk, 1 kB are to stay free" in summary.reason


@pytest.mark.parametrize("when", [1, 2, 3, "manifest"])
def test_a_full_disk_leaves_no_half_pair(tmp_path, monkeypatch, when):
    writer = PairWriter(tmp_path, formats=Formats(), budget=Budget(keep_free=0), resume=False)
    picture = np.zeros(SIZE, np.uint8)
    writer.write(picture, picture, {})
    calls = []

    def full(*_):
        calls.append(1)
        if len(calls) == when:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    if when == "manifest":
        monkeypatch.setattr(manifest_module.os, "pwrite", lambda file, line, at: len(line) // 2)
    else:
        monkeypatch.setattr(io.os, "fsync", full)
    with pytest.raises(DiskFull, match="No space left on device"):
        writer.write(picture, picture, {})
    monkeypatch.undo()
    assert sorted(p.name for p in tmp_path.glob("*/*")) == ["000001.png"] * 3
    writer.write(picture, picture, {})
    writer.close()
    assert [line["name"] for line in records(tmp_path)] == ["000001", "000002"]
    assert verify(tmp_path) == []


def test_a_camera_that_dies_ends_the_recording_cleanly(tmp_path):
    rig = replace(RIG, visible=replace(RIG.visible, dies_at=3.0))
    summary = record(tmp_path, rig)
    assert summary.code == 1
    assert summary.reason == "the visible simulated camera sends nothing any more (unplugged by the simulation)"
    assert summary.written == pytest.approx(6, abs=1)
    assert verify(tmp_path) == []


def test_clocks_that_cannot_be_brought_together_are_refused(tmp_path):
    plain = SimulatedCamera(stamps=False, numbers=False)
    far = SimulatedRig(seconds=14, size=SIZE, infrared=plain, visible=replace(plain, latency=8.0))
    with pytest.raises(InputError, match=r"clocks are not synchronised: of .* no two lie within 20 ms"):
        record(tmp_path / "a", replace(far, seconds=1.0), replace(QUICK, tolerance=0.02, offset=7.0))
    still = replace(RIG, moving=False)
    with pytest.raises(InputError, match="motion does not tell the offset"):
        record(tmp_path / "b", still, RecordConfig(clock="motion", sync=5.0))
    said: list[str] = []
    assert record(tmp_path / "c", still, RecordConfig(sync=5.0, pairs=2), say=said.append).pairs == 2
    assert said[0].startswith("warning: the offset of the clocks is not known (too little motion")
    assert not records(tmp_path / "a")
    assert not records(tmp_path / "b")


def test_schedule_and_quota(tmp_path):
    config = replace(QUICK, schedule=parse_schedule("day every 1s max 3", place=(52.5, 13.4)))
    summary = record(tmp_path, config=config)
    assert summary.reason == "every window of the schedule has its pairs"
    lines = records(tmp_path)
    assert [line["window"] for line in lines] == ["day"] * 3
    assert lines[0]["sun_elevation"] == pytest.approx(34, abs=6)
    stamps = np.diff([line["visible_stamp"] for line in lines])
    np.testing.assert_allclose(stamps, 1.0, atol=0.1)
    night = replace(QUICK, schedule=parse_schedule("night", place=(52.5, 13.4)))
    assert record(tmp_path / "night", config=night).pairs == 0


def test_swapped_cameras_are_refused(tmp_path):
    with pytest.raises(InputError, match="swap the two sources"):
        Recorder(lambda: RIG.open("visible"), lambda: RIG.open("infrared"), tmp_path, QUICK).run()


def test_stretches():
    counts = np.linspace(20000, 24000, 64 * 64).reshape(64, 64).astype(np.uint16)
    for kind in ("percentile", "clahe"):
        shown = stretch(counts, kind)
        assert shown.dtype == np.uint8
        assert shown.max() - shown.min() > 200
    assert stretch(np.full((8, 8), 7, np.uint8), "percentile").max() == 0
    with pytest.raises(InputError, match="unknown stretch"):
        stretch(counts, "gamma")


def test_preview_serves_the_newest_pair():
    preview = Preview(0)
    try:

        def get(path: str) -> bytes:
            with urllib.request.urlopen(preview.address + path, timeout=5) as answer:
                return answer.read()

        assert b"<img" in get("")
        preview.show(RIG.view("infrared", 0.0), RIG.view("visible", 0.0))
        preview.tell("3 pairs")
        picture = io.decode_image(get("snapshot.jpg"))
        assert picture.shape == (360, 904, 3)
        assert json.loads(get("status.json"))["line"] == "3 pairs"
        with urllib.request.urlopen(preview.address + "stream", timeout=5) as stream:
            assert stream.readline() == b"--segmif-frame\r\n"
        with pytest.raises(urllib.error.HTTPError):
            get("secret")
        with pytest.raises(InputError, match="cannot be had"):
            Preview(int(preview.address.rsplit(":", 1)[1].strip("/")))
    finally:
        preview.close()


def test_simulated_labels_fit_the_picture():
    labels = RIG.labels(1.0)
    assert labels.shape == SIZE
    assert labels.dtype == np.uint8
    assert len(np.unique(labels)) > 3
    assert not np.array_equal(labels, RIG.labels(1.5))
    frozen = replace(RIG, infrared=replace(RIG.infrared, shutter_every=1.0, drops=0.0)).open("infrared")
    pictures = [frozen.read().image.astype(int) for _ in range(32)]
    assert np.abs(pictures[27] - pictures[30]).mean() < np.abs(pictures[15] - pictures[18]).mean()
    assert simulated("simulate:7").seed == 7
    with pytest.raises(InputError, match="seed must be a number"):
        simulated("simulate:x")


def cli(capsys, *arguments: object) -> tuple[int, str, str]:
    code = main(["rig", "record", *map(str, arguments)])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_command(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("segmif.rig.record.simulate.SimulatedRig.size", SIZE)
    folder = tmp_path / "rec"
    options = ["--simulate", "-o", folder, "--sync", "0", "--clock", "stamps", "--tolerance-ms", "40"]
    code, out, err = cli(capsys, *options, "--pairs", 2, "--preview", 0, "--visible-format", "jpg", "--parquet")
    assert code == 0
    assert out.startswith("2 pairs, infrared ahead by +0.0 ms (stamps); infrared ")
    assert err.startswith("segmif: preview: http://127.0.0.1:")
    assert (folder / "Visible" / "000001.jpg").is_file()
    parquet = pytest.importorskip("pyarrow.parquet")
    assert parquet.read_table(folder / "manifest.parquet").column("name").to_pylist() == ["000001", "000002"]
    assert cli(capsys, *options, "--pairs", 3, "--resume")[1].startswith("3 pairs (2 from before)")


def test_folders_of_pictures_from_the_first_on(tmp_path, capsys):
    """Raw thermal and colour pictures with times of their own, the thermal clock 0.3 s ahead."""
    rig = replace(RIG, seconds=7.0)
    for band, rate, ahead in (("infrared", 20.0, 0.3), ("visible", 25.0, 0.0)):
        times = np.arange(0.0, rig.seconds, 1 / rate)
        for when in times:
            io.write_image(tmp_path / band / f"{1_750_000_000 + when + ahead:.4f}.png", rig.view(band, float(when)))
    sources = ["--infrared", tmp_path / "infrared", "--visible", tmp_path / "visible"]
    code, out, err = cli(capsys, *sources, "-o", tmp_path / "rec", "--rate", 3, "--tolerance-ms", 26)
    assert code == 0, err
    assert abs(float(re.search(r"ahead by \+([\d.]+) ± [\d.]+ ms", out)[1]) - 300) < 5
    assert int(out.split(" pairs")[0]) == pytest.approx(21, abs=1)
    assert "from motion" in err
    lines = records(tmp_path / "rec")
    assert lines[0]["visible_time"].startswith("2025-06-15T15:06:40.0")
    raw = io.read_image(tmp_path / "rec" / lines[0]["infrared"])
    assert raw.dtype == np.uint16
    assert any(np.array_equal(raw, io.read_image(path)) for path in sorted((tmp_path / "infrared").iterdir())[:2])


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Two seconds of a rig as folders of pictures with times: infrared (raw), visible, and visible an hour later."""
    root = tmp_path_factory.mktemp("recorded")
    for when in np.arange(0.0, 2.0, 0.1):
        infrared, visible = RIG.view("infrared", float(when)), RIG.view("visible", float(when))
        io.write_image(root / "infrared" / f"{1_750_000_000 + when:.3f}.png", infrared)
        io.write_image(root / "visible" / f"{1_750_000_000 + when:.3f}.png", visible)
        io.write_image(root / "later" / f"{1_750_003_600 + when:.3f}.png", visible)
        io.write_image(root / "dying" / f"{1_750_000_000 + when:.3f}.png", visible)
    (root / "dying" / f"{1_750_000_001:.3f}.png").write_bytes(b"\x89PNG cut off")
    return root


def test_clocks_an_hour_apart_are_refused_in_one_line(tmp_path, capsys, folders):
    sources = ["--infrared", folders / "infrared", "--visible", folders / "later"]
    code, out, err = cli(capsys, *sources, "-o", tmp_path / "rec")
    assert (code, out) == (2, "")
    last = err.splitlines()[-1]
    assert "the clocks are not synchronised: of 20 infrared frames" in last
    assert "give --offset SECONDS" in last
    assert not list(tmp_path.glob("rec/*/*"))
    code, out, _ = cli(capsys, *sources, "-o", tmp_path / "known", "--offset", -3600)
    assert code == 0
    assert out.startswith("20 pairs")


def test_a_camera_that_dies_leaves_all_pairs_before(tmp_path, capsys, folders):
    sources = ["--infrared", folders / "infrared", "--visible", folders / "dying"]
    code, out, err = cli(capsys, *sources, "-o", tmp_path)
    assert code == 1
    assert out.startswith("10 pairs")
    assert "segmif: stopped: the visible " in err.splitlines()[-1]
    assert "10 pairs are complete" in err.splitlines()[-1]
    assert verify(tmp_path) == []


def test_swapped_sources_write_nothing(tmp_path, capsys, folders):
    sources = ["--infrared", folders / "visible", "--visible", folders / "infrared"]
    code, _, err = cli(capsys, *sources, "-o", tmp_path / "rec")
    assert code == 2
    assert "the visible source sends 16-bit grey, as thermal cameras do: swap the two sources" in err.splitlines()[-1]
    assert not list(tmp_path.glob("rec/*/*"))


def test_a_full_disk_ends_with_what_is_complete(tmp_path, capsys, folders, monkeypatch):
    sources = ["--infrared", folders / "infrared", "--visible", folders / "visible"]
    code, out, err = cli(capsys, *sources, "-o", tmp_path / "small", "--keep-free", "100000TB")
    assert code == 1
    assert "(--keep-free); free space and go on with --resume; 0 pairs are complete" in err
    written, sync = [], os.fsync

    def full(file: int) -> None:
        written.append(file)
        if len(written) > 40:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        sync(file)

    monkeypatch.setattr(io.os, "fsync", full)
    code, out, err = cli(capsys, *sources, "-o", tmp_path / "full")
    monkeypatch.undo()
    assert code == 1
    assert "cannot be written any more (No space left on device); free space and go on with --resume" in err
    complete = int(out.split(" pairs")[0])
    assert 0 < complete < 20
    assert verify(tmp_path / "full") == []
    assert len(list(tmp_path.glob("full/Visible/*"))) == complete
    assert cli(capsys, *sources, "-o", tmp_path / "full", "--resume")[0] == 0
    assert verify(tmp_path / "full") == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "give both cameras"),
        (["--visible", "0"], "give both cameras"),
        (["--visible", "0", "--infrared", "0"], "are the same source"),
        (["--simulate", "--visible", "0"], "takes no sources"),
        (["--simulate", "--clock", "sundial"], "unknown clock 'sundial'"),
        (["--simulate", "--stretch", "x"], "unknown stretch"),
        (["--simulate", "--visible-format", "gif"], "unknown visible format"),
        (["--simulate", "--prefix", "a/b"], "cannot be in a file"),
        (["--simulate", "--tolerance-ms", "-1"], "tolerance is -1: must be above 0"),
        (["--simulate", "--duration", "long"], "no length of time"),
        (["--visible", "none.mp4", "--infrared", "1"], "none.mp4: no such camera, file or folder"),
    ],
)
def test_mistakes_are_one_line(tmp_path, capsys, options, message):
    code, _, err = cli(capsys, "-o", tmp_path / "o", *options)
    assert code == 2
    assert message in err
    assert err.count("\n") == 1


def test_recorded_material_goes_on_where_it_was(tmp_path):
    """It is read from its beginning again: pairs that are there stay, and none is written twice."""
    record(tmp_path / "whole", config=replace(QUICK, rate=5.0))
    count = len(records(tmp_path / "whole"))
    record(tmp_path / "cut", config=replace(QUICK, rate=5.0, pairs=3))
    (tmp_path / "cut" / "recording.json").unlink()
    summary = record(tmp_path / "cut", config=replace(QUICK, rate=5.0, resume=True))
    assert (summary.written, summary.pairs) == (count - 3, count)
    again = record(tmp_path / "cut", config=replace(QUICK, rate=5.0, resume=True))
    assert (again.written, again.pairs) == (0, count)
    assert records(tmp_path / "cut") == records(tmp_path / "whole")
    assert verify(tmp_path / "cut") == []
    assert [run["pairs"] for run in json.loads((tmp_path / "cut" / "recording.json").read_text())["runs"]] == [
        count - 3,
        0,
    ]


def test_a_finished_recording_is_not_exceeded(tmp_path):
    other = SimulatedRig(seed=1, seconds=14, size=SIZE)  # as from a camera, nothing comes twice
    record(tmp_path, config=replace(QUICK, pairs=3))
    summary = record(tmp_path, other, config=replace(QUICK, pairs=3, resume=True))
    assert (summary.reason, summary.written, summary.pairs) == ("all 3 pairs are there", 0, 3)
    quota = replace(QUICK, schedule=parse_schedule("day every 1s max 2", place=(52.5, 13.4)))
    record(tmp_path / "quota", config=quota)
    summary = record(tmp_path / "quota", other, config=replace(quota, resume=True))
    assert (summary.reason, summary.written) == ("every window of the schedule has its pairs", 0)
