"""The curves on disk: exact, without double steps after a resume, in TensorBoard and other trackers too."""

from pathlib import Path

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from segmif.losses import DynamicTaskWeights
from segmif.models import SegMiF
from segmif.train.config import Phase, StageConfig
from segmif.train.distributed import Workers
from segmif.train.ema import MovingAverage
from segmif.train.journal import Journal, duration
from segmif.train.run import Run
from tests.train.conftest import MakeRecipe
from tests.train.runs import curve

PHASE = Phase(index=0, kind="fusion", round=1, stage=StageConfig(steps=6))


def _run(tiny: MakeRecipe, folder: Path, **changes: object) -> Run:
    recipe = tiny(**{"log_every": 2, **changes})
    network = SegMiF(recipe.model)
    folder.mkdir(exist_ok=True)
    return Run(
        recipe=recipe,
        folder=folder,
        workers=Workers(),
        network=network,
        average=MovingAverage(network, 0.9),
        task_weights=DynamicTaskWeights(),
    )


def _log(run: Run, steps: range) -> None:
    with Journal(run, total=6) as journal:
        for step in steps:
            run.done = run.step = step
            journal.log_step(PHASE, {"loss": step / 3, "fusion": step / 3, "rate": 1e-4})
            journal.flush()


def test_resumed_files_hold_every_step_once(tiny: MakeRecipe, tmp_path: Path) -> None:
    run = _run(tiny, tmp_path / "run")
    _log(run, range(1, 6))
    with (run.folder / "losses.csv").open("a") as file:
        file.write("6,fusion-1,6,1.")  # killed while writing
    run.done = 3
    _log(run, range(4, 7))
    rows = curve(run.folder)
    assert [row["step"] for row in rows] == list("123456")
    assert float(rows[3]["loss"]) == 4 / 3


def test_lines_and_tensorboard_hold_means(tiny: MakeRecipe, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = _run(tiny, tmp_path / "run")
    _log(run, range(1, 5))
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2
    assert lines[1].startswith("fusion-1 4/6  step 4/6  loss 1.167")
    assert "steps/s" in lines[1]
    assert lines[1].endswith("left")
    events = EventAccumulator(str(run.folder / "tensorboard"))
    events.Reload()
    assert [(e.step, round(e.value, 4)) for e in events.Scalars("train/loss")] == [(2, 0.5), (4, 1.1667)]


def test_other_trackers_get_the_same_numbers(tiny: MakeRecipe, tmp_path: Path) -> None:
    run = _run(tiny, tmp_path / "run", trackers=("tensorboard",))
    _log(run, range(1, 3))
    events = EventAccumulator(str(run.folder / "segmif"))
    events.Reload()
    assert [round(e.value, 4) for e in events.Scalars("train/loss")] == [0.5]


def test_other_processes_stay_silent(tiny: MakeRecipe, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = _run(tiny, tmp_path / "run")
    run.workers = Workers(rank=1, count=2)
    with Journal(run, total=6) as journal:
        run.done = 6
        journal.log_step(PHASE, {"loss": 1.0})
        journal.log_scores(PHASE, {"miou": 1.0})
        journal.flush()
    assert capsys.readouterr().out == ""
    assert list((tmp_path / "run").iterdir()) == []


@pytest.mark.parametrize(("seconds", "text"), [(59.6, "1 min 00 s"), (3599, "59 min 59 s"), (7260, "2 h 01 min")])
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_moving_average_follows_its_definition() -> None:
    layer = torch.nn.BatchNorm1d(1)
    average = MovingAverage(layer, 0.5)
    expected = 1.0
    for step, value in enumerate((2.0, 4.0, 8.0)):
        layer.weight.data.fill_(value)
        layer.num_batches_tracked += 1
        average.update(layer)
        decay = min(0.5, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * value
        assert average.shadow["weight"].item() == pytest.approx(expected)
    assert average.shadow["num_batches_tracked"] == 3
    with average.applied_to(layer):
        assert layer.weight.item() == pytest.approx(expected)
    assert layer.weight.item() == 8.0
    other = MovingAverage(torch.nn.BatchNorm1d(1), 0.5)
    other.load_state_dict(average.state_dict())
    assert other.updates == 3
    assert other.shadow["weight"].item() == pytest.approx(expected)
