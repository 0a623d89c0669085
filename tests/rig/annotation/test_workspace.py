"""The annotator's folder: pairs found, documents kept, nothing overwritten that was not seen."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from segmif.checks import InputError
from segmif.io import write_image
from segmif.labelsets import FMB, MFNET
from segmif.rig.annotation.document import Document, Shape
from segmif.rig.annotation.workspace import StaleError, Workspace, find_pairs

CAR = Shape(class_id=9, points=((1, 1), (9, 1), (9, 7)), instance=1)


def picture(path: Path, size: tuple[int, int] = (12, 16), channels: int = 3) -> None:
    write_image(path, np.zeros((*size, channels) if channels > 1 else size, np.uint8))


def pairs(root: Path, *names: str, infrared: str = "infrared", visible: str = "visible") -> Path:
    for name in names:
        picture(root / infrared / f"{name}.png", channels=1)
        picture(root / visible / f"{name}.png")
    return root


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(pairs(tmp_path, "a", "night/b"), label_set=FMB, author="Ada")


def test_a_picture_without_file_has_an_empty_document(workspace):
    assert workspace.load("night/b") == Document(image="night/b.png", width=16, height=12)
    assert workspace.load("a") == Document(image="a.png", width=16, height=12), "the size is kept once it is known"
    assert list(workspace.folder.iterdir()) == []


def test_what_is_saved_is_there_again(workspace):
    begun = workspace.load("night/b")
    saved = workspace.save("night/b", replace(begun, shapes=(CAR,), author="somebody else"))
    assert (saved.revision, saved.author) == (1, "Ada")
    again = Workspace(workspace.root, label_set=FMB)
    assert again.load("night/b") == saved
    assert again.save("night/b", replace(saved, done=True)).author == "Ada", "without a name the old one stays"
    assert [(name, document and document.revision) for name, document in again.progress()] == [
        ("a", None),
        ("night/b", 2),
    ]
    assert [document.stem for document in again.annotations().documents] == ["night/b"]


def test_of_many_who_save_at_once_one_wins(workspace):
    begun = workspace.load("a")
    outcomes: list[object] = []

    def save(number: int) -> None:
        try:
            outcomes.append(workspace.save("a", replace(begun, attributes={"by": str(number)})))
        except StaleError as error:
            outcomes.append(error)

    threads = [threading.Thread(target=save, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (winner,) = (outcome for outcome in outcomes if isinstance(outcome, Document))
    assert workspace.load("a") == winner
    losers = [outcome for outcome in outcomes if isinstance(outcome, StaleError)]
    assert len(losers) == 7
    assert all(loser.current == winner for loser in losers)
    assert str(losers[0]) == "a.png was saved by Ada in the meantime"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"image": "b.png"}, "b.png (12, 16) is not a.png (12, 16)"),
        ({"width": 15}, "a.png (12, 15) is not a.png (12, 16)"),
        ({"shapes": (replace(CAR, class_id=77, instance=None),)}, "a.png: shape 1 has class 77"),
    ],
)
def test_what_does_not_belong_to_a_picture_is_not_saved(workspace, change, message):
    with pytest.raises(InputError) as caught:
        workspace.save("a", replace(workspace.load("a"), **change))
    assert message in str(caught.value)
    assert list(workspace.folder.iterdir()) == []


def test_only_the_names_of_pairs_become_paths(workspace):
    for name in ("c", "../a", "/etc/passwd"):
        with pytest.raises(InputError, match="there is no pair"):
            workspace.load(name)
        with pytest.raises(InputError, match="there is no pair"):
            workspace.save(name, workspace.load("a"))


def test_damaged_files_are_told_and_never_overwritten(workspace):
    begun = workspace.load("a")
    path = workspace.folder / "a.json"
    path.write_text("{")
    for refused in (lambda: workspace.load("a"), lambda: workspace.save("a", begun), workspace.annotations):
        with pytest.raises(InputError, match=r"a\.json: is not JSON"):
            refused()
    assert path.read_text() == "{"
    assert dict(workspace.progress())["a"] is None


def test_files_of_other_pictures_and_other_classes_are_told(workspace):
    workspace.save("a", workspace.load("a"))
    with pytest.raises(InputError, match=r"a\.json: was drawn with the classes of FMB, not of MFNet|classes of"):
        Workspace(workspace.root, label_set=MFNET).load("a")
    (workspace.folder / "night").mkdir()
    (workspace.folder / "a.json").rename(workspace.folder / "night" / "b.json")
    with pytest.raises(InputError, match=r"b\.json: is of a\.png; name the file like its picture"):
        workspace.load("night/b")


@pytest.mark.parametrize(
    ("infrared", "visible"), [("Infrared", "Visible"), ("ir", "VIS"), ("thermal", "visible"), ("ir", "vi")]
)
def test_folders_of_the_field_are_found(tmp_path, infrared, visible):
    pairing = find_pairs(pairs(tmp_path, "a", infrared=infrared, visible=visible))
    assert [pair.name for pair in pairing.pairs] == ["a"]


def test_registered_infrared_goes_before_the_recorded(tmp_path):
    pairs(tmp_path, "a", "b")
    picture(tmp_path / "registered" / "infrared" / "b.png", channels=1)
    (pair,) = find_pairs(tmp_path).pairs
    assert pair.infrared == tmp_path / "registered" / "infrared" / "b.png"


def test_folders_without_pairs_are_told_what_is_needed(tmp_path):
    with pytest.raises(InputError, match="/nowhere: no such folder"):
        find_pairs(tmp_path / "nowhere")
    with pytest.raises(InputError, match=r"needs two folders, infrared and visible.*it holds no folder"):
        find_pairs(tmp_path)
    for name in "abcdefg":
        (tmp_path / name).mkdir()
    with pytest.raises(InputError, match=r"holds the folders a, b, c, d, e and 2 more: rename them"):
        find_pairs(tmp_path)
    (tmp_path / "infrared").mkdir()
    (tmp_path / "visible").write_text("a file")
    with pytest.raises(InputError, match="needs two folders"):
        find_pairs(tmp_path)
