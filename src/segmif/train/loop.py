"""The training loop. Read `train` first, then `_run_phase`; everything else is a detail of these two."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from segmif.checks import InputError
from segmif.io import write_json
from segmif.losses import DynamicTaskWeights
from segmif.models import SegMiF
from segmif.train.checkpoint import check_same_recipe, load_checkpoint, save_checkpoint
from segmif.train.config import Phase, Recipe, plan, to_dict
from segmif.train.distributed import (
    Workers,
    average_gradients,
    join_workers,
    leave_workers,
    mean_over_workers,
    share_weights,
    wait_for_all,
)
from segmif.train.ema import MovingAverage
from segmif.train.journal import Journal
from segmif.train.mixture import Batch, Mixture
from segmif.train.optim import parameter_groups, set_rate, trained
from segmif.train.schedule import fold_seed, warmup_poly
from segmif.train.stages import TRAINABLE, Losses, stage_losses
from segmif.train.validation import Validation

FREE_ON_RESUME = frozenset(
    {"data.root", "data.cache", "data.workers", "device", "log_every", "checkpoint_every", "validate_every"}
    | {"pictures", "trackers", "compile", "export"}
)
"""Settings a resumed run may change: they do not touch what is learnt."""


class DivergedError(InputError):
    """The loss became NaN or infinite; the message names the batch."""


@dataclass
class Run:
    """What changes while training, and so what a checkpoint holds; `step` counts within the phase, `done` over all."""

    recipe: Recipe
    folder: Path
    workers: Workers
    network: SegMiF
    average: MovingAverage
    task_weights: DynamicTaskWeights
    phase: int = 0
    step: int = 0
    done: int = 0
    best: float = float("-inf")
    optimizer_state: dict[str, Any] | None = None


def train(recipe: Recipe, folder: Path, *, resume: bool = False) -> Path:
    """Run a recipe from start to end, or on from its last checkpoint.

    Args:
        recipe: see `segmif.train.recipes`.
        folder: of the run; receives ``recipe.json``, checkpoints, ``losses.csv``, ``scores.csv``, TensorBoard files,
            pictures, and at the end ``model/`` and ``scores.json``.
        resume: go on from the newest checkpoint; the loss curve continues as if nothing had happened.

    Returns:
        The folder of the exported model (averaged weights).

    Raises:
        InputError: anything wrong with recipe, data, folder or checkpoint; said before the first step where possible.
        DivergedError: the loss is no longer finite.
    """
    phases = plan(recipe)
    workers = join_workers(recipe.device)
    mixture = Mixture(recipe)
    validation = Validation(recipe)
    run = _resume_run(recipe, folder, workers) if resume else _begin_run(recipe, folder, workers)
    total = sum(phase.stage.steps for phase in phases)
    journal = Journal(folder, total=total, step=run.done, every=recipe.log_every, quiet=not workers.is_main)
    try:
        for phase in phases[run.phase :]:
            _run_phase(run, phase, mixture, validation, journal)
        return _finish(run, validation, journal)
    finally:
        journal.close()
        leave_workers(workers)


def _run_phase(run: Run, phase: Phase, mixture: Mixture, validation: Validation, journal: Journal) -> None:
    """All remaining steps of one phase."""
    recipe, stage, network = run.recipe, phase.stage, run.network
    optimizer = _new_optimizer(run, phase)
    scaler = torch.amp.GradScaler(run.workers.device.type, enabled=recipe.precision == "fp16")
    decay_steps = stage.decay_steps or phase.schedule_offset + stage.steps
    batches = mixture.batches(phase, run.workers, start=run.step)
    while run.step < stage.steps:
        torch.manual_seed(fold_seed(recipe.seed, phase.index, run.step, run.workers.rank))
        rate = set_rate(
            optimizer,
            warmup_poly(phase.schedule_offset + run.step, warmup=stage.warmup, total=decay_steps, power=stage.power),
        )
        losses = _backward(run, phase, batches, scaler)
        scaler.unscale_(optimizer)
        average_gradients(trained(network), run.workers)
        if stage.clip:
            nn.utils.clip_grad_norm_(list(trained(network)), stage.clip)
        scaler.step(optimizer)
        scaler.update()
        optimizer.zero_grad(set_to_none=True)
        run.average.update(network)
        run.step, run.done = run.step + 1, run.done + 1
        journal.log_step(run.done, phase.name, run.step, {**losses, "rate": rate})
        if recipe.validate_every and run.done % recipe.validate_every == 0:
            _validate(run, phase, validation, journal)
        if run.done % recipe.checkpoint_every == 0 and run.step < stage.steps:
            _checkpoint(run, optimizer, journal)
    run.phase, run.step, run.optimizer_state = run.phase + 1, 0, None
    _validate(run, phase, validation, journal)
    _checkpoint(run, None, journal)


def _backward(run: Run, phase: Phase, batches: Iterator[Batch], scaler: torch.amp.GradScaler) -> dict[str, float]:
    """Gradients of one optimiser step, accumulated over its batches; returns the mean losses."""
    network, accumulate = run.network, phase.stage.accumulate
    sums: dict[str, Tensor] = {}
    weights = run.task_weights.weights
    names: list[str] = []
    for _ in range(accumulate):
        batch = next(batches).to(run.workers.device, channels_last=run.recipe.channels_last)
        names += batch.names
        with _explained_out_of_memory(phase), precision(run.recipe, run.workers.device):
            losses: Losses = stage_losses(network, batch, run.recipe, phase, weights)
            scaler.scale(losses["loss"] / accumulate).backward()
        for name, value in losses.items():
            sums[name] = sums.get(name, torch.zeros_like(value)) + value.detach() / accumulate
    means = mean_over_workers(sums, run.workers)
    _check_finite(means, phase, run.step, names)
    if "fusion" in means and "segmentation" in means:
        means |= {"w_fusion": weights[0], "w_segmentation": weights[1]}
        if run.recipe.loss.dynamic:
            run.task_weights.update(fusion=means["fusion"], segmentation=means["segmentation"])
    return means


@contextmanager
def precision(recipe: Recipe, device: torch.device) -> Iterator[None]:
    """Autocast to the recipe's half precision, if it names one."""
    dtype = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}[recipe.precision]
    with torch.autocast(device.type, dtype=dtype, enabled=dtype != torch.float32):
        yield


