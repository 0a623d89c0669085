"""Synthetic scenes: determinism, truth of labels and boxes, plausible heat, layouts on disk."""

import hashlib
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segmif.checks import InputError
from segmif.claims import claim
from segmif.data.base import PairDataset, PairSample
from segmif.data.synthetic import TIMES, WEATHERS, SyntheticDataset, synthetic_scene, write_dataset
from segmif.data.synthetic.camera import NEAR, Camera
from segmif.data.synthetic.canvas import HEAT, NEARNESS, Canvas, Surface
from segmif.data.synthetic.conditions import draw_conditions, exitance
from segmif.data.synthetic.figure import Pose
from segmif.data.synthetic.people import draw_pedestrian
from segmif.data.synthetic.scene import _homography
from segmif.data.synthetic.texture import cut, noise_tile
from segmif.data.synthetic.texture import sample as sample_tile
from segmif.data.synthetic.vehicles import Vehicle
from segmif.io import read_image, read_labels
from segmif.labelsets import FMB

SMALL = (120, 160)
ID = {name: FMB.classes.index(name) for name in FMB.classes}
BOXED = {"traffic lamp", "traffic sign", "person", "car", "truck", "bus", "motorcycle", "bicycle"}


def digest(sample: PairSample) -> str:
    """One hash over everything a sample holds."""
    assert sample.boxes is not None
    parts = (
        sample.infrared,
        sample.visible,
        sample.labels,
        sample.boxes.xyxy,
        sample.boxes.class_ids,
        sample.boxes.ignore,
    )
    return hashlib.sha256(b"".join(np.ascontiguousarray(part).tobytes() for part in parts)).hexdigest()


@pytest.fixture(scope="module")
def many() -> list[PairSample]:
    """Thirty scenes of all conditions."""
    return [synthetic_scene(seed, size=SMALL) for seed in range(30)]


@given(seed=st.integers(0, 2**32), height=st.integers(64, 131), width=st.integers(64, 150))
@settings(max_examples=20, deadline=None)
def test_any_size_gives_aligned_pictures_labels_and_boxes(seed, height, width):
    sample = synthetic_scene(seed, size=(height, width))
    assert sample.infrared.shape == (height, width)
    assert sample.visible.shape == (height, width, 3)
    assert sample.labels.shape == (height, width)
    assert sample.infrared.dtype == sample.visible.dtype == sample.labels.dtype == np.uint8
    assert sample.labels.max() < len(FMB)
    x0, y0, x1, y1 = sample.boxes.xyxy.T
    assert ((x0 >= 0) & (y0 >= 0) & (x1 <= width) & (y1 <= height) & (x0 < x1) & (y0 < y1)).all()
    assert len(sample.boxes.ignore) == len(sample.boxes.class_ids) == len(x0)
    assert sample.infrared.std() > 3
    assert sample.visible.std() > 3


def test_same_seed_gives_same_bytes_in_threads_and_in_another_process():
    here = [digest(synthetic_scene(seed, size=SMALL, misalign=0.02)) for seed in (3, 4)]
    with ThreadPoolExecutor(2) as pool:
        threads = list(pool.map(lambda seed: digest(synthetic_scene(seed, size=SMALL, misalign=0.02)), (3, 4)))
    code = (
        "import cv2; cv2.setNumThreads(3)\n"
        "from tests.data.test_synthetic import digest, SMALL, synthetic_scene\n"
        "print(digest(synthetic_scene(3, size=SMALL, misalign=0.02)))"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2]
    )
    assert threads == here
    assert run.stdout.strip() == here[0]
    assert here[0] != here[1]


def test_every_class_occurs(many):
    pixels = sum(np.bincount(sample.labels.ravel(), minlength=len(FMB)) for sample in many)
    assert (pixels > 100).all(), dict(zip(FMB.classes, pixels, strict=True))
    boxed = {FMB.classes[i] for sample in many for i in sample.boxes.class_ids}
    assert boxed == BOXED


def test_conditions_all_occur_when_drawn(many):
    assert {sample.meta["time"] for sample in many} == set(TIMES)
    assert {sample.meta["weather"] for sample in many} == set(WEATHERS)


def test_boxes_are_tight_around_their_labels(many):
    """The outermost rows and columns of every box hold its class, and so do most labelled pixels lie in boxes."""
    for sample in many:
        inside = np.zeros((len(FMB), *SMALL), bool)
        for (x0, y0, x1, y1), class_id in zip(sample.boxes.xyxy.astype(int), sample.boxes.class_ids, strict=True):
            same = sample.labels[y0:y1, x0:x1] == class_id
            assert same[0].any()
            assert same[-1].any()
            assert same[:, 0].any()
            assert same[:, -1].any()
            inside[class_id, y0:y1, x0:x1] = True
        for name in BOXED:
            labelled = sample.labels == ID[name]
            # what nearer things hide almost wholly has labels but no box
            assert (labelled & ~inside[ID[name]]).sum() <= max(60, 0.3 * labelled.sum()), (sample.name, name)


