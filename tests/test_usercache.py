import os
from pathlib import Path

import pytest

from segmif.usercache import VARIABLE, cache_folder, keep, read_kept


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(VARIABLE, str(tmp_path / "kept"))
    return tmp_path / "kept"


def test_where(monkeypatch, tmp_path, folder):
    assert cache_folder() == folder
    monkeypatch.delenv(VARIABLE)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "segmif"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert cache_folder() == tmp_path / "home" / ".cache" / "segmif"


def test_bytes_survive(folder):
    assert read_kept("deep/name.bin") is None
    assert keep("deep/name.bin", b"data") == folder / "deep" / "name.bin"
    assert read_kept("deep/name.bin") == b"data"
    assert [path.name for path in (folder / "deep").iterdir()] == ["name.bin"]


def test_the_oldest_go(folder):
    for number in range(5):
        path = keep(f"{number}.bin", b"", at_most=3)
        assert path is not None
        os.utime(path, (number, number))
    assert sorted(path.name for path in folder.iterdir()) == ["2.bin", "3.bin", "4.bin"]


def test_a_folder_that_cannot_be_written(folder):
    folder.parent.mkdir(exist_ok=True)
    folder.write_text("in the way")
    assert keep("name.bin", b"data") is None
    assert read_kept("name.bin") is None