@contextmanager
def _explained_out_of_memory(phase: Phase) -> Iterator[None]:
    """Turn running out of memory into the name of the knob that helps."""
    try:
        yield
    except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
        if isinstance(error, RuntimeError) and not isinstance(error, torch.OutOfMemoryError):
            text = str(error).lower()
            if "allocate memory" not in text and "out of memory" not in text:
                raise
        stage, option = phase.stage, option_of(phase)
        raise InputError(
            f"out of memory in {phase.name} with batch {stage.batch} and crop {stage.augment.crop}: lower --{option}.batch "
            f"(and raise --{option}.accumulate to keep the effective batch) or --{option}.augment.crop, then run again"
        ) from error


def option_of(phase: Phase) -> str:
    """The name of the recipe's field that holds the settings of this phase."""
    if phase.kind == "fusion":
        return "first_fusion" if phase.round == 1 else "fusion"
    return "segmentation_first" if phase.kind == "segmentation" and phase.round == 0 else phase.kind


def _check_finite(losses: dict[str, float], phase: Phase, step: int, names: list[str]) -> None:
    broken = [name for name, value in losses.items() if not torch.isfinite(torch.tensor(value))]
    if broken:
        option = option_of(phase)
        raise DivergedError(
            f"the {broken[0]} loss is not finite at step {step + 1} of {phase.name}, batch {', '.join(names)}: look at "
            f"these files; if they are sound lower --{option}.learning-rate, set --{option}.clip, or use "
            "--precision fp32; --resume goes on from the last checkpoint"
        )


def _new_optimizer(run: Run, phase: Phase) -> torch.optim.Optimizer:
    """AdamW over the parameters this phase trains, with its saved state if the phase was interrupted."""
    stage = phase.stage
    rate = stage.learning_rate / (phase.round if stage.divide_rate else 1)
    factors = stage.factors if phase.kind == "fusion" else (*stage.factors, ("head.*", stage.head_factor))
    groups = parameter_groups(
        run.network,
        TRAINABLE[phase.kind],
        learning_rate=rate,
        weight_decay=stage.weight_decay,
        factors=factors,
        freeze=stage.freeze,
    )
    for group in groups:
        del group["names"]
    optimizer = torch.optim.AdamW(groups)
    if run.optimizer_state is not None:
        optimizer.load_state_dict(run.optimizer_state)
    return optimizer


