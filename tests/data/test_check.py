"""A broken data set: everything wrong with it in one report, in words that help."""

import json
from pathlib import Path

import numpy as np
import pytest

from segmif.checks import InputError
from segmif.data import dataset_info, open_dataset
from segmif.data.check import CheckReport, check_dataset, class_pixels, summary
from segmif.data.problems import Problem, raise_first
from segmif.data.report import html_report, write_report
from segmif.labelsets import FMB

from . import worlds


def check(name: str, root: Path) -> CheckReport:
    return check_dataset(dataset_info(name), root)


def kinds(report: CheckReport) -> set[str]:
    return {problem.kind for problem in report.problems}


def messages(report: CheckReport, kind: str) -> list[str]:
    return [problem.line() for problem in report.problems if problem.kind == kind]


@pytest.fixture
def broken(tmp_path: Path) -> Path:
    """An FMB with one of every mistake."""
    root = worlds.fmb(tmp_path / "FMB", train=9, test=2)
    train = root / "train"
    (train / "Infrared" / "00000.png").unlink()  # damaged archive
    (train / "Label" / "00001.png").unlink()  # missing label
    ids = worlds.labels(2, 15)
    ids[3, 5] = 77
    worlds.save(train / "Label" / "00002.png", ids)  # id out of range
    painted = FMB.colours()[worlds.labels(3, 15)].copy()
    painted[4, 7] = (1, 2, 3)
    worlds.save(train / "Label" / "00003.png", painted)  # unknown colour
    worlds.save(train / "Infrared" / "00004.png", worlds.picture(4, channels=1, size=(24, 30)))  # unequal sizes
    data = (train / "Visible" / "00005.png").read_bytes()
    (train / "Visible" / "00005.png").write_bytes(data[: len(data) // 2])  # truncated
    worlds.save(train / "Label" / "00006.png", worlds.labels(6, 15, size=(12, 16)))  # label of another size
    (train / "Visible" / "00007.PNG").write_bytes((train / "Visible" / "00007.png").read_bytes())
    (train / "Visible" / "00007.png").unlink()  # upper case: not a mistake
    (train / "Visible" / ".hidden.png").write_bytes(b"x")  # hidden: not a mistake
    (train / "loop").symlink_to(root, target_is_directory=True)
    (root / "dead").symlink_to(root / "nowhere")
    worlds.save_pair(root / "test/Infrared/00000.png", root / "test/Visible/00000.png", 8)  # as train 00008
    return root


def test_all_problems_in_one_report(broken: Path) -> None:
    report = check("fmb", broken)
    assert not report.sound
    assert kinds(report) >= {
        "unequal-counts", "no-partner", "missing-label", "label-range", "unknown-colour", "sizes", "unreadable", "link",
        "leak", "count", "absent-class",
    }  # fmt: skip
    (counts,) = messages(report, "unequal-counts")
    assert "8 infrared and 9 visible pictures, 8 names in common" in counts
    assert "archive was probably damaged or not fully unpacked" in counts
    assert "77 (first at x=5 y=3), expected 0..14 of fmb or 255" in messages(report, "label-range")[0]
    assert "(1, 2, 3) at x=7 y=4 (1 pixels)" in messages(report, "unknown-colour")[0]
    assert any("30x24 but visible is 32x24" in line for line in messages(report, "sizes"))
    assert any("label is 16x12 but its pair is 32x24" in line for line in messages(report, "sizes"))
    assert any("damaged or truncated" in line for line in messages(report, "unreadable"))
    assert any("a loop" in line for line in messages(report, "link"))
    assert any("leads nowhere" in line for line in messages(report, "link"))
    (leak,) = messages(report, "leak")
    assert "train/00008 in train, test/00000 in test" in leak
    assert all("\n" not in problem.line() for problem in report.problems)
    assert "train/00007" in report.splits["train"]  # the test split has a 00001 as train has, so all bear their split


def test_opening_a_broken_data_set(broken: Path) -> None:
    with pytest.raises(InputError, match=r"damaged or not fully unpacked.*and \d+ more: segmif data check"):
        open_dataset("fmb", broken, split="train")
    whole = open_dataset("fmb", broken, split="train", strict=False)
    assert "00000" not in whole.names
    with pytest.raises(InputError, match="have ids 77"):
        whole[whole.names.index("00002")]


def test_sound_data_set_and_summary(tmp_path: Path) -> None:
    report = check("fmb", worlds.fmb(tmp_path / "FMB", train=3, test=2))
    assert report.sound
    values = summary(report)
    json.dumps(values, allow_nan=False)
    assert values["splits"] == {"train": 3, "test": 2}
    assert values["published"] == {"train": 1220, "test": 280}
    train = values["samples"]["train"]
    assert train["labelled"] == {"hand": 3}
    assert train["sizes"] == {"32x24": 3}
    assert sum(train["class_share"].values()) == pytest.approx(1)
    pixels = sum(np.bincount(worlds.labels(i, 15).ravel(), minlength=256) for i in range(3))
    np.testing.assert_array_equal(class_pixels(report.facts)["train"], pixels)


def test_checking_in_processes_gives_the_same(tmp_path: Path) -> None:
    info = dataset_info("fmb")
    root = worlds.fmb(tmp_path / "FMB", train=3, test=1)
    finished: list[tuple[int, int]] = []
    together = check_dataset(info, root, workers=2, on_progress=lambda *count: finished.append(count))
    assert summary(together) == summary(check_dataset(info, root))
    assert finished == [(i + 1, 4) for i in range(4)]


def test_box_problems(tmp_path: Path) -> None:
    root = worlds.llvip(tmp_path / "LLVIP")
    worlds.voc(root / "Annotations/010001.xml", [])
    worlds.voc(
        root / "Annotations/010002.xml", [("person", 3, 5, 3, 4), ("person", 40, 5, 50, 9), ("person", 20, 5, 50, 9)]
    )
    (root / "Annotations/190001.xml").write_text("")
    report = check("llvip", root)
    assert any("holds no object" in line for line in messages(report, "no-boxes"))
    assert any("has no area; dropped" in line for line in messages(report, "box-empty"))
    assert any("lies outside; dropped" in line for line in messages(report, "box-outside"))
    assert any("reaches outside; clipped" in line for line in messages(report, "box-outside"))
    assert any("190001.xml" in line and "0 bytes" in line for line in messages(report, "unreadable"))
    boxes = open_dataset("llvip", root, split="train")[1].boxes
    assert boxes is not None
    np.testing.assert_array_equal(boxes.xyxy, [[19, 4, 32, 9]])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("<annotation><object>", "is not XML"),
        ("<a><object><name>person</name></object></a>", "object 1 has no number in one of xmin"),
        (
            "<a><object><bndbox><xmin>1</xmin><ymin>1</ymin><xmax>2</xmax><ymax>2</ymax></bndbox></object></a>",
            "no name",
        ),
    ],
)
def test_bad_xml(tmp_path: Path, text: str, message: str) -> None:
    root = worlds.llvip(tmp_path / "LLVIP")
    (root / "Annotations/010001.xml").write_text(text)
    assert any(message in line for line in messages(check("llvip", root), "unreadable"))


