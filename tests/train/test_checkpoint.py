"""Checkpoints are whole or not there, the last two are kept, and only the run's own recipe may resume them."""

import multiprocessing
import resource
from pathlib import Path

import pytest
import torch

from segmif.checks import InputError
from segmif.train.checkpoint import check_same_recipe, checkpoints, load_checkpoint, save_checkpoint


def test_last_two_are_kept_and_the_newest_is_loaded(tmp_path: Path) -> None:
    for step in (5, 10, 15):
        save_checkpoint(tmp_path, step, {"step": step, "weights": torch.arange(step)})
    assert [path.name for path in checkpoints(tmp_path)] == ["checkpoint-00000010.pt", "checkpoint-00000015.pt"]
    state = load_checkpoint(tmp_path)
    assert state["step"] == 15
    assert torch.equal(state["weights"], torch.arange(15))


def test_damaged_newest_falls_back_to_the_one_before(tmp_path: Path) -> None:
    save_checkpoint(tmp_path, 1, {"step": 1})
    save_checkpoint(tmp_path, 2, {"step": 2}).write_bytes(b"PK damaged")
    assert load_checkpoint(tmp_path)["step"] == 1


def test_nothing_to_resume_from(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no checkpoint to resume from"):
        load_checkpoint(tmp_path)
    (tmp_path / "checkpoint-00000001.pt").write_bytes(b"")
    with pytest.raises(InputError, match=r"no checkpoint can be read \(checkpoint-00000001.pt"):
        load_checkpoint(tmp_path)


def test_checkpoint_with_code_in_it_is_not_run(tmp_path: Path) -> None:
    torch.save({"path": Path("x")}, tmp_path / "checkpoint-00000001.pt")
    with pytest.raises(InputError, match="no checkpoint can be read"):
        load_checkpoint(tmp_path)


def _save_on_a_full_disk(folder: Path, answers: "multiprocessing.Queue[str]") -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
    import signal

    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        save_checkpoint(folder, 2, {"weights": torch.zeros(1_000_000)})
    except InputError as error:
        answers.put(str(error))


def test_full_disk_is_one_clear_line_and_keeps_the_last_checkpoint(tmp_path: Path) -> None:
    save_checkpoint(tmp_path, 1, {"step": 1})
    context = multiprocessing.get_context("fork")
    answers = context.Queue()
    process = context.Process(target=_save_on_a_full_disk, args=(tmp_path, answers))
    process.start()
    message = answers.get(timeout=60)
    process.join()
    assert "checkpoint-00000002.pt: cannot be written" in message
    assert "free space" in message
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint-00000001.pt"]


def test_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be written"):
        save_checkpoint(tmp_path / "file" / "run", 1, {})


def test_another_recipe_is_refused_by_the_first_difference() -> None:
    saved = {"seed": 0, "fusion": {"steps": 10, "batch": 2}, "log_every": 1}
    now = {"seed": 0, "fusion": {"steps": 20, "batch": 4}, "log_every": 5}
    with pytest.raises(InputError, match=r"fusion.batch was 2, now 4 \(and 1 more differ\)"):
        check_same_recipe(saved, now, free=frozenset({"log_every"}))
    check_same_recipe(saved, {**saved, "log_every": 5}, free=frozenset({"log_every"}))
