"""What a run says before hours are spent: the dry run, and the checks at its beginning."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import pytest

from segmif.checks import InputError
from segmif.train.check import dry_run, shortened
from segmif.train.config import LossConfig, Recipe, StageConfig, plan
from segmif.train.loop import train
from segmif.train.recipes import clean, recipe
from tests.train.conftest import MakeRecipe

NONE = StageConfig()
LONG = StageConfig(steps=1000, learning_rate=1e-3, augment=clean(48))


def test_dry_run_estimates_and_leaves_nothing(tiny: MakeRecipe, tmp_path: Path) -> None:
    wanted = tiny(rounds=3, first_fusion=LONG, segmentation=NONE, fusion=LONG, joint=NONE, validate_every=500)
    report = dry_run(wanted, tmp_path / "runs" / "run")
    assert "the whole run: 3000 steps, about" in report
    assert "fusion-2: " in report
    assert "validation: " in report
    assert "1 pairs, 9 times" in report or "2 pairs, 9 times" in report
    assert "memory: " in report
    assert report.endswith("check passed")
    assert {path.name for path in tmp_path.iterdir()} <= {"cache"}


def test_shortened_recipe_keeps_every_kind_of_stage() -> None:
    phases = plan(shortened(recipe("reference")))
    assert [phase.name for phase in phases] == ["fusion-1", "segmentation-1", "fusion-2", "segmentation-2"]
    assert {phase.stage.steps for phase in phases} == {2}


def _no_classes(base: Recipe) -> Recipe:
    return replace(base, model=replace(base.model, num_classes=None, label_set=None))


class Mistake(NamedTuple):
    make: Callable[[Recipe], Recipe]
    message: str


@pytest.mark.parametrize(
    "mistake",
    [
        Mistake(_no_classes, "segmentation-1 needs a segmentation network: .* set --segmentation.steps 0"),
        Mistake(lambda r: replace(r, joint=replace(LONG, batch=0)), "--joint.batch is 0: must be at least 1"),
        Mistake(lambda r: replace(r, fusion=replace(LONG, learning_rate=0)), "--fusion.learning-rate is 0"),
        Mistake(lambda r: replace(r, loss=LossConfig(class_weights=(("cra", 2.0),))), "'cra': did you mean 'car'"),
        Mistake(lambda r: replace(r, device="cuda:x"), "unknown device 'cuda:x'"),
        Mistake(lambda r: replace(r, trackers=("wandbb",)), "unknown tracker 'wandbb': did you mean 'wandb'"),
    ],
)
def test_mistakes_are_one_line_before_the_first_step(tiny: MakeRecipe, tmp_path: Path, mistake: Mistake) -> None:
    with pytest.raises(InputError, match=mistake.message) as caught:
        train(mistake.make(tiny()), tmp_path / "run")
    assert "\n" not in str(caught.value)


def test_folders_that_will_not_do(tiny: MakeRecipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    brief = tiny(rounds=1, first_fusion=replace(LONG, steps=1), segmentation=NONE, joint=NONE)
    (tmp_path / "file").write_text("")
    for action in (train, dry_run):
        with pytest.raises(InputError, match="cannot be written"):
            action(brief, tmp_path / "file" / "run")
    train(brief, tmp_path / "run")
    for action in (train, dry_run):
        with pytest.raises(InputError, match="holds a run already; continue it with --resume"):
            action(brief, tmp_path / "run")
    with pytest.raises(InputError, match="made by another recipe: seed was 0, now 1"):
        train(replace(brief, seed=1), tmp_path / "run", resume=True)
    for checkpoint in (tmp_path / "run").glob("*.pt"):
        checkpoint.unlink()
    with pytest.raises(InputError, match="holds no checkpoint"):
        train(brief, tmp_path / "run", resume=True)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(1, 1, 1000))  # type: ignore[attr-defined]
    with pytest.raises(InputError, match="0 MiB are free but checkpoints and models of this run take"):
        train(brief, tmp_path / "full")


def test_a_run_that_learnt_nothing_is_begun_anew_with_the_mistake_mended(tiny: MakeRecipe, tmp_path: Path) -> None:
    brief = tiny(rounds=1, first_fusion=replace(LONG, steps=1), segmentation=NONE, joint=NONE)
    too_large = replace(brief.first_fusion, augment=replace(brief.first_fusion.augment, crop=4000))
    with pytest.raises(InputError, match="the crop of 4000 exceeds"):
        train(replace(brief, first_fusion=too_large), tmp_path / "run")
    assert (tmp_path / "run" / "recipe.json").exists()
    train(brief, tmp_path / "run")
    assert json.loads((tmp_path / "run" / "recipe.json").read_text())["first_fusion"]["augment"]["crop"] == 48
    with pytest.raises(InputError, match="holds a run already"):
        train(brief, tmp_path / "run")


def test_resuming_with_another_number_of_processes(
    tiny: MakeRecipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from segmif.train import loop
    from segmif.train.distributed import Workers

    brief = tiny(rounds=1, first_fusion=replace(LONG, steps=1), segmentation=NONE, joint=NONE)
    train(brief, tmp_path / "run")
    monkeypatch.setattr(loop, "join_workers", lambda _: Workers(count=2))
    monkeypatch.setattr(loop, "wait_for_all", lambda _: None)  # there is no second one to wait for
    with pytest.raises(InputError, match="was trained by 1 processes, now there are 2"):
        train(brief, tmp_path / "run", resume=True)


def test_disk_that_fills_up_under_the_curves(tiny: MakeRecipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("segmif.train.journal.Journal.log_step", full)
    with pytest.raises(InputError, match=r"run: cannot be written \(No space left on device\); free space"):
        train(tiny(), tmp_path / "run")
