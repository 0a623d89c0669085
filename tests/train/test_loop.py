"""The loop as a whole: it learns, it is repeatable, it goes on exactly after kill -9, its processes agree."""

import json
import signal
import socket
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from segmif.checks import InputError
from segmif.models import SegMiF
from segmif.train import loop
from segmif.train.config import Precision, StageConfig
from segmif.train.journal import Journal
from segmif.train.loop import DivergedError, train
from segmif.train.mixture import Mixture
from segmif.train.recipes import clean
from tests.train.conftest import MakeRecipe
from tests.train.runs import curve, start_process

BRIEF = StageConfig(steps=3, learning_rate=1e-3, augment=clean(48))
NONE = StageConfig()


def test_run_leaves_a_model_curves_scores_and_pictures(tiny: MakeRecipe, tmp_path: Path) -> None:
    model = train(tiny(), tmp_path / "run")
    rows = curve(tmp_path / "run")
    assert [row["phase"] for row in rows[::2]] == [
        "fusion-1", "segmentation-1", "fusion-2", "segmentation-2", "joint-3",
    ]  # fmt: skip
    assert rows[4]["fusion"]
    assert rows[4]["segmentation"]
    assert not rows[0]["segmentation"]
    scores = json.loads((model / "scores.json").read_text())
    assert {"miou", "iou/road", "fusion/VIF", "step"} <= scores.keys()
    assert SegMiF.from_pretrained(model).config == tiny().model
    assert len(list((tmp_path / "run").glob("checkpoint-*.pt"))) == 2
    assert list((tmp_path / "run" / "pictures" / "00000010").glob("*_fused.png"))
    assert list((tmp_path / "run" / "tensorboard").iterdir())


def test_training_lowers_the_loss(tiny: MakeRecipe, tmp_path: Path) -> None:
    stage = replace(BRIEF, steps=30, learning_rate=5e-3)
    recipe = tiny(rounds=1, first_fusion=stage, segmentation=stage, joint=NONE, log_every=30, checkpoint_every=99)
    train(recipe, tmp_path / "run")
    rows = curve(tmp_path / "run")
    for phase, share in (("fusion-1", 0.85), ("segmentation-1", 0.9)):
        losses = [float(row["loss"]) for row in rows if row["phase"] == phase]
        assert sum(losses[-8:]) < share * sum(losses[:8]), phase


@pytest.mark.parametrize("stop", [1, 5, 8])
def test_resumed_run_repeats_the_curve_to_the_last_bit(
    tiny: MakeRecipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stop: int
) -> None:
    recipe = tiny(checkpoint_every=1, rounds=2, segmentation=replace(BRIEF, steps=2, accumulate=2))
    _check_resumes_to_the_last_bit(recipe, tmp_path, monkeypatch, stop)


@pytest.mark.parametrize("layout", ["cascade", "shared"])
def test_pictures_of_the_round_before_can_guide(tiny: MakeRecipe, tmp_path: Path, layout: str) -> None:
    model = tiny().model
    if layout == "shared":
        model = replace(model, layout=layout, guide="maximum", encoder=replace(model.encoder, inputs=5))
    own = tiny(model=model, rounds=2, joint=NONE)
    train(own, tmp_path / "own")
    train(replace(own, previous_guide=True), tmp_path / "previous")
    plain, guided = curve(tmp_path / "own"), curve(tmp_path / "previous")
    before_round_2 = sum(row["phase"].endswith("-1") for row in plain)
    assert guided[:before_round_2] == plain[:before_round_2]
    assert guided[before_round_2] != plain[before_round_2]


@pytest.mark.parametrize("stop", [5, 7])
def test_run_guided_by_the_round_before_resumes_to_the_last_bit(
    tiny: MakeRecipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stop: int
) -> None:
    recipe = tiny(checkpoint_every=1, rounds=2, joint=NONE, previous_guide=True)
    _check_resumes_to_the_last_bit(recipe, tmp_path, monkeypatch, stop)


