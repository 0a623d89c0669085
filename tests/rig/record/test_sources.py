"""Sources: files, USB, network and GenICam cameras, and the feed that joins two of them."""

import sys
import threading
import types
from fractions import Fraction
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import cv2
import numpy as np
import pytest

from segmif import io
from segmif.checks import InputError
from segmif.rig.record import cameras
from segmif.rig.record.addresses import find_source
from segmif.rig.record.cameras import NetworkCamera, UsbCamera
from segmif.rig.record.feed import LiveFeed
from segmif.rig.record.files import open_folder
from segmif.rig.record.frames import Frame, HostClock, Source, SourceLost
from segmif.rig.record.genicam import GenICamCamera, picture_of
from segmif.rig.record.recorder import Recorder
from segmif.rig.record.settings import RecordConfig
from segmif.video import VideoWriter


def times(source: Source) -> list[float]:
    found = []
    while (frame := source.read()) is not None:
        found.append(frame.host)
    source.close()
    return found


def write_pictures(folder, names):
    for number, name in enumerate(names):
        io.write_image(folder / f"{name}.png", np.full((8, 8), number, np.uint8))


def test_folders_tell_times_in_four_ways(tmp_path):
    write_pictures(tmp_path / "a", ["1750000000000", "1750000000040"])
    source = find_source(str(tmp_path / "a")).open()
    frame = source.read()
    assert (frame.host, frame.utc, frame.image[0, 0]) == (1750000000.0, 1750000000.0, 0)
    write_pictures(tmp_path / "b", ["x2", "x10"])
    assert times(find_source(f"{tmp_path / 'b'}?rate=25").open()) == [0.0, 0.04]
    (tmp_path / "b" / "timestamps.csv").write_text("name,seconds\nx10,0.5\nx2.png;0.7\n")
    assert times(open_folder(tmp_path / "b", None)) == [0.5, 0.7]
    (tmp_path / "b" / "timestamps.csv").write_text("x10,0.5\nx2,soon\n")
    with pytest.raises(InputError, match="line 2: 'soon'"):
        open_folder(tmp_path / "b", None)
    (tmp_path / "b" / "timestamps.csv").write_text("x10,0.5\nx2,0.5\n")
    with pytest.raises(InputError, match="the same time"):
        open_folder(tmp_path / "b", None)
    (tmp_path / "b" / "timestamps.csv").unlink()
    with pytest.raises(InputError, match="has no time"):
        open_folder(tmp_path / "b", None)
    with pytest.raises(InputError, match="holds no pictures"):
        open_folder(tmp_path, None)


def test_two_videos_become_pairs(tmp_path):
    rng = np.random.default_rng(0)
    for name in ("ir", "vis"):
        with VideoWriter(tmp_path / f"{name}.mp4", Fraction(10)) as video:
            for _ in range(8):
                video.write(rng.integers(0, 255, (48, 64, 3)).astype(np.uint8))
    sources = [find_source(str(tmp_path / f"{name}.mp4")).open for name in ("ir", "vis")]
    summary = Recorder(*sources, tmp_path / "out", RecordConfig(sync=0.0)).run()
    assert (summary.code, summary.written, summary.reason) == (0, 8, "the recorded material has ended")


def test_a_damaged_picture_ends_like_a_lost_camera(tmp_path):
    write_pictures(tmp_path, ["a", "b"])
    (tmp_path / "b.png").write_bytes(b"torn")
    source = open_folder(tmp_path, 5.0)
    source.read()
    with pytest.raises(SourceLost, match="is not a picture"):
        source.read()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("nowhere", "no such camera, file or folder"),
        ("0?colour=1", "unknown option of 0 'colour'"),
        ("0?rate=fast", "rate cannot be read"),
        ("0?size=640", "size cannot be read"),
    ],
)
def test_addresses_that_mean_nothing(text, message):
    with pytest.raises(InputError, match=message):
        find_source(text).open()


def test_a_file_that_is_no_video(tmp_path):
    (tmp_path / "notes.txt").write_text("x")
    with pytest.raises(InputError, match="no video by its name"):
        find_source(str(tmp_path / "notes.txt"))


class FakeCapture:
    """A UVC camera as OpenCV shows it."""

    def __init__(self, picture, *, opens=True, frames=6, stamps=True):
        self.picture, self.opens, self.frames, self.stamps = picture, opens, frames, stamps
        self.values = {cv2.CAP_PROP_EXPOSURE: 80.0, cv2.CAP_PROP_GAIN: 2.0}
        self.count = 0
        self.released = False

    def isOpened(self):
        return self.opens

    def set(self, key, value):
        self.values[key] = value

    def get(self, key):
        if key == cv2.CAP_PROP_POS_MSEC:
            return 1000.0 + 40 * self.count if self.stamps else 0.0
        return self.values.get(key, 0.0)

    def grab(self):
        self.count += 1
        return self.count <= self.frames

    def retrieve(self):
        return True, self.picture

    def release(self):
        self.released = True


