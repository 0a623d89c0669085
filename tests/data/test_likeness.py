"""Hashes of like pictures are near, groups and sequences hold together, splits do not leak."""

from pathlib import Path

import cv2
import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from segmif.checks import InputError
from segmif.data import open_dataset
from segmif.data.likeness import NEAR, groups_of, hash_dataset, near_pairs, pair_hash, perceptual_hash, sequence_links
from segmif.data.splits import make_splits, read_split_file, write_splits

from . import worlds


def bits(one: int, two: int) -> int:
    return (one ^ two).bit_count()


def test_hash_is_blind_to_size_brightness_and_compression() -> None:
    image = worlds.picture(3, size=(120, 160))
    value = perceptual_hash(image)
    assert value < 2**64
    smaller = cv2.resize(image, (90, 70), interpolation=cv2.INTER_AREA)
    darker = (image * 0.6 + 20).astype(np.uint8)
    jpeg = cv2.imdecode(cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 60])[1], cv2.IMREAD_COLOR)
    for other in (smaller, darker, jpeg, image.astype(np.uint16) * 200):
        assert bits(value, perceptual_hash(other)) <= 7  # half of what makes a near-duplicate
    assert np.mean([bits(value, perceptual_hash(worlds.picture(i))) for i in range(10, 30)]) > 20


def test_near_pairs() -> None:
    infrared = {i: worlds.picture(i, channels=1) for i in range(4)}
    visible = {i: worlds.picture(50 + i) for i in range(4)}
    hashes = {str(i): pair_hash(infrared[i], visible[i]) for i in range(4)}
    hashes["again"] = pair_hash(infrared[2], (visible[2] * 0.9).astype(np.uint8))
    found = near_pairs(hashes)
    assert [(a, b) for a, b, _ in found] == [("2", "again")]
    assert found[0][2] == bits(hashes["2"], hashes["again"]) <= NEAR
    assert near_pairs({"one": 5}) == []


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=12))
@settings(max_examples=50, deadline=None)
def test_groups_are_the_connected_parts(links: list[tuple[int, int]]) -> None:
    names = [str(i) for i in range(10)]
    groups = groups_of(names, [(str(a), str(b)) for a, b in links])
    assert sorted(name for group in groups for name in group) == names
    of = {name: number for number, group in enumerate(groups) for name in group}
    assert all(of[str(a)] == of[str(b)] for a, b in links)
    assert len(groups) >= 10 - len({(min(link), max(link)) for link in links})


def test_sequences_in_names() -> None:
    links = sequence_links(["FLIR_00006", "FLIR_00018", "FLIR_video_00010", "FLIR_00020", "plain"], gap=5)
    assert links == [("FLIR_00018", "FLIR_00020")]


groups_strategy = st.lists(st.integers(1, 6), min_size=3, max_size=25).map(
    lambda sizes: [[f"g{i}_{j}" for j in range(size)] for i, size in enumerate(sizes)]
)


@given(groups=groups_strategy, seed=st.integers(0, 5))
@settings(max_examples=60, deadline=None)
def test_splits_tear_no_group_and_keep_their_parts(groups: list[list[str]], seed: int) -> None:
    fractions = {"train": 0.7, "val": 0.2, "test": 0.1}
    splits = make_splits(groups, fractions, seed=seed)
    assert all(splits.values())
    of = {name: split for split, names in splits.items() for name in names}
    assert sorted(of) == sorted(name for group in groups for name in group)
    assert all(len({of[name] for name in group}) == 1 for group in groups)
    largest, total = max(map(len, groups)), len(of)
    if len(groups) > 12:
        assert all(abs(len(splits[s]) - part * total) <= largest + 1 for s, part in fractions.items())
    assert splits == make_splits(groups, fractions, seed=seed)


def test_impossible_splits() -> None:
    with pytest.raises(InputError, match="add up to 1"):
        make_splits([["a"], ["b"]], {"train": 0.5, "val": 0.4})
    with pytest.raises(InputError, match="1 independent groups, too few for 2 splits"):
        make_splits([["a", "b"]], {"train": 0.5, "val": 0.5})


def test_written_splits_are_read_back(tmp_path: Path) -> None:
    root = worlds.paired(tmp_path, ("a", "b", "c"))
    write_splits(root, {"train": ["a", "c"], "val": ["b"]})
    assert open_dataset("folder", root, split="train").names == ["a", "c"]
    with pytest.raises(InputError, match="is there already"):
        write_splits(root, {"val": ["c"]})
    write_splits(root, {"val": ["c"]}, overwrite=True)
    assert open_dataset("folder", root, split="val").names == ["c"]


@pytest.mark.parametrize(
    "text", ["train: [1, 2]\ntest: [3]\n", "train:\n  - 1\n  - 2\ntest:\n- 3\n", "test: [3]\ntrain: ['001', 002]"]
)
def test_yaml_lists_in_either_style(tmp_path: Path, text: str) -> None:
    path = tmp_path / "s.yaml"
    path.write_text(text)
    known = ["001", "002", "003"]
    assert read_split_file(path, "train", known) == (["001", "002"], [])
    assert read_split_file(path, "test", known) == (["003"], [])
    assert read_split_file(path, "val", known) == ([], [])


def test_real_near_duplicates(shared: Path) -> None:
    """Frames people saw to be of one place, and nothing else, on the test half of RoadScene and on TNO."""
    found = near_pairs(hash_dataset(open_dataset("tno", shared / "data/tno")))
    assert {(a, b) for a, b, _ in found} == {("16", "18"), ("23", "33")}
