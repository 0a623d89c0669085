"""The training loop. Read `train` first, then `_run_phase`; everything else is a detail of these two."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import torch
from torch import Tensor, nn

from segmif.allocator import keep_freed_memory
from segmif.checks import InputError
from segmif.claims import claim
from segmif.io import write_json
from segmif.models import SegMiF
from segmif.train.checkpoint import save_checkpoint
from segmif.train.config import Phase, Recipe, option_of, plan
from segmif.train.distributed import (
    Workers,
    average_gradients,
    join_workers,
    leave_workers,
    mean_over_workers,
    wait_for_all,
)
from segmif.train.journal import Journal
from segmif.train.mixture import Batch, Mixture
from segmif.train.network import frozen_network, settle
from segmif.train.optim import layer_factors, parameter_groups, set_rate, trained
from segmif.train.run import Run, begin_run, check_whole, nothing_done, resume_run, state_of
from segmif.train.schedule import fold_seed, warmup_poly
from segmif.train.stages import TRAINABLE, guided_by, stage_losses
from segmif.train.validation import Validation


class DivergedError(InputError):
    """The loss became NaN or infinite; the message names the batch."""


def train(recipe: Recipe, folder: Path, *, resume: bool = False) -> Path:
    """Run a recipe from start to end, or on from its last checkpoint.

    Args:
        recipe: see `segmif.train.recipes`.
        folder: of the run; receives ``recipe.json``, checkpoints, ``losses.csv``, ``scores.csv``, TensorBoard files,
            pictures, and at the end ``model/`` with its ``scores.json``.
        resume: go on from the newest checkpoint; the loss curve continues as if nothing had happened. Where a run was
            killed before its first checkpoint, or there was none, it begins.

    Returns:
        The folder of the exported model (averaged weights).

    Raises:
        InputError: anything wrong with recipe, data, folder or checkpoint; said before the first step where possible.
        DivergedError: the loss is no longer finite.
    """
    recipe = settle(recipe)
    phases = plan(recipe)
    check_whole(recipe, phases)
    mixture, validation = Mixture(recipe), Validation(recipe)
    workers = join_workers(recipe.device)
    if workers.device.type == "cpu":
        keep_freed_memory()
    try:
        # the first process speaks and writes for all, so it alone holds the folder
        with claim(folder, below=True) if workers.is_main else nullcontext():
            return _train(recipe, phases, mixture, validation, folder, workers, resume=resume)
    except OSError as error:  # a full disk under the curves; the checkpoints are whole
        reason = error.strerror or error
        raise InputError(f"{folder}: cannot be written ({reason}); free space and go on with --resume") from error
    finally:
        leave_workers(workers)


def _train(
    recipe: Recipe,
    phases: list[Phase],
    mixture: Mixture,
    validation: Validation,
    folder: Path,
    workers: Workers,
    *,
    resume: bool,
) -> Path:
    goes_on = resume and not nothing_done(folder)
    wait_for_all(workers)  # before the first process writes a checkpoint that the others would take for an old one
    run = resume_run(recipe, folder, workers) if goes_on else begin_run(recipe, folder, workers, again=resume)
    with Journal(run, total=sum(phase.stage.steps for phase in phases)) as journal:
        if resume and not goes_on:
            journal.say(f"{folder} holds nothing to resume from yet: starting anew")
        if workers.is_main and run.done == 0:
            mixture.prepare(phases, say=journal.say)
        wait_for_all(workers)
        for phase in phases[run.phase :]:
            _run_phase(run, phase, mixture, validation, journal)
        return _finish(run, validation, journal)


def _run_phase(run: Run, phase: Phase, mixture: Mixture, validation: Validation, journal: Journal) -> None:
    """All remaining steps of one phase."""
    recipe, stage, network = run.recipe, phase.stage, run.network
    _prepare_optimizer(run, phase)
    _keep_previous(run, phase)
    optimizer, scaler = run.optimizer, run.scaler
    batches = mixture.batches(phase, run.workers, start=run.step)
    journal.begin()
    while run.step < stage.steps:
        torch.manual_seed(fold_seed(recipe.seed, phase.index, run.step, run.workers.rank))
        rate = set_rate(optimizer, rate_factor(phase, run.step))
        losses = _backward(run, phase, batches)
        average_gradients(trained(network), run.workers)
        scaler.unscale_(optimizer)
        if stage.clip:
            nn.utils.clip_grad_norm_(list(trained(network)), stage.clip)
        scaler.step(optimizer)
        scaler.update()
        optimizer.zero_grad(set_to_none=True)
        run.average.update(network)
        run.step, run.done = run.step + 1, run.done + 1
        journal.log_step(phase, {**losses, "rate": rate})
        if run.step == stage.steps:
            break
        if recipe.validate_every and run.done % recipe.validate_every == 0:
            _validate(run, phase, validation, journal)
        if run.done % recipe.checkpoint_every == 0:
            _checkpoint(run, journal)
    run.phase, run.step = run.phase + 1, 0
    _validate(run, phase, validation, journal)
    _checkpoint(run, journal)


def rate_factor(phase: Phase, step: int) -> float:
    """Factor of the learning rate at a step of a phase: its warm-up and decay, and 1/k in round k if so wished."""
    stage, offset = phase.stage, phase.schedule_offset
    total = stage.decay_steps or offset + stage.steps
    factor = warmup_poly(offset + step, warmup=stage.warmup, total=total, power=stage.power)
    return factor / phase.round if stage.divide_rate else factor


def _prepare_optimizer(run: Run, phase: Phase) -> None:
    """AdamW over the parameters this phase trains, with its saved state if the phase was interrupted."""
    stage = phase.stage
    factors = stage.factors
    if phase.kind != "fusion":
        factors = (*factors, ("head.*", stage.head_factor), *layer_factors(run.network, stage.layer_decay))
    groups = parameter_groups(
        run.network,
        TRAINABLE[phase.kind],
        learning_rate=stage.learning_rate,
        weight_decay=stage.weight_decay,
        factors=factors,
        freeze=stage.freeze,
    )
    run.optimizer = torch.optim.AdamW(groups)
    run.scaler = torch.amp.GradScaler(run.workers.device.type, enabled=run.recipe.precision == "fp16")
    if run.interrupted is not None:
        run.optimizer.load_state_dict(run.interrupted["optimizer"])
        run.scaler.load_state_dict(run.interrupted["scaler"])
        run.interrupted = None


def _keep_previous(run: Run, phase: Phase) -> None:
    """Before the first step of a round, keep the network of the round before if its pictures are to guide this one."""
    begins = phase.index > 0 and plan(run.recipe)[phase.index - 1].round < phase.round
    if run.recipe.previous_guide and phase.round > 1 and begins and run.step == 0:
        run.previous = frozen_network(run.recipe, run.average.shadow, run.workers)


def _backward(run: Run, phase: Phase, batches: Iterator[Batch]) -> dict[str, float]:
    """Gradients of one optimiser step, accumulated over its batches; returns the mean losses."""
    accumulate, weights = phase.stage.accumulate, run.task_weights.weights
    sums: dict[str, Tensor] = {}
    names: list[str] = []
    for _ in range(accumulate):
        batch = next(batches).to(run.workers.device, channels_last=run.recipe.channels_last)
        names += batch.names
        with _explained_out_of_memory(phase):
            with precision(run.recipe, run.workers.device):
                if run.previous is not None:
                    batch = guided_by(run.previous, batch, run.recipe)
                losses = stage_losses(run.network, batch, run.recipe, phase, weights, teacher=run.teacher)
            run.scaler.scale(losses["loss"] / accumulate).backward()  # type: ignore[no-untyped-call]
        for name, value in losses.items():
            share = value.detach() / accumulate
            sums[name] = sums[name] + share if name in sums else share
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
    except (MemoryError, RuntimeError) as error:
        memory = isinstance(error, MemoryError | torch.OutOfMemoryError)
        if not memory and "allocate memory" not in str(error):  # a CPU allocator raises a plain RuntimeError
            raise
        stage, option = phase.stage, option_of(phase)
        raise InputError(
            f"out of memory in {phase.name} with batch {stage.batch} and crop {stage.augment.crop}: lower "
            f"--{option}.batch (raise --{option}.accumulate to keep the effective batch) or --{option}.augment.crop, "
            "in a new run"
        ) from error


def _check_finite(losses: dict[str, float], phase: Phase, step: int, names: list[str]) -> None:
    broken = [name for name, value in losses.items() if not math.isfinite(value)]
    if broken:
        option = option_of(phase)
        raise DivergedError(
            f"the {broken[-1]} loss is not finite at step {step + 1} of {phase.name}, batch {', '.join(names)}: look "
            f"at these pictures and labels; if they are sound lower --{option}.learning-rate, set --{option}.clip or "
            "use --precision fp32, in a new run"
        )


def _checkpoint(run: Run, journal: Journal) -> None:
    journal.flush()
    if run.workers.is_main:
        save_checkpoint(run.folder, run.done, state_of(run))


def _validate(run: Run, phase: Phase, validation: Validation, journal: Journal) -> None:
    """Scores of the averaged weights; the best so far are exported to ``best/``."""
    if run.workers.is_main:
        pictures = run.folder / "pictures" / f"{run.done:08d}"
        with run.average.applied_to(run.network):
            with precision(run.recipe, run.workers.device):
                scores = validation.score(run.network, pictures=pictures)
            journal.log_scores(phase, scores, pictures)
            value = validation.selecting(scores)
            if value is not None and value > run.best:
                run.best = value
                _export(run.network, run.folder / "best", run.done, scores)
    wait_for_all(run.workers)


def _finish(run: Run, validation: Validation, journal: Journal) -> Path:
    """Export the averaged weights, of the last step or of the best validation, with their scores."""
    target, best = run.folder / "model", run.folder / "best"
    if run.workers.is_main:
        if run.recipe.export == "best" and best.is_dir():
            scores = json.loads((best / "scores.json").read_text("utf-8"))
            _export(SegMiF.from_pretrained(best), target, scores.pop("step"), scores)
        else:
            with run.average.applied_to(run.network):
                with precision(run.recipe, run.workers.device):
                    scores = validation.score(run.network)
                _export(run.network, target, run.done, scores)
        journal.say(f"model and scores written to {target}")
    wait_for_all(run.workers)
    return target


def _export(network: SegMiF, folder: Path, step: int, scores: dict[str, float]) -> None:
    network.save_pretrained(folder)
    kept = {name: value for name, value in scores.items() if name != "seconds"}
    write_json(folder / "scores.json", {"step": step, **kept})
