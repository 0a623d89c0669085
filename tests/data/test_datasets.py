"""Every data set in its original layout, in the simple layout, and the real pairs, through one reader."""

import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest

from segmif.checks import InputError
from segmif.data import CATALOG, PairDataset, dataset_info, open_dataset, open_folder
from segmif.data.catalog import find_locally
from segmif.labelsets import FMB, MFNET

from . import worlds


def ids(dataset: PairDataset, index: int = 0) -> np.ndarray:
    labels = dataset[index].labels
    assert labels is not None
    return labels


def test_fmb(tmp_path: Path) -> None:
    worlds.fmb(tmp_path / "FMB")
    train = open_dataset("fmb", tmp_path, split="train")  # the folder above is enough
    assert isinstance(train, PairDataset)
    assert train.names == ["00000", "00001", "00002"]
    assert train.label_set is FMB
    sample = train[1]
    np.testing.assert_array_equal(sample.infrared, worlds.picture(1, channels=1))
    np.testing.assert_array_equal(sample.visible, worlds.picture(1001))
    np.testing.assert_array_equal(sample.labels, worlds.labels(1, 15))
    assert sample.meta["split"] == "train"
    assert sample.meta["label_kind"] == "hand"
    assert len(open_dataset("fmb", tmp_path / "FMB", split="test")) == 2
    everything = open_dataset("fmb", tmp_path / "FMB")
    assert everything.names == ["test/00000", "test/00001", "train/00000", "train/00001", "train/00002"]


@pytest.mark.parametrize("palette", ["files", "paper"])
def test_fmb_painted_labels_of_both_palettes(tmp_path: Path, palette: str) -> None:
    root = worlds.fmb(tmp_path, train=1, test=0)
    wanted = worlds.labels(0, 15)
    colours = FMB.colours() if palette == "files" else np.array(list(CATALOG["fmb"].layouts[0].code.colours), np.uint8)
    worlds.save(root / "train/Label/00000.png", colours[wanted])
    np.testing.assert_array_equal(ids(open_dataset("fmb", root)), wanted)


def test_mfnet_four_channels_and_day_night_splits(tmp_path: Path) -> None:
    root = worlds.mfnet(tmp_path / "ir_seg_dataset")
    assert open_dataset("mfnet", root, split="test_night").names == ["00004N"]
    assert open_dataset("mfnet", root, split="all").names == ["00001D", "00002N", "00003D", "00004N", "00005D"]
    sample = open_dataset("mfnet", root, split="train")[1]
    np.testing.assert_array_equal(sample.infrared, worlds.picture(10, channels=1))
    np.testing.assert_array_equal(sample.visible, worlds.picture(1))
    assert (sample.meta["time"], sample.meta["time_from"]) == ("night", "name")


def test_mfnet_says_when_thermal_is_missing(tmp_path: Path) -> None:
    root = worlds.mfnet(tmp_path)
    worlds.save(root / "images/00003D.png", worlds.picture(1))
    with pytest.raises(InputError, match=r"00003D\.png: expected four channels"):
        open_dataset("mfnet", root, split="val")[0]


def test_msrs_and_its_detection_part(tmp_path: Path) -> None:
    root = worlds.msrs(tmp_path / "MSRS")
    train = open_dataset("msrs", root, split="train")
    assert train.label_set is MFNET
    assert [sample.meta["time"] for sample in train] == ["day", "night"]
    boxes = open_dataset("msrs", root / "detection")[0].boxes
    assert boxes is not None
    assert boxes.class_ids.tolist() == [MFNET.classes.index("car"), MFNET.classes.index("person")]
    np.testing.assert_allclose(boxes.xyxy, [[4, 6, 12, 18], [22, 9, 26, 15]])


def test_pst900(tmp_path: Path) -> None:
    root = worlds.pst900(tmp_path / "PST900_RGBT_Dataset")
    test = open_dataset("pst900", root, split="test")
    np.testing.assert_array_equal(ids(test), worlds.labels(0, 5))
    assert test.label_set is not None
    assert test.label_set.classes[4] == "survivor"


