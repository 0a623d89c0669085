"""Damaged files of every kind: one line of what is wrong, or a result; never a traceback, a hang or a file elsewhere.

`python tools/fuzz.py --cases 10000` runs many more of the same cases.
"""

import warnings
from pathlib import Path

import pytest

from segmif.checks import InputError
from tests import fuzzing

CASES = 12
TARGETS = {target.name: target for target in fuzzing.targets()}


@pytest.mark.parametrize("name", TARGETS)
def test_the_undamaged_file_is_read(name, tmp_path):
    """Otherwise the cases below would test nothing but the first check of a reader."""
    target = TARGETS[name]
    for file, data in target.files.items():
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_bytes(data)
    target.read(tmp_path if target.folder else tmp_path / next(iter(target.files)))


@pytest.mark.parametrize("name", TARGETS)
def test_damaged_files_are_refused_in_one_line_or_read(name, tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow's on strange TIFF tags
        outcomes = [fuzzing.run_case(TARGETS[name], case, tmp_path) for case in range(CASES)]
    assert [f"case {o.case}: {o.fault}" for o in outcomes if o.fault] == []
    assert any(outcome.refused for outcome in outcomes) or name.startswith("label ")


def _fail(path: Path) -> None:
    raise KeyError("a bug")


def _write(path: Path) -> None:
    path.with_suffix(".new").write_bytes(b"x")


def _two_lines(path: Path) -> None:
    raise InputError("one\ntwo")


@pytest.mark.parametrize(("read", "fault"), [(_fail, "KeyError"), (_write, "touched"), (_two_lines, "several lines")])
def test_the_fuzzer_sees_faults(read, fault, tmp_path):
    target = fuzzing.Target(name="x", files={"a.bin": b"12345678"}, read=read)
    assert fault in str(fuzzing.run_case(target, 0, tmp_path).fault)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("case", [19, 219])
def test_a_label_that_claims_more_pixels_than_it_can_hold_is_refused_at_once(case, tmp_path):
    """Found by the fuzzer: two kilobytes became 165 million pixels, and sorting their colours took a minute."""
    outcome = fuzzing.run_case(TARGETS["label painted"], case, tmp_path)
    assert outcome.fault is None
    assert outcome.seconds < 1


def test_a_case_is_the_same_each_time():
    import random

    data = TARGETS["picture png"].files["a.png"]
    damaged = [fuzzing.damage(data, random.Random(seed)) for seed in range(20)]
    assert damaged == [fuzzing.damage(data, random.Random(seed)) for seed in range(20)]
    assert len({*damaged, data}) > 15