@pytest.mark.parametrize("change", [{"segment_input": "infrared"}, {"model": {"attention": "none"}}])
def test_a_guide_that_nobody_reads_is_refused(tiny: MakeRecipe, tmp_path: Path, change: dict[str, Any]) -> None:
    change = {name: replace(tiny().model, **v) if name == "model" else v for name, v in change.items()}
    with pytest.raises(InputError, match="--previous-guide needs"):
        train(tiny(previous_guide=True, **change), tmp_path / "run")


def _check_resumes_to_the_last_bit(
    recipe: loop.Recipe, folder: Path, monkeypatch: pytest.MonkeyPatch, stop: int
) -> None:
    """Interrupted after `stop` steps and resumed, a run ends with the curve and weights of a whole one."""
    whole = _whole_run(recipe, folder)
    _interrupt_after(stop, monkeypatch)
    with pytest.raises(KeyboardInterrupt):
        train(recipe, folder / "cut")
    monkeypatch.undo()
    train(recipe, folder / "cut", resume=True)
    assert curve(folder / "cut") == curve(whole)
    assert _weights(folder / "cut") == _weights(whole)


def _whole_run(recipe: loop.Recipe, folder: Path) -> Path:
    train(recipe, folder / "whole")
    return folder / "whole"


def _interrupt_after(stop: int, monkeypatch: pytest.MonkeyPatch) -> None:
    log_step = Journal.log_step

    def fail_after(self: Journal, *arguments: object) -> None:
        log_step(self, *arguments)  # type: ignore[arg-type]
        if self._run.done == stop:
            raise KeyboardInterrupt

    monkeypatch.setattr(Journal, "log_step", fail_after)


def _weights(run: Path) -> bytes:
    return (run / "model" / "model.safetensors").read_bytes()


def test_kill_9_and_resume_with_loader_processes(tiny: MakeRecipe, tmp_path: Path) -> None:
    recipe = tiny(rounds=1, first_fusion=replace(BRIEF, steps=400), joint=NONE, checkpoint_every=3)
    recipe = replace(recipe, data=replace(recipe.data, workers=1))
    process = start_process(recipe, tmp_path / "cut")
    deadline = time.monotonic() + 200
    while not (tmp_path / "cut" / "checkpoint-00000006.pt").exists() and time.monotonic() < deadline:
        assert process.poll() is None, process.stdout and process.stdout.read()
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    interrupted = _resumed_until(recipe, tmp_path / "cut", 14)
    straight = _resumed_until(recipe, tmp_path / "whole", 14, resume=False)
    assert interrupted == straight


def _resumed_until(recipe: loop.Recipe, run: Path, step: int, *, resume: bool = True) -> list[dict[str, str]]:
    """The curve of a run stopped after a step."""

    class Stop(Exception):
        pass

    log_step = Journal.log_step

    def stop(self: Journal, *arguments: object) -> None:
        log_step(self, *arguments)  # type: ignore[arg-type]
        if self._run.done >= step:
            raise Stop

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Journal, "log_step", stop)
        with pytest.raises(Stop):
            train(recipe, run, resume=resume)
    return curve(run)[:step]


def test_two_processes_compute_the_losses_of_one(tiny: MakeRecipe, tmp_path: Path) -> None:
    recipe = tiny(rounds=2, first_fusion=BRIEF, fusion=BRIEF, segmentation=NONE, joint=NONE)
    train(recipe, tmp_path / "one")
    half = replace(BRIEF, batch=1)
    recipe = replace(recipe, first_fusion=half, fusion=half)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    processes = [
        start_process(
            recipe, tmp_path / "two", RANK=str(rank), WORLD_SIZE="2", MASTER_ADDR="127.0.0.1", MASTER_PORT=port
        )
        for rank in range(2)
    ]
    try:
        for process in processes:
            output, _ = process.communicate(timeout=250)
            assert process.returncode == 0, output
    finally:
        for process in processes:
            process.kill()
    for one, two in zip(curve(tmp_path / "one"), curve(tmp_path / "two"), strict=True):
        assert float(two["loss"]) == pytest.approx(float(one["loss"]), rel=1e-4)