def test_cwfid_bands_paint_and_the_image_in_both_halves(tmp_path: Path) -> None:
    root = worlds.cwfid(tmp_path / "cwfid-dataset")
    train = open_dataset("cwfid", root, split="train")
    assert train.names == ["002"]
    assert open_dataset("cwfid", root, split="test").names == ["001", "028"]
    sample = train[0]
    np.testing.assert_array_equal(sample.infrared, worlds.picture(101, channels=1))
    np.testing.assert_array_equal(sample.visible[..., 0], worlds.picture(2, channels=1))
    assert (sample.visible == sample.visible[..., :1]).all()
    np.testing.assert_array_equal(sample.labels, worlds.labels(2, 3))
    assert sample.meta["infrared"] == "near"


def test_cwfid_grey_file_is_refused(tmp_path: Path) -> None:
    root = worlds.cwfid(tmp_path)
    worlds.save(root / "images/002_image.png", worlds.picture(2, channels=1))
    with pytest.raises(InputError, match="three channels"):
        open_dataset("cwfid", root, split="train")[0]


def test_camvid_has_luma_for_infrared_and_fmb_ids(tmp_path: Path) -> None:
    dataset = open_dataset("camvid", worlds.camvid(tmp_path / "CamVid"), split="val")
    sample = dataset[0]
    assert sample.meta["infrared"] == "simulated"
    luma = sample.visible @ np.array([0.299, 0.587, 0.114])
    np.testing.assert_allclose(sample.infrared, luma, atol=1)
    sky_building_pole = {0: 7, 1: 3, 2: 14}
    stored = worlds.labels(3, 12)
    for theirs, ours in sky_building_pole.items():
        assert (ids(dataset)[stored == theirs] == ours).all()
    assert (ids(dataset)[stored == 11] == 255).all()


def test_roadscene_reads_the_aligned_folders(tmp_path: Path) -> None:
    dataset = open_dataset("roadscene", worlds.roadscene(tmp_path / "RoadScene-master"))
    assert dataset.names == ["FLIR_00006", "FLIR_00018", "FLIR_video_00069"]
    assert dataset[0].size == worlds.SIZE


def test_tno_original_archive(tmp_path: Path) -> None:
    dataset = open_dataset("tno", worlds.tno_original(tmp_path))
    assert len(dataset) == 9  # House has no thermal picture
    assert "Triclobs_images/Kaptein_01" in dataset.names
    record = next(r for r in dataset.records if r.name.endswith("Kaptein_01"))
    assert (record.infrared.name, record.visible.name) == ("IR01.bmp", "Vis01.bmp")
    assert all(sample.visible.shape == (*worlds.SIZE, 3) for sample in dataset)


@pytest.mark.parametrize(
    ("infrared", "visible"),
    [
        ("ir/{}.png", "vi/{}.png"),
        ("IR/{}.PNG", "Vis/{}.bmp"),
        ("Test_ir/{}.bmp", "Test_vi/{}.bmp"),
        ("IR{}.png", "VIS{}.png"),
    ],
)
def test_tno_other_forms(tmp_path: Path, infrared: str, visible: str) -> None:
    for i in (1, 2, 10):
        worlds.save_pair(tmp_path / infrared.format(i), tmp_path / visible.format(i), i)
    dataset = open_dataset("tno", tmp_path, split="test")
    assert dataset.names == ["1", "2", "10"]


def test_m3fd_boxes_in_fmb_ids(tmp_path: Path) -> None:
    dataset = open_dataset("m3fd", worlds.m3fd(tmp_path / "M3FD_Detection"))
    names = [[FMB.classes[i] for i in sample.boxes.class_ids] for sample in dataset]
    assert names == [["person", "traffic lamp"], ["motorcycle"], ["truck", "bus", "car"]]
    np.testing.assert_array_equal(dataset[0].boxes.xyxy, [[0, 0, 8, 12], [10, 2, 32, 24]])


@pytest.mark.parametrize("annotations", ["voc", "coco"])
def test_llvip_voc_and_coco_give_the_same_boxes(tmp_path: Path, annotations: str) -> None:
    dataset = open_dataset("llvip", worlds.llvip(tmp_path / "LLVIP", annotations=annotations), split="train")
    assert dataset.names == ["010001", "010002"]
    np.testing.assert_array_equal(dataset[1].boxes.xyxy, [[2, 4, 10, 20]])
    assert dataset[1].meta["time"] == "night"


