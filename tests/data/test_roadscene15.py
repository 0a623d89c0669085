"""RoadScene-15: the drawings in the package are whole, and are laid only on the pictures they were drawn on."""

from __future__ import annotations

import csv
import hashlib
import json
from collections import defaultdict
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from segmif.checks import InputError
from segmif.data import open_dataset
from segmif.data.annotations import read_coco
from segmif.data.catalog import CATALOG, dataset_info, find_locally, open_scan, scan_dataset
from segmif.data.check import check_dataset
from segmif.data.likeness import pair_hash
from segmif.data.roadscene15 import drawings
from segmif.data.roadscene15.drawings import Drawing, Stroke, paint, read_drawing, read_label_map, read_table
from segmif.data.roadscene15.join import join, pixel_hash
from segmif.io import encode_image, write_image, write_labels
from segmif.labelsets import FMB
from tests.data.worlds import labels, picture

SETS = ("roadscene15", "msrs15")
SIZE = (24, 32)


@pytest.mark.parametrize("dataset", SETS)
def test_every_pair_has_a_label_map_polygons_and_an_entry_for_its_boxes(dataset: str) -> None:
    folder = drawings.folder_of(dataset)
    table, boxes = read_table(folder), read_coco(folder / "boxes.json")
    assert {path.stem for path in (folder / "label").iterdir()} == set(table) == set(boxes.boxes)
    for name, row in table.items():
        ids = read_label_map(dataset, name)
        assert ids.shape == row.size == read_drawing(dataset, name).size == boxes.sizes[name]
        assert set(np.unique(ids)) <= {*range(15), 255}
        assert all(len(row.pixels[band]) == 64 for band in ("infrared", "visible"))