def _begin_run(recipe: Recipe, folder: Path, workers: Workers) -> Run:
    """A new run in an empty folder; its first checkpoint proves that the disk takes them."""
    if workers.is_main and (folder / "recipe.json").exists():
        raise InputError(f"{folder}: holds a run already; continue it with --resume or choose another folder with -o")
    torch.manual_seed(fold_seed(recipe.seed, "weights"))
    network = _build_network(recipe, workers)
    share_weights(network, workers)
    run = _new_run(recipe, folder, workers, network)
    if workers.is_main:
        write_json(folder / "recipe.json", to_dict(recipe))
        save_checkpoint(folder, 0, _state(run, None))
    wait_for_all(workers)
    return run


def _resume_run(recipe: Recipe, folder: Path, workers: Workers) -> Run:
    """The run as its newest checkpoint left it."""
    saved = load_checkpoint(folder)
    check_same_recipe(saved["recipe"], to_dict(recipe), free=FREE_ON_RESUME)
    network = _build_network(recipe, workers)
    network.load_state_dict(saved["network"])
    run = _new_run(recipe, folder, workers, network)
    run.average.load_state_dict(saved["average"])
    run.task_weights.load_state_dict(saved["task_weights"])
    run.phase, run.step, run.done, run.best = saved["phase"], saved["step"], saved["done"], saved["best"]
    run.optimizer_state = saved["optimizer"]
    return run


def _new_run(recipe: Recipe, folder: Path, workers: Workers, network: SegMiF) -> Run:
    return Run(
        recipe=recipe,
        folder=folder,
        workers=workers,
        network=network,
        average=MovingAverage(network, recipe.ema),
        task_weights=DynamicTaskWeights(recipe.loss.temperature),
    )


def _build_network(recipe: Recipe, workers: Workers) -> SegMiF:
    network = SegMiF.from_pretrained(recipe.start) if recipe.start else SegMiF(recipe.model)
    network.to(workers.device)
    if recipe.channels_last:
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return network


def _state(run: Run, optimizer: torch.optim.Optimizer | None) -> dict[str, Any]:
    return {
        "recipe": to_dict(run.recipe),
        "network": run.network.state_dict(),
        "average": run.average.state_dict(),
        "task_weights": run.task_weights.state_dict(),
        "optimizer": None if optimizer is None else optimizer.state_dict(),
        "phase": run.phase,
        "step": run.step,
        "done": run.done,
        "best": run.best,
    }


def _checkpoint(run: Run, optimizer: torch.optim.Optimizer | None, journal: Journal) -> None:
    journal.flush()
    if run.workers.is_main:
        save_checkpoint(run.folder, run.done, _state(run, optimizer))


def _validate(run: Run, phase: Phase, validation: Validation, journal: Journal) -> None:
    """Scores of the averaged weights; the best so far are exported to ``best/``."""
    if run.workers.is_main:
        with run.average.applied_to(run.network), precision(run.recipe, run.workers.device):
            scores = validation.score(run.network, pictures=run.folder / "pictures" / f"{run.done:08d}")
            journal.log_scores(run.done, phase.name, scores)
            value = validation.selecting(scores)
            if value is not None and value > run.best:
                run.best = value
                run.network.save_pretrained(run.folder / "best")
                write_json(run.folder / "best" / "scores.json", {"step": run.done, **scores})
    wait_for_all(run.workers)


def _finish(run: Run, validation: Validation, journal: Journal) -> Path:
    """Export the averaged weights, of the last step or of the best validation, with their scores."""
    target = run.folder / "model"
    if run.workers.is_main:
        best = run.folder / "best"
        if run.recipe.export == "best" and best.is_dir():
            run.network.load_state_dict(SegMiF.from_pretrained(best).state_dict())
            scores = json.loads((best / "scores.json").read_text("utf-8"))
            run.network.save_pretrained(target)
        else:
            with run.average.applied_to(run.network), precision(run.recipe, run.workers.device):
                scores = {"step": run.done, **validation.score(run.network)}
                run.network.save_pretrained(target)
        write_json(run.folder / "scores.json", scores)
        journal.say(f"model written to {target}")
    wait_for_all(run.workers)
    return target