def test_tiny_and_mostly_hidden_boxes_are_ignored(many):
    sizes = [
        (max(x1 - x0, y1 - y0), bool(ignore))
        for sample in many
        for (x0, y0, x1, y1), ignore in zip(sample.boxes.xyxy, sample.boxes.ignore, strict=True)
    ]
    assert all(ignore for side, ignore in sizes if side < 2.2)
    assert any(ignore for side, ignore in sizes if side > 12), "some large boxes are mostly hidden"
    assert sum(not ignore for _, ignore in sizes) > len(sizes) / 2


def test_conditions_change_the_light_but_not_the_scene():
    day, night, fog = (
        synthetic_scene(11, size=SMALL, time=time, weather=weather)
        for time, weather in (("day", "clear"), ("night", "clear"), ("day", "fog"))
    )
    assert np.mean(day.labels == night.labels) > 0.99
    assert np.mean(day.labels == fog.labels) > 0.99
    assert night.visible.mean() < 0.7 * day.visible.mean()
    far = np.isin(day.labels, (ID["building"], ID["vegetation"]))
    assert fog.visible[far].std() < 0.8 * day.visible[far].std()


def contrast(picture: np.ndarray, labels: np.ndarray, thing: int) -> float:
    """|mean inside − mean of the ring around| in grey levels."""
    inside = labels == thing
    near = cv2.dilate(inside.astype(np.uint8), np.ones((9, 9), np.uint8)).astype(bool) & ~inside
    return abs(float(picture[inside].mean()) - float(picture[near].mean()))


def test_at_night_people_stand_out_in_infrared():
    better = []
    for seed in range(40):
        sample = synthetic_scene(seed, size=(180, 240), time="night", weather="clear")
        if (sample.labels == ID["person"]).sum() > 80:
            grey = sample.visible.mean(axis=-1)
            in_infrared = contrast(sample.infrared, sample.labels, ID["person"])
            better.append(in_infrared - contrast(grey, sample.labels, ID["person"]))
    assert len(better) >= 15
    assert np.mean(np.array(better) > 0) > 0.85
    assert np.median(better) > 20


def test_sky_is_the_coldest_and_people_are_warmer_than_it(many):
    for sample in many:
        sky, people = sample.labels == ID["sky"], sample.labels == ID["person"]
        if sky.sum() > 200:
            assert sample.infrared[sky].mean() < sample.infrared[~sky].mean()
            if people.sum() > 30:
                assert sample.infrared[people].mean() > sample.infrared[sky].mean() + 10


def test_misaligned_infrared_returns_by_its_homography():
    shift = 0.05
    aligned, moved = (synthetic_scene(8, size=(240, 320), time="night", misalign=m) for m in (0.0, shift))
    assert np.array_equal(aligned.visible, moved.visible)
    assert np.array_equal(aligned.labels, moved.labels)
    assert "homography" not in aligned.meta
    back = np.array(moved.meta["homography"])
    warped = cv2.warpPerspective(moved.infrared, back, (320, 240), borderMode=cv2.BORDER_REFLECT)
    middle = (slice(24, -24), slice(32, -32))

    def agreement(picture: np.ndarray) -> float:
        smooth = [cv2.GaussianBlur(p, (0, 0), 1.5)[middle].ravel() for p in (picture, aligned.infrared)]
        return float(np.corrcoef(smooth[0], smooth[1])[0, 1])

    assert agreement(warped) > 0.97
    assert agreement(moved.infrared) < agreement(warped) - 0.05


@given(seed=st.integers(0, 10_000), misalign=st.floats(0.005, 0.2))
@settings(max_examples=30, deadline=None)
def test_homography_moves_corners_by_the_share_asked_for(seed, misalign):
    size = (100, 200)
    matrix = _homography(size, misalign, np.random.default_rng(seed))
    corners = np.array([[(0, 0), (199, 0), (199, 99), (0, 99)]], float)
    moved = cv2.perspectiveTransform(corners, matrix)
    assert np.linalg.norm(moved - corners, axis=-1).max() == pytest.approx(misalign * 200, rel=1e-6)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"seed": -1}, "seed"),
        ({"seed": 0, "size": (63, 100)}, "at least 64"),
        ({"seed": 0, "time": "dawn"}, "unknown time 'dawn'"),
        ({"seed": 0, "weather": "snow"}, "unknown weather"),
        ({"seed": 0, "misalign": 0.5}, "misalign"),
    ],
)
def test_wrong_arguments_are_named(options, message):
    with pytest.raises(InputError, match=message):
        synthetic_scene(**options)