def test_unknown_box_class(tmp_path: Path) -> None:
    root = worlds.m3fd(tmp_path)
    worlds.voc(root / "Annotation/00001.xml", [("Zebra", 1, 1, 5, 5)])
    assert "box class 'Zebra' is not in fmb" in messages(check("m3fd", root), "unknown-class")[0]


@pytest.mark.parametrize(
    ("text", "message"),
    [("not json", "is not JSON"), ("[]", "is not a COCO file"), ('{"images": []}', "is not a COCO file")],
)
def test_bad_coco(tmp_path: Path, text: str, message: str) -> None:
    root = worlds.paired(tmp_path)
    (root / "boxes.json").write_text(text)
    assert message in messages(check("folder", root), "unreadable")[0]


def test_coco_of_another_export(tmp_path: Path) -> None:
    root = worlds.paired(tmp_path)
    content = json.loads((root / "boxes.json").read_text())
    content["images"][0]["width"] = 64
    (root / "boxes.json").write_text(json.dumps(content))
    assert "says b is 64x24, it is 32x24" in messages(check("folder", root), "sizes")[0]


@pytest.mark.parametrize(
    ("line", "message"), [("0 0.5 0.5", "is not 'class cx cy w h'"), ("7 0.5 0.5 0.1 0.1", "has class 7, expected")]
)
def test_bad_yolo(tmp_path: Path, line: str, message: str) -> None:
    root = worlds.msrs(tmp_path) / "detection"
    (root / "labels/1.txt").write_text(f"\n{line}\n")
    assert message in messages(check("msrs", root), "unreadable")[0]


def test_split_file_lines(tmp_path: Path) -> None:
    root = worlds.paired(tmp_path)
    (root / "train.txt").write_text("a\nghost\na\n")
    (root / "val.txt").write_bytes(b"\xff\xfe\x00")
    (root / "test.txt").write_text("a\nb\n")
    report = check("folder", root)
    lines = messages(report, "split-file")
    assert any("train.txt:2: names 'ghost', which is not among the pairs" in line for line in lines)
    assert any("train.txt:3: names 'a' a second time" in line for line in lines)
    assert any("val.txt" in line and "expected one name per line" in line for line in lines)


def test_same_pair_in_two_splits(tmp_path: Path) -> None:
    root = worlds.paired(tmp_path, ("a", "b", "c"))
    (root / "train.txt").write_text("a\nb\n")
    (root / "test.txt").write_text("b\nc\n")
    assert any("b: stands in both train and test" in line for line in messages(check("folder", root), "leak"))