def test_usb_camera(monkeypatch):
    capture = FakeCapture(np.zeros((4, 6, 3), np.uint8) + np.array([1, 2, 3], np.uint8))
    monkeypatch.setattr(cameras.cv2, "VideoCapture", lambda *_: capture)
    camera = find_source("/dev/video0?rate=30&size=6x4").open()
    frame = camera.read()
    assert frame.image[0, 0].tolist() == [3, 2, 1]
    assert (frame.device, frame.exposure_ms, frame.gain) == (pytest.approx(1.16), 8.0, 2.0)
    assert capture.values[cv2.CAP_PROP_FRAME_WIDTH] == 6
    camera.read()
    camera.read()
    with pytest.raises(SourceLost, match="sends nothing any more"):
        camera.read()
    camera.close()
    assert capture.released


def test_raw_thermal_usb_camera(monkeypatch):
    counts = np.arange(24, dtype=np.uint16).reshape(4, 6) + 20000
    capture = FakeCapture(counts.view(np.uint8).reshape(1, -1), stamps=False)
    monkeypatch.setattr(cameras.cv2, "VideoCapture", lambda *_: capture)
    frame = UsbCamera("1", pixel_format="Y16", size=(6, 4)).read()
    np.testing.assert_array_equal(frame.image, counts)
    assert frame.device is None
    assert capture.values[cv2.CAP_PROP_CONVERT_RGB] == 0
    monkeypatch.setattr(capture, "set", lambda key, value: None)
    capture.values[cv2.CAP_PROP_FOURCC] = 7
    with pytest.raises(InputError, match="does not give Y16"):
        UsbCamera("1", pixel_format="Y16")
    capture.opens = False
    with pytest.raises(InputError, match="cannot be opened"):
        UsbCamera("1")


def test_network_camera(tmp_path):
    with VideoWriter(tmp_path / "live.mkv", Fraction(10)) as video:
        for number in range(5):
            video.write(np.full((48, 64, 3), 40 * number, np.uint8))

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, format, *args):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(tmp_path)))
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        address = f"http://127.0.0.1:{server.server_address[1]}"
        camera = find_source(f"{address}/live.mkv").open()
        frames = [camera.read() for _ in range(5)]
        assert np.diff([frame.device for frame in frames]) == pytest.approx(0.1)
        assert frames[0].image.shape == (48, 64, 3)
        with pytest.raises(SourceLost, match="has ended the stream"):
            camera.read()
        camera.close()
        with pytest.raises(InputError, match="cannot be opened"):
            NetworkCamera(f"{address}/none.mkv")
    finally:
        server.shutdown()
        server.server_close()


class FakeBuffer:
    """What harvesters hands out."""

    timestamp, timestamp_frequency, frame_id = 5_000_000_000, 1_000_000_000, 12

    def __init__(self):
        part = types.SimpleNamespace(
            data=np.arange(12, dtype=np.uint16), height=3, width=4, data_format="Mono16", num_components_per_pixel=1.0
        )
        self.payload = types.SimpleNamespace(components=[part])

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.payload = None


@pytest.fixture
def harvesters(monkeypatch):
    """A module that speaks the documented interface of harvesters 1.4."""
    log: list[object] = []
    buffers: list[object] = [FakeBuffer(), None]

    class Camera:
        remote_device = types.SimpleNamespace(
            node_map=types.SimpleNamespace(
                ExposureTime=types.SimpleNamespace(value=5000.0), DeviceTemperature=types.SimpleNamespace(value=41.0)
            )
        )

        def start(self):
            log.append("start")

        def try_fetch(self, *, timeout):
            return buffers.pop(0)

        def stop(self):
            log.append("stop")

        def destroy(self):
            log.append("destroy")

    class Harvester:
        device_info_list = (types.SimpleNamespace(serial_number="A1"), types.SimpleNamespace(serial_number="B2"))

        def add_file(self, path):
            log.append(path)

        def update(self):
            pass

        def create(self, search):
            log.append(search)
            return Camera()

        def reset(self):
            log.append("reset")

    core = types.ModuleType("harvesters.core")
    core.Harvester = Harvester
    monkeypatch.setitem(sys.modules, "harvesters", types.ModuleType("harvesters"))
    monkeypatch.setitem(sys.modules, "harvesters.core", core)
    return types.SimpleNamespace(log=log, Harvester=Harvester)