def test_dataset_is_a_pair_dataset():
    dataset = SyntheticDataset(3, seed=7, size=(64, 80), time="night")
    assert isinstance(dataset, PairDataset)
    assert dataset.label_set is FMB
    assert dataset.names == ["000007", "000008", "000009"]
    samples = list(dataset)
    assert len(dataset) == len(samples) == 3
    assert [sample.name for sample in samples] == dataset.names
    assert digest(dataset[-1]) == digest(samples[2])
    assert {sample.meta["time"] for sample in samples} == {"night"}
    with pytest.raises(IndexError):
        dataset[3]
    with pytest.raises(InputError, match="count"):
        SyntheticDataset(0)


def test_written_dataset_has_the_layout_of_fmb(tmp_path):
    seen = []
    root = write_dataset(
        tmp_path / "made", 5, seed=2, size=(64, 96), progress=lambda done, count: seen.append((done, count))
    )
    assert seen == [(i, 5) for i in range(1, 6)]
    for split, count in (("train", 4), ("test", 1)):
        for folder in ("Infrared", "Visible", "Label", "color"):
            assert len(list((root / split / folder).iterdir())) == count
    sample = synthetic_scene(2, size=(64, 96))
    assert np.array_equal(read_image(root / "train/Infrared/000002.png"), sample.infrared)
    assert np.array_equal(read_image(root / "train/Visible/000002.png"), sample.visible)
    assert np.array_equal(read_labels(root / "train/Label/000002.png"), sample.labels)
    assert np.array_equal(read_image(root / "train/color/000002.png"), FMB.colours()[sample.labels])
    with pytest.raises(InputError, match="test_share"):
        write_dataset(tmp_path, 1, test_share=2.0)


def test_scenes_can_be_chosen_by_what_they_show(tmp_path, monkeypatch):
    root = write_dataset(tmp_path / "made", 2, size=(64, 96), test_share=0, having={"truck": 0.05, "bus": 0.05})
    labels = [read_labels(path) for path in sorted((root / "train/Label").iterdir())]
    ids = [FMB.classes.index(name) for name in ("truck", "bus")]
    assert len(labels) == 2
    assert all(max((label == one).mean() for one in ids) >= 0.05 for label in labels)
    with pytest.raises(InputError, match="unknown class 'tank'"):
        write_dataset(tmp_path, 1, having={"tank": 0.1})
    monkeypatch.setattr("segmif.data.synthetic.dataset._PATIENCE", 2)
    with pytest.raises(InputError, match="2 scenes in a row without truck 1 of the picture"):
        write_dataset(tmp_path, 1, size=(64, 96), having={"truck": 1.0})


def test_several_processes_choose_the_same_scenes(tmp_path):
    made = {
        workers: write_dataset(
            tmp_path / str(workers), 3, seed=4, size=(64, 96), test_share=0, having={"truck": 0.02}, workers=workers
        )
        for workers in (1, 2)
    }
    names = [sorted(path.relative_to(root) for path in root.rglob("*.png")) for root in made.values()]
    assert names[0] == names[1]
    assert len(names[0]) == 3 * 4
    for name in names[0]:
        assert (made[1] / name).read_bytes() == (made[2] / name).read_bytes()


def test_scenes_are_not_written_where_another_run_holds_the_folder(tmp_path):
    with claim(tmp_path), pytest.raises(InputError, match="another run is writing there"):
        write_dataset(tmp_path, 1, size=(64, 96))
    assert not list(tmp_path.iterdir())


def camera(**changes: float) -> Camera:
    """A level camera 1.5 m above the ground."""
    return Camera(**{"size": (120, 160), "focal": 150.0, "height": 1.5, **changes})


@given(
    x=st.floats(-3, 3),
    y=st.floats(4, 60),
    pitch=st.floats(-0.1, 0.2),
    yaw=st.floats(-0.2, 0.2),
    roll=st.floats(-0.1, 0.1),
)
@settings(max_examples=60, deadline=None)
def test_rays_meet_the_ground_where_its_points_are_projected(x, y, pitch, yaw, roll):
    eye = camera(pitch=pitch, yaw=yaw, roll=roll)
    pixels, depth = eye.project(np.array([[x, y, 0.0]]))
    u, v = np.round(pixels[0]).astype(int)
    if not (0 <= u < 160 and 0 <= v < 120):
        return
    local = np.array([(pixels[0, 0] - eye.centre[0]) / eye.focal, (pixels[0, 1] - eye.centre[1]) / eye.focal, 1.0])
    ray = eye.rotation.T @ local
    assert np.allclose(ray * depth[0] + (0, 0, 1.5), (x, y, 0), atol=1e-6)
    assert np.allclose(eye.rays[:, v, u], ray, atol=1.5 / eye.focal)


