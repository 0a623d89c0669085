"""`segmif train`: recipes listed, run, tried and refused from the command line."""

from pathlib import Path

import pytest

from segmif.cli import main
from segmif.data.synthetic import write_dataset


def test_without_a_recipe_they_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train"]) == 0
    text = capsys.readouterr().out
    assert "reference" in text
    assert "ablation-no-attention" in text


def test_help_of_the_command_and_of_a_recipe(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "--help"]) == 0
    assert "--resume" in capsys.readouterr().out
    assert main(["train", "smoke", "--help"]) == 0
    assert "--joint.augment.crop" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["refrence"], "unknown recipe 'refrence': did you mean 'reference'"),
        (["smoke", "--joint.stpes", "3"], "did you mean '--joint.steps'"),
        (["smoke", "--data.root", "/nowhere"], "/nowhere: no such folder; say where the data sets are"),
    ],
)
def test_mistakes_are_one_line_and_exit_2(
    arguments: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", *arguments, "-o", str(tmp_path / "run")]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_smoke_recipe_is_checked_runs_and_resumes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_dataset(tmp_path / "synthetic", 4, size=(64, 96), test_share=0.0)
    run = tmp_path / "run"
    brief = ["train", "smoke", "--data.root", str(tmp_path), "--data.cache", str(tmp_path / "cache"), "-o", str(run)]
    brief += ["--rounds", "1", "--segmentation.steps", "0", "--joint.steps", "0"]
    assert main([*brief, "--check"]) == 0
    assert "check passed" in capsys.readouterr().out
    assert not run.exists()
    assert main(brief) == 0
    assert (run / "model" / "model.safetensors").is_file()
    assert main([*brief, "--resume"]) == 0
    assert main([*brief, "--resume", "--seed", "1"]) == 2
    assert "made by another recipe" in capsys.readouterr().err
