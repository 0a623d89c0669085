"""The dry run: two steps of every stage, a validation, a checkpoint and an export; what the whole would cost."""

from __future__ import annotations

import csv
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import torch

from segmif.checks import InputError
from segmif.train.config import Phase, Recipe, Source, StageConfig, option_of, plan
from segmif.train.journal import duration
from segmif.train.loop import train
from segmif.train.network import settle
from segmif.train.run import check_free
from segmif.train.sources import open_source

STEPS = 2
"""Optimiser steps of each stage in a dry run; the last one is timed."""


def dry_run(recipe: Recipe, folder: Path) -> str:
    """Run `recipe` shortened, in a temporary folder beside `folder`, and report its cost in a few lines.

    Raises:
        InputError: whatever would stop the real run.
    """
    recipe = settle(recipe)
    check_free(folder)
    beside = next(parent for parent in folder.absolute().parents if parent.exists())
    try:
        with tempfile.TemporaryDirectory(prefix=".segmif-check-", dir=beside) as temporary:
            run = Path(temporary) / "run"
            train(shortened(recipe), run)
            steps, validation = _seconds(run)
            size = sum(path.stat().st_size for path in run.glob("checkpoint-*.pt"))
    except OSError as error:
        raise InputError(f"{folder}: cannot be written ({error.strerror}); choose another folder with -o") from error
    return _report(recipe, steps, validation, size)


def shortened(recipe: Recipe) -> Recipe:
    """The recipe with two steps of each of its stages, at most two rounds, and one validation pair."""

    def brief(stage: StageConfig) -> StageConfig:
        return replace(stage, steps=min(stage.steps, STEPS))

    return replace(
        recipe,
        rounds=min(recipe.rounds, 2),
        segmentation_first=brief(recipe.segmentation_first),
        first_fusion=brief(recipe.first_fusion),
        fusion=brief(recipe.fusion),
        segmentation=brief(recipe.segmentation),
        joint=brief(recipe.joint),
        last_fusion=brief(recipe.last_fusion),
        data=replace(recipe.data, validation_limit=1),
        validate_every=0,
        export="last",
        trackers=(),
    )


def _seconds(run: Path) -> tuple[dict[str, float], float]:
    """Seconds of the last step of each phase, and of the last validation."""
    with (run / "losses.csv").open(newline="", encoding="utf-8") as file:
        steps = {row["phase"]: float(row["seconds"]) for row in csv.DictReader(file)}
    with (run / "scores.csv").open(newline="", encoding="utf-8") as file:
        validations = [float(row["value"]) for row in csv.DictReader(file) if row["name"] == "seconds"]
    return steps, validations[-1]


def _report(recipe: Recipe, seconds: dict[str, float], validation: float, checkpoint_bytes: int) -> str:
    phases = plan(recipe)
    total = sum(phase.stage.steps * _pace(phase, phases, seconds) for phase in phases)
    steps = sum(phase.stage.steps for phase in phases)
    validations = len(phases) + (steps // recipe.validate_every if recipe.validate_every else 0)
    pairs = max((len(open_source(s, recipe.data)[1]) for s in _validated(recipe)), default=0)
    total += validations * pairs * validation
    lines = [
        *(f"{name}: {value:.2f} s/step" for name, value in seconds.items()),
        f"validation: {validation:.2f} s/pair, {pairs} pairs, {validations} times",
        f"the whole run: {steps} steps, about {duration(total)}",
        f"memory: {peak_memory() / 2**30:.1f} GiB at most",
        f"disk: {1.5 * checkpoint_bytes / 2**20:.0f} MiB of checkpoints",
        "check passed",
    ]
    return "\n".join(lines)


def _pace(phase: Phase, phases: list[Phase], seconds: dict[str, float]) -> float:
    """Seconds per step of a phase, or of the last one timed that has the same settings."""
    alike = [p.name for p in phases if option_of(p) == option_of(phase) and p.name in seconds]
    return seconds.get(phase.name, seconds[alike[-1]])


def _validated(recipe: Recipe) -> list[Source]:
    return [s for s in (recipe.data.validation, recipe.data.fusion_validation) if s is not None]


def peak_memory() -> int:
    """The most bytes this process has held: of the GPU where there is one, else of main memory (0: not known)."""
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated()
    try:
        import resource
    except ImportError:  # Windows
        return 0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