@pytest.mark.parametrize(("name", "splits"), [("vt821", ("",)), ("vt1000", ("",)), ("vt5000", ("Train", "Test"))])
def test_saliency_masks(tmp_path: Path, name: str, splits: tuple[str, ...]) -> None:
    root = worlds.saliency(tmp_path / name.upper(), splits)
    dataset = open_dataset(name, root, split="test")
    np.testing.assert_array_equal(ids(dataset), worlds.labels(0, 2))


def test_simple_layout_prefers_hand_labels(tmp_path: Path) -> None:
    root = worlds.paired(tmp_path / "mine")
    everything = open_dataset("folder", root)
    assert [sample.meta.get("label_kind") for sample in everything] == ["hand", "model", None]
    assert everything[1].boxes is not None
    assert everything[0].boxes is None
    assert open_dataset("folder", root, labels="hand", only_labelled=True).names == ["a"]
    assert open_dataset("folder", root, labels="none")[0].labels is None


def test_simple_layout_per_split(tmp_path: Path) -> None:
    for split in ("train", "val"):
        worlds.paired(tmp_path / split, ("x", "y"))
    dataset = open_dataset("folder", tmp_path, split="val")
    assert dataset.names == ["x", "y"]
    assert dataset[1].boxes is not None


def test_split_lists(tmp_path: Path) -> None:
    root = worlds.paired(tmp_path)
    (root / "train.txt").write_text("# mine\n\nc.png\n./visible/a.png other columns\n")
    (root / "test.txt").write_text("b\n")
    assert open_dataset("folder", root, split="train").names == ["c", "a"]
    assert open_dataset("folder", root).names == ["a", "b", "c"]
    with pytest.raises(InputError, match="has no split 'val' here"):
        open_dataset("folder", root, split="val")


def test_any_folder_by_patterns(tmp_path: Path) -> None:
    for i in range(2):
        worlds.save_pair(tmp_path / f"set{i}/lwir/I{i}_ir.PNG", tmp_path / f"set{i}/rgb/I{i}.jpg", i)
    dataset = open_folder(tmp_path, infrared="*/lwir/*_ir.png", visible="*/rgb/*.jpg")
    assert dataset.names == ["set0/I0", "set1/I1"]
    assert open_folder(tmp_path, infrared="**/lwir/*_ir", visible="**/rgb/*").names == dataset.names
    assert open_folder(tmp_path, infrared="set1/lwir/I*{any}ir.png", visible="set1/rgb/I*").names == ["1"]
    with pytest.raises(InputError, match=r"0 names in common: partners must share their name"):
        open_folder(tmp_path, infrared="*/lwir/*", visible="*/rgb/*")
    with pytest.raises(InputError, match="has no \\*"):
        open_folder(tmp_path, infrared="a.png", visible="*.png")


def test_sixteen_bit_and_float_pictures_stay_as_stored(tmp_path: Path) -> None:
    root = worlds.paired(tmp_path, ("a", "b"))
    thermal = (worlds.picture(3, channels=1).astype(np.uint16) + 20000).astype(np.uint16)
    worlds.save(root / "infrared/a.png", thermal)
    sample = open_dataset("folder", root)[0]
    assert sample.infrared.dtype == np.uint16
    np.testing.assert_array_equal(sample.infrared, thermal)


def test_datasets_are_picklable_and_repeatable(tmp_path: Path) -> None:
    dataset = open_dataset("folder", worlds.paired(tmp_path))
    again = pickle.loads(pickle.dumps(dataset))
    assert again.names == dataset.names
    np.testing.assert_array_equal(again[2].visible, dataset[2].visible)


def test_time_by_brightness(tmp_path: Path) -> None:
    root = worlds.paired(tmp_path, ("dark", "light"))
    worlds.save(root / "visible/dark.png", np.full((*worlds.SIZE, 3), 9, np.uint8))
    worlds.save(root / "visible/light.png", np.full((*worlds.SIZE, 3), 180, np.uint8))
    times = [(s.meta["time"], s.meta["time_from"]) for s in open_dataset("folder", root)]
    assert times == [("night", "brightness"), ("day", "brightness")]