def test_the_files_are_few_megabytes_and_hold_no_photograph() -> None:
    files = [path for path in drawings.ROADSCENE_FOLDER.parent.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < 2_500_000
    pictures = [path for path in files if path.suffix not in (".py", ".pyc", ".csv", ".json", "")]
    assert len(pictures) == 166
    assert all(path.suffix == ".png" and path.parent.name == "label" for path in pictures)


@pytest.mark.parametrize("dataset", SETS)
def test_the_split_has_the_published_sizes_and_tears_no_drive(dataset: str) -> None:
    table = read_table(drawings.folder_of(dataset))
    sizes: dict[str, int] = defaultdict(int)
    drives: dict[str, set[str]] = defaultdict(set)
    for row in table.values():
        sizes[row.split] += 1
        drives[row.drive].add(row.split)
    assert sizes == CATALOG[dataset].sizes
    assert all(len(splits) == 1 for splits in drives.values())


def test_validation_holds_day_dusk_and_night_and_every_scored_class() -> None:
    rows = [row for row in read_table(drawings.ROADSCENE_FOLDER).values() if row.split == "val"]
    assert {row.light for row in rows} == {"day", "dusk", "night"}
    present = {int(i) for row in rows for i in np.unique(read_label_map("roadscene15", row.name))}
    assert present >= {1, 2, 3, 4, 5, 6, 7, 8, 9, 13, 14}


def test_plainly_painted_polygons_agree_with_the_label_map() -> None:
    hits = total = 0
    for name in list(read_table(drawings.ROADSCENE_FOLDER))[::7]:
        painted, truth = paint(read_drawing("roadscene15", name)), read_label_map("roadscene15", name)
        both = (painted != 255) & (truth != 255)
        hits += int((painted == truth)[both].sum())
        total += int(both.sum())
    assert hits / total > 0.99


def test_strokes_are_painted_by_their_kind() -> None:
    def stroke(kind: str, points: list[list[float]], class_id: int, width: tuple[float, ...] = ()) -> Stroke:
        return Stroke(class_id=class_id, role="object", kind=kind, points=np.array(points), width=width, rule={})

    outline = np.array([[12.0, 2], [14, 2], [14, 3], [12, 3]])
    strokes = (
        stroke("polygon", [[0, 0], [19, 0], [19, 4], [0, 4]], 1),
        stroke("line", [[2, 10], [10, 10], [17, 10]], 14, (3, 3, 3)),
        stroke("line", [[2, 16], [17, 16]], 14, (1,)),
        stroke("box", [[5, 2], [8, 4]], 9),
        replace(stroke("polygon", [[0, 0], [1, 0], [1, 1]], 8), outline=(outline,)),
        replace(stroke("box", [[0, 18], [19, 19]], 6), rule={"imin": 80}),  # the infrared picture decides
    )
    painted = paint(Drawing(size=(20, 20), strokes=strokes))
    assert (painted[0] == 1).all()
    assert [(painted == i).sum() for i in (9, 8)] == [12, 6]
    assert (painted[9:12, 4:16] == 14).all()
    assert (painted[16, 2:18] == 14).all()
    assert (painted[13:16] == 255).all()
    assert (painted[18:] == 255).all()


def test_unknown_pairs_and_sets_are_refused() -> None:
    with pytest.raises(InputError, match="did you mean 'FLIR_09652'"):
        read_drawing("roadscene15", "FLIR_9652")
    with pytest.raises(InputError, match="unknown data set with drawings 'fmb'"):
        read_drawing("fmb", "a")


@pytest.fixture
def world(tmp_path: Path) -> tuple[Path, Path]:
    """Drawings of two pairs in ``drawn``, and the pictures in ``pictures``; the first pair's files are on record."""
    drawn, pictures = tmp_path / "drawn", tmp_path / "pictures"
    rows = []
    for i, name in enumerate(("a", "b")):
        infrared, visible = picture(i, channels=1, size=SIZE), picture(i + 50, size=SIZE)
        write_image(pictures / "infrared" / f"{name}.png", infrared)
        write_image(pictures / "visible" / f"{name}.png", visible)
        write_labels(drawn / "label" / f"{name}.png", labels(i, 15), FMB.palette)
        files = [_sha(pictures / band / f"{name}.png") if not i else "" for band in ("infrared", "visible")]
        hashes = [pixel_hash(infrared, "infrared"), pixel_hash(visible, "visible")]
        split = ("train", "val")[i]
        rows.append([name, split, f"{i}", ("dusk", "night")[i], 32, 24, *files, *hashes])
        rows[-1].append(f"{pair_hash(infrared, visible):032x}")
    with (drawn / "pairs.csv").open("w", newline="") as file:
        header = (
            "name,split,drive,light,width,height,infrared_file,visible_file,infrared_pixels,visible_pixels,likeness"
        )
        csv.writer(file).writerows([header.split(","), *rows])
    content = {
        "images": [{"id": i, "file_name": f"{n}.jpg", "width": 32, "height": 24} for i, n in enumerate("ab")],
        "categories": [{"id": 1, "name": "person"}],
        "annotations": [{"id": 1, "image_id": 0, "category_id": 1, "bbox": [2, 3, 4, 5], "iscrowd": 0}],
    }
    (drawn / "boxes.json").write_text(json.dumps(content))
    return drawn, pictures


def _sha(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _scan(world: tuple[Path, Path]):  # type: ignore[no-untyped-def]
    drawn, pictures = world
    info = replace(CATALOG["roadscene15"], join=partial(join, folder=drawn), sizes={"train": 1, "val": 1})
    return info, scan_dataset(info, pictures)


def test_drawings_are_laid_on_the_pictures(world: tuple[Path, Path]) -> None:
    info, found = _scan(world)
    assert found.problems == []
    data = open_scan(info, found, split="all")
    assert data.names == ["a", "b"]
    first, second = data
    assert np.array_equal(first.labels, labels(0, 15))
    assert first.boxes is not None
    assert first.boxes.xyxy.tolist() == [[2, 3, 6, 8]]
    assert (first.meta["time"], first.meta["light"], second.meta["time"]) == ("day", "dusk", "night")
    assert (first.meta["split"], second.meta["split"]) == ("train", "val")
    assert first.meta["label_kind"] == "hand"
    assert check_dataset(info, world[1]).sound


def test_a_copy_without_loss_in_another_format_passes(world: tuple[Path, Path]) -> None:
    for path in list((world[1]).rglob("*.png")):
        image = picture(*{"a": (0,), "b": (1,)}[path.stem], channels=1, size=SIZE)
        if path.parent.name == "visible":
            image = picture({"a": 50, "b": 51}[path.stem], size=SIZE)
        else:
            image = np.repeat(image[..., None], 3, axis=2)  # grey stored as colour is the same picture
        write_image(path.with_suffix(".tif"), image)
        path.unlink()
    assert _scan(world)[1].problems == []


def test_a_picture_encoded_with_loss_is_used_with_a_warning(world: tuple[Path, Path]) -> None:
    path = world[1] / "visible" / "a.png"
    image = picture(50, size=SIZE)
    path.write_bytes(encode_image(np.clip(image.astype(int) + 1, 0, 255).astype(np.uint8)))
    info, found = _scan(world)
    (problem,) = found.problems
    assert (problem.severity, problem.kind, problem.where) == ("warning", "differs", str(path))
    assert open_scan(info, found, split="train").names == ["a"]


def test_another_picture_a_wrong_size_and_a_lost_file_are_named(world: tuple[Path, Path]) -> None:
    pictures = world[1]
    write_image(pictures / "visible" / "a.png", picture(7, size=SIZE)[::-1])
    info, found = _scan(world)
    (problem,) = found.problems
    assert "is another picture than the one labelled" in problem.line()
    assert str(pictures / "visible" / "a.png") in problem.line()
    with pytest.raises(InputError, match=r"visible/a\.png: is another picture"):
        open_scan(info, found)
    assert open_scan(info, found, strict=False).names == ["b"]
    write_image(pictures / "visible" / "a.png", picture(7, size=(30, 40)))
    assert "is 40x30, its labels were drawn on 32x24" in _scan(world)[1].problems[0].message
    (pictures / "visible" / "a.png").write_bytes(b"\x89PNG")
    assert _scan(world)[1].problems[0].kind == "unreadable"
    (pictures / "visible" / "a.png").unlink()
    message = _scan(world)[1].problems[0].message
    assert message.startswith("1 of the 2 labelled pairs are not there: a; unpack")


def test_visible_pictures_alone_are_not_enough(world: tuple[Path, Path]) -> None:
    from segmif.data.layout import Record
    from segmif.data.roadscene15.join import check_pair

    row = read_table(world[0])["a"]
    (problem,) = check_pair(row, Record(name="a", split="all", infrared=None, visible=world[1] / "visible" / "a.png"))
    assert "no infrared partner" in problem.message


@pytest.mark.parametrize(("dataset", "folder"), [("roadscene15", "roadscene"), ("msrs15", "msrs")])
def test_the_real_pictures_are_recognised(shared: Path, dataset: str, folder: str) -> None:
    data = open_dataset(dataset, shared / "data", split="val")
    assert len(data) == CATALOG[dataset].sizes["val"]
    sample = data[0]
    assert sample.labels is not None
    assert sample.labels.shape == sample.size
    assert find_locally(dataset_info(dataset), shared / "data") == shared / "data" / folder
