"""One run to a folder: who may write there, and what killed runs left."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from segmif.checks import InputError
from segmif.claims import claim, remove_left_over
from segmif.io import temporary_beside, write_text

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there are no locks on folders")


def test_the_folder_is_made_and_no_file_is_left_in_it(tmp_path: Path) -> None:
    with claim(tmp_path / "a" / "b") as folder:
        assert folder.is_dir()
        assert list(folder.iterdir()) == []
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize(("first", "second"), [(False, False), (False, True), (True, False)])
def test_a_second_run_is_refused_in_one_line(tmp_path: Path, first: bool, second: bool) -> None:
    with (
        claim(tmp_path, shared=first),
        pytest.raises(InputError, match="another run is writing there; wait") as caught,
        claim(tmp_path, shared=second),
    ):
        pass
    assert "\n" not in str(caught.value)
    with claim(tmp_path):  # and the end of the first one frees the folder
        pass


def test_shared_claims_are_held_together(tmp_path: Path) -> None:
    with claim(tmp_path, shared=True), claim(tmp_path, shared=True):
        pass


def test_a_claim_ends_with_its_process_though_a_fork_of_it_lives_on(tmp_path: Path) -> None:
    """As a loader process does that has not noticed yet that its parent was killed."""
    script = textwrap.dedent("""
        import os, sys, time
        from segmif.claims import claim
        with claim(sys.argv[1]):
            if os.fork() == 0:
                print(os.getpid(), flush=True)  # by the child: it runs now, and has had its time to let go
            time.sleep(60)
    """)
    with subprocess.Popen([sys.executable, "-c", script, tmp_path], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())  # not all of it: the fork holds the pipe open
        parent.kill()
        parent.wait()
    try:
        os.kill(child, 0)  # it lives
        with claim(tmp_path):
            pass
    finally:
        os.kill(child, 9)


def _dead_process() -> int:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_only_temporary_files_of_killed_runs_are_removed(tmp_path: Path) -> None:
    dead = _dead_process()
    ours = [temporary_beside(tmp_path / "mine.png"), tmp_path / ".notes.tmp", tmp_path / f"a.{dead}.tmp.png"]
    left = [tmp_path / f".a b.c.{dead}-0123456789abcdef.tmp.png", tmp_path / f".x.{dead}-0123456789abcdef.tmp"]
    deep = tmp_path / "sub" / f".z.{dead}-0123456789abcdef.tmp.pt"
    for path in (*ours, *left, deep):
        write_text(path, "x")
    with claim(tmp_path, shared=True):
        assert not any(path.exists() for path in left)
        assert all(path.exists() for path in (*ours, deep))
    with claim(tmp_path, below=True):
        assert not deep.exists()
    assert all(path.exists() for path in ours)


def test_nothing_is_removed_while_another_run_writes(tmp_path: Path) -> None:
    left = tmp_path / f".a.{_dead_process()}-0123456789abcdef.tmp.png"
    left.write_text("x")
    with claim(tmp_path, shared=True):
        left.write_text("x")
        with claim(tmp_path, shared=True):
            assert left.exists()
    assert remove_left_over(tmp_path) == 1


def test_a_file_in_its_place_is_refused(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("")
    with pytest.raises(InputError, match="cannot be written"), claim(tmp_path / "out"):
        pass


def test_temporary_names_cannot_be_guessed_and_fit_into_255_bytes(tmp_path: Path) -> None:
    names = {temporary_beside(tmp_path / f"{'ä' * 120}.png").name for _ in range(8)}
    assert len(names) == 8
    assert all(len(name.encode()) <= 255 and name.endswith(".tmp.png") for name in names)
    write_text(tmp_path / ("x" * 251 + ".txt"), "fits")
