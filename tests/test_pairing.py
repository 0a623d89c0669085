import os
import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segmif import pairing
from segmif.checks import InputError


def touch(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


def test_pairs_by_stem_in_natural_order(tmp_path):
    infrared = touch(tmp_path / "ir", "f10.png", "f9.PNG", "f1.png", "lost.png", ".hidden.png", "notes.txt")
    visible = touch(tmp_path / "vis", "f1.jpg", "f9.jpg", "f10.tiff", "extra2.bmp", "extra10.bmp")
    found = pairing.pair_by_stem(infrared, visible)
    assert [p.name for p in found.pairs] == ["f1", "f9", "f10"]
    assert found.pairs[1].infrared == infrared / "f9.PNG"
    assert found.only_infrared == [infrared / "lost.png"]
    assert found.only_visible == [visible / "extra2.bmp", visible / "extra10.bmp"]
    assert found.summary() == (
        "3 pairs; 1 infrared without a partner (first: lost.png); 2 visible without a partner (first: extra2.bmp)"
    )


def test_a_full_pairing_says_only_how_many(tmp_path):
    touch(tmp_path, "a/1.png", "b/1.png")
    assert pairing.pair_by_stem(tmp_path / "a", tmp_path / "b").summary() == "1 pair"


def test_sub_folders_hidden_ones_and_loops_of_links(tmp_path):
    infrared = touch(tmp_path / "ir", "day/1.png", "night/1.png", ".cache/1.png", "0.png")
    visible = touch(tmp_path / "vis", "day/1.png", "night/1.png", ".cache/1.png", "0.png")
    (infrared / "loop").symlink_to(infrared, target_is_directory=True)
    assert [p.name for p in pairing.pair_by_stem(infrared, visible).pairs] == ["0"]
    found = pairing.pair_by_stem(infrared, visible, recursive=True)
    assert [p.name for p in found.pairs] == ["0", "day/1", "night/1"]


def test_nothing_in_common_names_what_is_there(tmp_path):
    infrared, visible = touch(tmp_path / "ir", "a.png", "b.png", "c.png"), touch(tmp_path / "vis")
    visible.mkdir()
    with pytest.raises(InputError, match=r"holds 3 pictures \(a, b, …\) and .* holds 0 \(none\), no name in common"):
        pairing.pair_by_stem(infrared, visible)


def test_two_files_of_one_stem_are_ambiguous(tmp_path):
    folder = touch(tmp_path, "a.jpg", "a.png")
    with pytest.raises(InputError, match=r"a\.png: shares its name with a\.jpg"):
        pairing.list_images(folder)


def test_a_missing_folder_and_a_file(tmp_path):
    for path in (tmp_path / "missing", touch(tmp_path, "a.png") / "a.png"):
        with pytest.raises(InputError, match="no such folder"):
            pairing.list_images(path)


@pytest.mark.parametrize("recursive", [False, True])
def test_a_folder_that_may_not_be_listed(tmp_path, monkeypatch, recursive):
    def refuse(path: object) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(InputError, match=r"cannot be listed \(Permission denied\)"):
        pairing.list_images(tmp_path, recursive=recursive)


NAMES = st.lists(st.text("ab01٣²-/", min_size=1, max_size=6), unique=True, max_size=8)


@given(NAMES)
def test_natural_order_is_total_and_does_not_depend_on_the_start(names):
    expected = sorted(names, key=pairing.natural_key)
    shuffled = random.Random(0).sample(names, len(names))
    assert sorted(shuffled, key=pairing.natural_key) == expected


def test_natural_order_of_real_names():
    names = ["00012N", "00012D", "00002D", "frame10", "frame9", "7", "07", "a", "a1"]
    expected = ["00002D", "07", "7", "00012D", "00012N", "a", "a1", "frame9", "frame10"]
    assert sorted(names, key=pairing.natural_key) == expected
