"""Names of files that work on every system: Windows forbids some, and many disks do not tell a from A."""

from pathlib import Path

import pytest

from segmif import io
from segmif.checks import InputError, check_file_name
from segmif.cli import main
from segmif.data.splits import write_splits


@pytest.mark.parametrize("name", ["", "lab-3_", "Straße 7", "com10", "console", "a.b"])
def test_names_that_work_everywhere(name: str) -> None:
    check_file_name("prefix", name)


@pytest.mark.parametrize(
    "name",
    ["a:b", "a/b", "a\\b", "what?", "*", "a\nb", ".hidden", "end.", "end ", "CON", "lpt1.x", '"x"', "<", "|"],
)
def test_names_that_do_not(name: str) -> None:
    with pytest.raises(InputError, match="cannot be in a file's name on every system") as caught:
        check_file_name("prefix", name)
    assert "\n" not in str(caught.value)


def test_splits_do_not_leave_their_folder(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"split '\.\./train' cannot be in a file's name"):
        write_splits(tmp_path / "sub", {"../train": ["a"]})
    assert list(tmp_path.iterdir()) == []


def test_a_folder_tells_whether_it_tells_case_apart(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    assert io.tells_case_apart(tmp_path) is not (tmp_path / "A").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_pairs_that_would_overwrite_one_another_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    if not io.tells_case_apart(tmp_path):
        pytest.skip("the inputs need a disk that tells a from A")
    for band in ("infrared", "visible"):
        for name in ("Scene.png", "scene.png"):
            io.write_bytes(tmp_path / band / name, b"not even read")
    monkeypatch.setattr(io, "tells_case_apart", lambda _: False)
    code = main(["fuse", str(tmp_path / "infrared"), str(tmp_path / "visible"), "-o", str(tmp_path / "out")])
    assert code == 2
    assert "cannot hold the results of both Scene and scene" in capsys.readouterr().err
    assert list((tmp_path / "out").iterdir()) == []