def test_accumulated_batches_give_the_losses_of_a_large_one(tiny: MakeRecipe, tmp_path: Path) -> None:
    whole = tiny(rounds=2, first_fusion=BRIEF, fusion=BRIEF, segmentation=NONE, joint=NONE)
    train(whole, tmp_path / "whole")
    parts = replace(BRIEF, batch=1, accumulate=2)
    train(replace(whole, first_fusion=parts, fusion=parts), tmp_path / "parts")
    for one, two in zip(curve(tmp_path / "whole"), curve(tmp_path / "parts"), strict=True):
        assert float(two["loss"]) == pytest.approx(float(one["loss"]), rel=1e-4)


@pytest.mark.parametrize("half", ["bf16", "fp16"])
def test_half_precision_follows_fp32(tiny: MakeRecipe, tmp_path: Path, half: Precision) -> None:
    recipe = tiny(rounds=1, first_fusion=BRIEF, segmentation=BRIEF, joint=NONE)
    train(recipe, tmp_path / "fp32")
    train(replace(recipe, precision=half), tmp_path / half)
    pairs = list(zip(curve(tmp_path / "fp32"), curve(tmp_path / half), strict=True))
    assert any(one["loss"] != two["loss"] for one, two in pairs)
    for one, two in pairs:
        assert float(two["loss"]) == pytest.approx(float(one["loss"]), rel=0.05)


def test_loss_that_is_not_a_number_names_the_batch(
    tiny: MakeRecipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    losses = loop.stage_losses

    def broken(network: SegMiF, batch: loop.Batch, *rest: object, **more: object) -> dict[str, torch.Tensor]:
        values = losses(network, batch, *rest, **more)  # type: ignore[arg-type]
        return {name: value * float("nan") for name, value in values.items()}

    monkeypatch.setattr(loop, "stage_losses", broken)
    with pytest.raises(
        DivergedError, match=r"not finite at step 1 of fusion-1, batch fmb/0000\d\d, fmb/0000\d\d: .*fp32"
    ):
        train(tiny(), tmp_path / "run")
    state = torch.load(tmp_path / "run" / "checkpoint-00000000.pt", weights_only=True)
    assert all(torch.isfinite(tensor).all() for tensor in state["network"].values())


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory"),
        MemoryError(),
        RuntimeError("DefaultCPUAllocator: can't allocate memory"),
    ],
)
def test_out_of_memory_names_the_knob(
    tiny: MakeRecipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def broken(*_: object, **__: object) -> dict[str, torch.Tensor]:
        raise error

    monkeypatch.setattr(loop, "stage_losses", broken)
    with pytest.raises(InputError, match=r"batch 2 and crop 48: lower --first-fusion\.batch"):
        train(tiny(), tmp_path / "run")


def test_other_runtime_errors_pass_through(tiny: MakeRecipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> dict[str, torch.Tensor]:
        raise RuntimeError("a bug")

    monkeypatch.setattr(loop, "stage_losses", broken)
    with pytest.raises(RuntimeError, match="a bug"):
        train(tiny(), tmp_path / "run")


def test_last_weights_are_exported_where_the_recipe_says_so(tiny: MakeRecipe, tmp_path: Path) -> None:
    recipe = tiny(rounds=1, segmentation=NONE, joint=NONE, export="last", ema=0.0, validate_every=1)
    model = train(recipe, tmp_path / "run")
    state = torch.load(tmp_path / "run" / "checkpoint-00000002.pt", weights_only=True)["network"]
    exported = SegMiF.from_pretrained(model).state_dict()
    assert all(torch.equal(exported[name], tensor) for name, tensor in state.items())
    assert json.loads((model / "scores.json").read_text())["step"] == 2


def test_a_batch_is_the_same_with_and_without_loader_processes(tiny: MakeRecipe) -> None:
    recipe = tiny(first_fusion=BRIEF)
    phase = loop.plan(recipe)[0]
    workers = loop.join_workers("cpu")
    alone = list(Mixture(recipe).batches(phase, workers))
    helped = list(Mixture(replace(recipe, data=replace(recipe.data, workers=1))).batches(phase, workers))
    late = list(Mixture(recipe).batches(phase, workers, start=1))
    assert [b.names for b in alone] == [b.names for b in helped]
    assert all(torch.equal(a.visible, b.visible) for a, b in zip(alone, helped, strict=True))
    assert all(torch.equal(a.target, b.target) for a, b in zip(alone[1:], late, strict=True))  # type: ignore[arg-type]
