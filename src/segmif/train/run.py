"""The state of a run: everything that changes while training, and how it begins and goes on."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from segmif.checks import InputError
from segmif.io import write_json
from segmif.losses import DynamicTaskWeights
from segmif.models import SegMiF
from segmif.train.checkpoint import (
    check_same_recipe,
    checkpoint_path,
    checkpoints,
    load_checkpoint,
    save_checkpoint,
)
from segmif.train.config import Phase, Recipe, option_of, to_dict
from segmif.train.distributed import Workers, share_weights, wait_for_all
from segmif.train.ema import MovingAverage
from segmif.train.network import build_network, build_teacher, frozen_network
from segmif.train.schedule import fold_seed
from segmif.train.stages import class_factors

FREE_ON_RESUME = frozenset(
    {"data.root", "data.cache", "data.workers", "device", "log_every", "checkpoint_every", "validate_every"}
    | {"pictures", "trackers", "compile", "export", "start"}
)
"""Settings a resumed run may change: they do not touch what is learnt."""


@dataclass(kw_only=True)
class Run:
    """What changes while training, and so what a checkpoint holds; `step` counts within the phase, `done` over all.

    Random numbers are not among it: every step draws from a seed of its own (`schedule.fold_seed`).
    """

    recipe: Recipe
    folder: Path
    workers: Workers
    network: SegMiF
    average: MovingAverage
    task_weights: DynamicTaskWeights
    teacher: SegMiF | None = None
    """Not learning, so not in a checkpoint."""
    previous: SegMiF | None = None
    """The averaged network as the round before left it, where its pictures guide this one."""
    phase: int = 0
    step: int = 0
    done: int = 0
    best: float = float("-inf")
    interrupted: dict[str, Any] | None = None
    """Optimiser and scaler state of a phase that a checkpoint cut short."""
    optimizer: torch.optim.Optimizer = field(init=False)
    scaler: torch.amp.GradScaler = field(init=False)


def check_whole(recipe: Recipe, phases: list[Phase]) -> None:
    """What can be seen to be wrong before any data is read.

    Raises:
        InputError: a stage needs a segmentation network the model does not have, or a number makes no sense.
    """
    class_factors(recipe, recipe.model, torch.device("cpu"))
    if recipe.previous_guide and (recipe.model.attention == "none" or recipe.segment_input != "fused"):
        raise InputError(
            "--previous-guide needs a fusion network with attention and --segment-input fused: without them no guide "
            "is read"
        )
    for phase in phases:
        option, stage = option_of(phase), phase.stage
        judged = phase.kind == "fusion" and phase.round > 1 and recipe.interaction
        if recipe.model.num_classes is None and (phase.kind != "fusion" or judged):
            raise InputError(
                f"stage {phase.name} needs a segmentation network: give the model classes, set --{option}.steps 0, "
                "or --no-interaction"
            )
        for name in ("batch", "accumulate"):
            if getattr(stage, name) < 1:
                raise InputError(f"--{option}.{name} is {getattr(stage, name)}: must be at least 1")
        if stage.learning_rate <= 0:
            raise InputError(f"--{option}.learning-rate is {stage.learning_rate}: must be above 0")


def nothing_done(folder: Path) -> bool:
    """Whether a run has not even written its first checkpoint and, after it, the head of its curve."""
    return not checkpoints(folder) and not (folder / "losses.csv").exists()


def check_free(folder: Path) -> None:
    """A folder is free for a new run where there was none, or one that stopped before its first step (at a crop too
    large, say).

    Raises:
        InputError: it holds a run.
    """
    curve = folder / "losses.csv"
    steps = len(curve.read_bytes().splitlines()) - 1 if curve.exists() else 0
    learnt = steps > 0 or any(path != checkpoint_path(folder, 0) for path in checkpoints(folder))
    if learnt and (folder / "recipe.json").exists():
        raise InputError(f"{folder}: holds a run already; continue it with --resume or choose another with -o")


def begin_run(recipe: Recipe, folder: Path, workers: Workers, *, again: bool = False) -> Run:
    """A new run, its folder empty or left before the first step; its first checkpoint proves that the disk takes them.

    Args:
        recipe: what to run.
        folder: of the run.
        workers: this process among its peers.
        again: a run that was killed before its first checkpoint may be there.

    Raises:
        InputError: the folder holds a run, cannot be written, or its disk is too full.
    """
    torch.manual_seed(fold_seed(recipe.seed, "weights"))
    network = build_network(recipe, workers)
    share_weights(network, workers)
    run = _new_run(recipe, folder, workers, network)
    if workers.is_main:
        if not again:
            check_free(folder)
        write_json(folder / "recipe.json", to_dict(recipe))
        size = save_checkpoint(folder, 0, state_of(run)).stat().st_size
        _check_space(folder, size)
    wait_for_all(workers)
    return run


def _check_space(folder: Path, size: int) -> None:
    """A checkpoint with optimiser state is about twice the first; two are kept and one is being written."""
    free, wanted = shutil.disk_usage(folder).free, 6 * size
    if free < wanted:
        raise InputError(
            f"{folder}: {free / 2**20:.0f} MiB are free but checkpoints and models of this run take up to "
            f"{wanted / 2**20:.0f} MiB; free space or choose another folder with -o"
        )


def resume_run(recipe: Recipe, folder: Path, workers: Workers) -> Run:
    """The run as its newest checkpoint left it.

    Raises:
        InputError: no checkpoint, a damaged one, or one of another recipe.
    """
    saved = load_checkpoint(folder)
    check_same_recipe(saved["recipe"], to_dict(recipe), free=FREE_ON_RESUME)
    if saved["workers"] != workers.count:
        raise InputError(
            f"{folder}: was trained by {saved['workers']} processes, now there are {workers.count}; batches would "
            "differ: start as many again"
        )
    network = build_network(replace(recipe, start="", encoder_start=""), workers)
    network.load_state_dict(saved["network"])
    run = _new_run(recipe, folder, workers, network)
    run.average.load_state_dict(saved["average"])
    run.task_weights.load_state_dict(saved["task_weights"])
    run.phase, run.step, run.done, run.best = saved["phase"], saved["step"], saved["done"], saved["best"]
    run.interrupted = saved["interrupted"]
    if saved["previous"] is not None:
        run.previous = frozen_network(recipe, saved["previous"], workers)
    return run


def _new_run(recipe: Recipe, folder: Path, workers: Workers, network: SegMiF) -> Run:
    if recipe.deterministic and workers.device.type == "cuda":
        torch.use_deterministic_algorithms(True, warn_only=True)
        torch.backends.cudnn.benchmark = False
    return Run(
        recipe=recipe,
        folder=folder,
        workers=workers,
        network=network,
        average=MovingAverage(network, recipe.ema),
        task_weights=DynamicTaskWeights(recipe.loss.temperature),
        teacher=build_teacher(recipe, workers),
    )


def state_of(run: Run) -> dict[str, Any]:
    """What `resume_run` needs: tensors and plain values only."""
    inside_phase = run.step > 0
    return {
        "recipe": to_dict(run.recipe),
        "workers": run.workers.count,
        "network": run.network.state_dict(),
        "average": run.average.state_dict(),
        "task_weights": run.task_weights.state_dict(),
        "previous": None if run.previous is None else run.previous.state_dict(),
        "interrupted": {"optimizer": run.optimizer.state_dict(), "scaler": run.scaler.state_dict()}
        if inside_phase
        else None,
        "phase": run.phase,
        "step": run.step,
        "done": run.done,
        "best": run.best,
    }