def test_catalogue_is_complete() -> None:
    wanted = "fmb mfnet msrs pst900 cwfid camvid roadscene roadscene15 msrs15 tno folder m3fd llvip vt821 vt1000 vt5000"
    assert set(CATALOG) == set(wanted.split())
    for info in CATALOG.values():
        if info.name != "folder":
            assert info.home.startswith("https://")
            assert info.licence
            assert info.citation
            assert sum(info.sizes.values()) > 0
    with pytest.raises(InputError, match="did you mean 'roadscene'"):
        dataset_info("roadscenes")


def test_find_locally(tmp_path: Path) -> None:
    worlds.fmb(tmp_path / "FMB", train=1, test=1)
    (tmp_path / "LLVIP").mkdir()
    assert find_locally(CATALOG["fmb"], tmp_path) == tmp_path / "FMB"
    assert find_locally(CATALOG["fmb"], tmp_path / "FMB") == tmp_path / "FMB"
    assert find_locally(CATALOG["llvip"], tmp_path) is None
    assert find_locally(CATALOG["llvip"], tmp_path / "absent") is None


def test_roots_that_are_no_data_set(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such folder"):
        open_dataset("fmb", tmp_path / "absent")
    archive = shutil.make_archive(str(tmp_path / "packed" / "FMB"), "zip", worlds.fmb(tmp_path / "FMB"))
    with pytest.raises(InputError, match="is a zip archive; unpack it"):
        open_dataset("fmb", archive)
    with pytest.raises(InputError, match=r"holds the archive FMB\.zip but not its contents; unpack it first"):
        open_dataset("fmb", Path(archive).parent)
    (tmp_path / "other" / "stuff").mkdir(parents=True)
    with pytest.raises(InputError, match=r"does not look like fmb: found stuff/; expected \{split\}/Infrared"):
        open_dataset("fmb", tmp_path / "other")


def test_a_folder_that_cannot_be_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = worlds.paired(tmp_path)
    locked = root / "infrared"
    (locked).rename(root / "closed")  # as empty as a folder looks to those who may not list it
    locked.mkdir()
    monkeypatch.setattr("os.access", lambda path, mode: Path(path) != locked)
    with pytest.raises(InputError, match=r"infrared: cannot be listed \(Permission denied\); check its permissions"):
        open_dataset("folder", root)


def test_nothing_left_after_filtering(tmp_path: Path) -> None:
    root = worlds.paired(tmp_path)
    shutil.rmtree(root / "label")
    with pytest.raises(InputError, match="no pairs with hand labels"):
        open_dataset("folder", root, labels="hand", only_labelled=True)


@pytest.mark.parametrize(
    ("name", "split", "count", "size"),
    [
        ("roadscene", "train", 171, (329, 500)),
        ("roadscene", "test", 50, (301, 496)),
        ("msrs", "val", 30, (480, 640)),
        ("msrs", "test", 183, (480, 640)),
        ("tno", "test", 42, (576, 768)),
        ("m3fd", "train", 20, (768, 1024)),
        ("llvip", "train", 13, (1024, 1280)),
        ("camvid", "train", 367, (360, 480)),
        ("camvid", "test", 233, (360, 480)),
        ("cwfid", "train", 39, (966, 1296)),
        ("cwfid", "test", 21, (966, 1296)),
    ],
)
def test_real_pairs(shared: Path, name: str, split: str, count: int, size: tuple[int, int]) -> None:
    dataset = open_dataset(name, shared / "data" / name, split=split)
    assert len(dataset) == count
    sample = dataset[0]
    assert sample.size == size
    assert sample.infrared.shape == size
    if name in ("camvid", "cwfid") or split == "val":
        assert sample.labels is not None
        assert len(np.unique(sample.labels)) > 1


def test_real_hand_labels_and_boxes(shared: Path) -> None:
    train = open_dataset("roadscene", shared / "data/roadscene", split="train")
    kinds = [record.label_kind for record in train.records]
    assert (kinds.count("hand"), kinds.count("model")) == (136, 35)
    boxes = train[0].boxes
    assert boxes is not None
    assert {FMB.classes[i] for i in boxes.class_ids} == {"car"}
    assert "028" not in open_dataset("cwfid", shared / "data/cwfid", split="train").names


def test_near_infrared_shows_plants_bright(shared: Path) -> None:
    sample = open_dataset("cwfid", shared / "data/cwfid", split="test")[0]
    plants = sample.labels > 0
    assert sample.infrared[plants].mean() > 1.2 * sample.infrared[~plants].mean()