def test_faces_are_cut_at_the_near_plane():
    eye = camera()
    straddling = np.array([(-1.0, -5.0, 0.0), (1.0, -5.0, 0.0), (1.0, 5.0, 0.0), (-1.0, 5.0, 0.0)])
    pixels, depth = eye.project_face(straddling)
    assert len(pixels) == 4
    assert depth == pytest.approx((5 + NEAR) / 2)
    assert eye.project_face(straddling - (0, 10, 0)) is None


def test_one_brush_paints_all_layers():
    conditions = draw_conditions(np.random.default_rng(0), "night", "clear")
    canvas = Canvas(camera=camera(), conditions=conditions)
    square = np.array([(20.0, 30.0), (50.0, 30.0), (50.0, 70.0), (20.0, 70.0)])
    warm = Surface(albedo=(0.2, 0.4, 0.6), celsius=30.0, emissivity=1.0)
    with canvas.thing(ID["car"], boxed=True):
        canvas.polygon(square, canvas.values(warm, 0.25))
    assert (canvas.labels[31:70, 21:50] == ID["car"]).all()
    assert canvas.labels[50, 60] == 0
    assert canvas.layers[HEAT, 50, 35] == pytest.approx(exitance(30.0), rel=1e-5)
    assert canvas.layers[NEARNESS, 50, 35] == 0.25
    assert canvas.layers[:3, 50, 35] == pytest.approx((0.2, 0.4, 0.6))
    assert canvas.instances[0].area == np.count_nonzero(canvas.owner == 1) == np.count_nonzero(canvas.labels)


def test_nearer_people_are_taller_in_the_picture():
    heights = []
    for y in (6.0, 12.0):
        canvas = Canvas(camera=camera(), conditions=draw_conditions(np.random.default_rng(0), "day", "clear"))
        draw_pedestrian(canvas, Pose(x=0.0, y=y, yaw=0.3, height=1.7), np.random.default_rng(1))
        rows = np.flatnonzero((canvas.labels == ID["person"]).any(axis=1))
        heights.append(rows[-1] - rows[0] + 1)
    assert heights[0] == pytest.approx(1.7 / 6 * 150, rel=0.12)
    assert heights[1] == pytest.approx(heights[0] / 2, rel=0.12)


def lorry(seed: int, yaw: float) -> Canvas:
    canvas = Canvas(
        camera=camera(size=(240, 320), focal=250.0),
        conditions=draw_conditions(np.random.default_rng(0), "day", "clear"),
    )
    rng = np.random.default_rng(seed)
    Vehicle(canvas=canvas, kind="truck", x=0.0, y=9.0, yaw=yaw, moving=True, rng=rng).draw()
    return canvas


@pytest.mark.parametrize("yaw", [0.4, np.pi / 2 + 0.3, -np.pi / 2])
def test_what_is_on_a_lorry_stays_on_it(yaw, monkeypatch):
    near = [lorry(seed, yaw) for seed in range(12)]
    monkeypatch.setattr(Vehicle, "close", False)
    far = [lorry(seed, yaw) for seed in range(12)]
    shades = []
    for one, other in zip(near, far, strict=True):
        seen = one.labels == ID["truck"]
        assert seen.mean() > 0.05
        assert np.count_nonzero(seen ^ (other.labels == ID["truck"])) < 0.01 * seen.sum()
        shades.append([len(np.unique(c.layers[:3, seen].round(2), axis=1).T) for c in (one, other)])
    assert np.median(shades, axis=0)[0] > np.median(shades, axis=0)[1], (
        "doors, posts and prints have colours of their own"
    )


def test_noise_tiles_are_seamless_and_read_only():
    tile = noise_tile(1.3, 64)
    assert tile.mean() == pytest.approx(0, abs=1e-5)
    assert tile.std() == pytest.approx(1, abs=1e-5)
    assert noise_tile(1.3, 64) is tile
    with pytest.raises(ValueError, match="read-only"):
        tile[0, 0] = 1
    steps = np.abs(np.diff(tile, axis=1))
    assert np.abs(tile[:, 0] - tile[:, -1]).mean() < 1.5 * steps.mean()
    u = np.array([[3.25, 67.25]], np.float32)
    assert np.ptp(sample_tile(tile, u, np.full_like(u, 5.0))) < 1e-5
    assert cut(tile, np.random.default_rng(0), 300.0, (7, 20)).shape == (7, 20)