def test_flat_and_lonely_files(tmp_path: Path) -> None:
    root = worlds.fmb(tmp_path / "FMB", train=2, test=1)
    worlds.save(root / "train/Infrared/00000.png", np.zeros(worlds.SIZE, np.uint8))
    worlds.save(root / "train/Label/00009.png", worlds.labels(1, 15))
    report = check("fmb", root)
    assert "the infrared picture has one value everywhere" in messages(report, "flat")[0]
    assert any("label without its pair" in line for line in messages(report, "no-partner"))
    assert report.sound


def test_swapped_red_and_near_infrared(tmp_path: Path) -> None:
    root = worlds.cwfid(tmp_path)
    plants = worlds.labels(1, 3) > 0
    bands = np.dstack([np.where(plants, low, high) for low, high in ((40, 90), (0, 0), (200, 60))]).astype(np.uint8)
    worlds.save(root / "images/001_image.png", bands)
    assert not any("001_image" in line for line in messages(check("cwfid", root), "bands"))
    worlds.save(root / "images/001_image.png", bands[..., ::-1].copy())
    assert any("001_image" in line and "may be swapped" in line for line in messages(check("cwfid", root), "bands"))


def test_two_files_of_one_name(tmp_path: Path) -> None:
    root = worlds.paired(tmp_path)
    worlds.save(root / "visible/a.jpg", worlds.picture(1))
    assert "shares its name with" in messages(check("folder", root), "same-name")[0]


def test_bicycle_is_missed_in_words(tmp_path: Path) -> None:
    root = worlds.fmb(tmp_path / "FMB", train=1, test=1)
    worlds.save(
        root / "test/Label/00000.png", np.arange(24 * 32, dtype=np.uint64).reshape(24, 32).astype(np.uint8) % 13
    )
    absent = messages(check("fmb", root), "absent-class")
    assert any("fmb test: no pixel of bicycle, pole" in line for line in absent)


def test_labels_without_a_label_set_and_16_bit(tmp_path: Path) -> None:
    from segmif.data.labels import LabelCode, read_label_file

    path = tmp_path / "l.png"
    worlds.save(path, (np.eye(4) * 300).astype(np.uint16))
    ids, problems = read_label_file(path, None)
    assert ids is not None
    assert ids[0, 0] == 255
    assert "expected 0..255" in problems[0].message
    worlds.save(path, np.array([[0, 9]], np.uint8))
    ids, problems = read_label_file(path, FMB, LabelCode(table={0: 3}))
    assert ids is not None
    assert ids.tolist() == [[3, 255]]
    assert "expected one of [0]" in problems[0].message
    worlds.save(path, np.repeat(np.array([[[2], [3]]], np.uint8), 3, axis=2))
    ids, problems = read_label_file(path, FMB)
    assert ids is not None
    assert ids.tolist() == [[2, 3]]
    worlds.save(path, np.array([[True, False]]))
    ids, _ = read_label_file(path, FMB, LabelCode(threshold=128))
    assert ids is not None
    assert ids.tolist() == [[1, 0]]
    path.write_text("text")
    ids, problems = read_label_file(path, FMB)
    assert ids is None
    assert "is not a readable label picture" in problems[0].message


def test_html_page_needs_nothing_else(broken: Path, tmp_path: Path) -> None:
    report = check("fmb", broken)
    write_report(report, tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text()
    assert page == html_report(report)
    assert "data:image/jpeg;base64," in page
    assert "src='http" not in page
    assert "<script" not in page
    assert "error: unequal-counts (1)" in page
    assert "near-duplicates" in page
    assert "traffic lamp" in page


def test_html_page_without_labels_boxes_or_problems(tmp_path: Path) -> None:
    for i in range(2):
        worlds.save_pair(tmp_path / f"ir/{i}.png", tmp_path / f"vi/{i}.png", i)
    page = html_report(check("tno", tmp_path))
    assert "<h2>Classes" not in page
    assert page.count("<img") == 4


def test_html_page_escapes_names(tmp_path: Path) -> None:
    worlds.paired(tmp_path, ("<b>a", "b", "c"))
    page = html_report(check("folder", tmp_path))
    assert "&lt;b&gt;a" in page
    assert "<b>a" not in page


def test_html_of_a_data_set_none_of_which_can_be_read(tmp_path: Path) -> None:
    root = worlds.paired(tmp_path)
    for path in (root / "visible").iterdir():
        path.write_bytes(b"")
    report = check("folder", root)
    assert [fact.size for fact in report.facts] == [None, None, None]
    assert "unreadable" in html_report(report)


def test_lists_that_name_nothing(tmp_path: Path) -> None:
    root = worlds.paired(tmp_path)
    (root / "train.txt").write_text("ghost\n")
    report = check("folder", root)
    assert report.splits == {"train": []}
    assert not report.facts
    assert not report.sound


def test_raise_first() -> None:
    raise_first([Problem(kind="x", where="w", message="m", severity="warning")])
    with pytest.raises(InputError, match=r"^w: m$"):
        raise_first([Problem(kind="x", where="w", message="m")])