def test_genicam_camera(harvesters, tmp_path, monkeypatch):
    camera = find_source("genicam:B2?cti=/opt/x.cti").open()
    frame = camera.read()
    assert (frame.image.dtype, frame.image.shape, frame.device, frame.number) == (np.uint16, (3, 4), 5.0, 12)
    assert (frame.exposure_ms, frame.gain, frame.temperature_c) == (5.0, None, 41.0)
    with pytest.raises(SourceLost, match="sent nothing for 5 s"):
        camera.read()
    with pytest.raises(SourceLost, match="sends nothing any more"):
        camera.read()
    camera.close()
    assert harvesters.log == ["/opt/x.cti", {"serial_number": "B2"}, "start", "stop", "destroy", "reset"]
    (tmp_path / "maker.cti").touch()
    monkeypatch.setenv("GENICAM_GENTL64_PATH", str(tmp_path))
    with pytest.raises(InputError, match="there are 2 GenICam cameras: name one"):
        GenICamCamera()
    with pytest.raises(InputError, match="no GenICam camera has the serial number 'C3'"):
        GenICamCamera("C3")
    harvesters.Harvester.device_info_list = ()
    with pytest.raises(InputError, match="no GenICam camera answers"):
        GenICamCamera()
    monkeypatch.delenv("GENICAM_GENTL64_PATH")
    with pytest.raises(InputError, match="no GenTL transport layer"):
        GenICamCamera("B2")
    harvesters.Harvester.update = lambda self: 1 / 0
    with pytest.raises(InputError, match="cannot be opened"):
        GenICamCamera("B2", producer=tmp_path / "maker.cti")


def test_genicam_pixel_formats():
    rgb = picture_of(np.arange(12, dtype=np.uint8), 2, 2, "RGB8", 3.0)
    bgr = picture_of(np.arange(12, dtype=np.uint8), 2, 2, "BGR8", 3.0)
    np.testing.assert_array_equal(rgb, bgr[..., ::-1])
    mosaic = np.zeros((8, 8), np.uint8)
    mosaic[::2, ::2] = 200  # the red pixels of RGGB
    red = picture_of(mosaic.ravel(), 8, 8, "BayerRG8", 1.0)
    assert red[3, 3].tolist() == [200, 0, 0]
    with pytest.raises(SourceLost, match="Mono12Packed"):
        picture_of(mosaic.ravel(), 8, 8, "Mono12Packed", 1.0)


def test_genicam_is_an_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "harvesters.core", None)
    with pytest.raises(InputError, match=r"segmif\[genicam\]"):
        GenICamCamera("A1")


class FastClock(HostClock):
    """A thousand seconds pass in one."""

    def monotonic(self):
        return 1000 * super().monotonic()


class Scripted(Source):
    """A live camera that sends so many frames, then does `end`."""

    name = "scripted camera"

    def __init__(self, frames, end):
        self.frames, self.end, self.count = frames, end, 0

    def read(self):
        self.count += 1
        if self.count <= self.frames:
            return Frame(image=np.zeros((4, 4), np.uint8), host=float(self.count), utc=None)
        return self.end()


def lose():
    raise SourceLost("is unplugged")


def test_a_live_camera_is_lost_and_comes_back():
    tries = []

    def open_visible():
        tries.append(1)
        if len(tries) in (2, 3):
            raise InputError("not there yet")
        return Scripted(2, lose)

    hang = threading.Event()
    feed = LiveFeed(
        {"infrared": lambda: Scripted(1, hang.wait), "visible": open_visible},
        reconnect=True, stall=1e9, clock=FastClock(),
    )  # fmt: skip
    seen = []
    for event in feed:
        if event.band == "visible":
            seen.append("frame" if event.frame else "back" if event.back else event.lost)
        if len(seen) >= 6:
            break
    hang.set()
    feed.close()
    assert seen == ["frame", "frame", "is unplugged", "back", "frame", "frame"]
    assert len(tries) >= 4


def test_a_camera_that_hangs_is_lost():
    hang = threading.Event()
    feed = LiveFeed(
        {"infrared": lambda: Scripted(1, hang.wait), "visible": lambda: Scripted(1, hang.wait)},
        stall=100.0, clock=FastClock(),
    )  # fmt: skip
    lost = next(event.lost for event in feed if event.lost)
    hang.set()
    feed.close()
    assert lost == "has sent nothing for 100 s; check cable and power"


def test_frames_not_taken_in_time_are_counted():
    sent = threading.Event()

    def done():
        sent.set()
        lose()

    hang = threading.Event()
    feed = LiveFeed({"infrared": lambda: Scripted(100, done), "visible": lambda: Scripted(0, hang.wait)}, stall=1e9)
    sent.wait(5)
    frames = overflow = 0
    for event in feed:
        frames += event.frame is not None
        overflow += event.overflow
        if event.lost:
            break
    hang.set()
    feed.close()
    assert frames + overflow == 100
    assert overflow > 0


def test_live_cameras_are_recorded(tmp_path):
    summary = Recorder(
        lambda: Scripted(5, lose), lambda: Scripted(50, lose), tmp_path, RecordConfig(sync=0.0, clock="stamps")
    ).run()
    assert summary.code == 1
    assert "scripted camera is unplugged" in summary.reason
    write_pictures(tmp_path / "pictures", ["a"])
    with pytest.raises(InputError, match="one source is a camera, the other is recorded"):
        Recorder(
            lambda: Scripted(5, lose), lambda: open_folder(tmp_path / "pictures", 5.0), tmp_path / "x", RecordConfig()
        ).run()
    with pytest.raises(InputError, match="no such camera"):
        LiveFeed({"infrared": lambda: Scripted(1, lose), "visible": lambda: find_source("nowhere").open()})
