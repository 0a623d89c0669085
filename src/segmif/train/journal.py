"""What a run says: one CSV row per step, TensorBoard curves, and plain lines with speed and remaining time."""

from __future__ import annotations

import csv
import io
import os
import time
from pathlib import Path
from typing import Any

from segmif.checks import InputError, require_extra, unknown
from segmif.io import read_image, write_text
from segmif.train.config import Phase
from segmif.train.run import Run

STEP_COLUMNS = (
    "step",
    "phase",
    "phase_step",
    "loss",
    "fusion",
    "segmentation",
    "w_fusion",
    "w_segmentation",
    "rate",
    "seconds",
)
HEADLINES = ("miou", "iou/person", "iou/car", "iou/night/person", "fusion/")
"""Beginnings of the scores a validation says aloud; all of them are in the files."""


class Journal:
    """Writes ``losses.csv`` (every step), ``scores.csv`` (every validation), TensorBoard and lines on stdout.

    Only the first process writes and speaks. On a resumed run later rows of the files are dropped, so no step stands
    twice.

    Args:
        run: its `done` is the step, counted over all phases; its recipe says how often to speak.
        total: steps of all phases together.
    """

    def __init__(self, run: Run, *, total: int) -> None:
        self._run, self._total, self._quiet = run, total, not run.workers.is_main
        self._recent: list[dict[str, float]] = []
        self._seconds = 0.0
        self.begin()
        if self._quiet:
            return
        _drop_rows_after(run.folder / "losses.csv", run.done, STEP_COLUMNS)
        self._losses = (run.folder / "losses.csv").open("a", newline="", encoding="utf-8")
        self._rows = csv.DictWriter(self._losses, STEP_COLUMNS, restval="")
        self._scores = run.folder / "scores.csv"
        _drop_rows_after(self._scores, run.done, ("step", "phase", "name", "value"))
        board = require_extra("torch.utils.tensorboard", "train")
        self._board: Any = board.SummaryWriter(str(run.folder / "tensorboard"), purge_step=run.done + 1)
        self._trackers = open_trackers(run)

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *_: object) -> None:
        if not self._quiet:
            self._losses.close()
            self._board.close()
            for tracker in self._trackers:
                tracker.finish()

    def say(self, text: str) -> None:
        """One line on stdout."""
        if not self._quiet:
            print(text, flush=True)

    def begin(self) -> None:
        """What came before, such as reading the data, does not count as time of the next step."""
        self._clock = time.perf_counter()

    def log_step(self, phase: Phase, values: dict[str, float]) -> None:
        """Record the optimiser step just done, `values` by the names of the columns."""
        if self._quiet:
            return
        step, now = self._run.done, time.perf_counter()
        values, self._clock = {**values, "seconds": now - self._clock}, now
        place = {"step": step, "phase": phase.name, "phase_step": self._run.step}
        self._rows.writerow({**place, **{name: repr(value) for name, value in values.items()}})
        self._recent.append(values)
        if step % self._run.recipe.log_every and step != self._total:
            return
        means = _means(self._recent)
        self._recent = []
        self._publish("train", means, step)
        latest = means.pop("seconds")
        self._seconds = 0.7 * self._seconds + 0.3 * latest if self._seconds else latest
        left = duration((self._total - step) * self._seconds)
        place_of = f"{phase.name} {self._run.step}/{phase.stage.steps}  step {step}/{self._total}"
        self.say(f"{place_of}  {_brief(means)}  {1 / latest:.2f} steps/s  {left} left")

    def log_scores(self, phase: Phase, scores: dict[str, float], pictures: Path | None = None) -> None:
        """Record a validation, with the PNGs of a folder; the time it took does not count as training."""
        if self._quiet:
            return
        step = self._run.done
        with self._scores.open("a", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([step, phase.name, name, repr(value)] for name, value in scores.items())
        self._publish("validation", scores, step)
        for path in sorted(pictures.rglob("*.png")) if pictures is not None else ():
            self._board.add_image(path.stem, read_image(path), step, dataformats="HWC")
        brief = {name: value for name, value in scores.items() if name.startswith(HEADLINES)}
        self.say(f"validation after step {step}: {_brief(brief)}")
        self.begin()

    def flush(self) -> None:
        """Put everything on disk; called before a checkpoint, so that no checkpoint is ahead of its curve."""
        if not self._quiet:
            self._losses.flush()
            os.fsync(self._losses.fileno())
            self._board.flush()

    def _publish(self, group: str, values: dict[str, float], step: int) -> None:
        named = {f"{group}/{name}": value for name, value in values.items()}
        for name, value in named.items():
            self._board.add_scalar(name, value, step)
        for tracker in self._trackers:
            tracker.log(named, step=step)


def open_trackers(run: Run) -> list[Any]:
    """Trackers of `accelerate` (wandb, mlflow ...) by the names in the recipe.

    Raises:
        InputError: an unknown one, or its package is not installed.
    """
    if not run.recipe.trackers:
        return []
    accelerate = require_extra("accelerate", "train")
    kinds = require_extra("accelerate.tracking", "train").LOGGER_TYPE_TO_CLASS
    accelerate.PartialState()
    opened = []
    for name in run.recipe.trackers:
        if name not in kinds:
            raise unknown("tracker", name, kinds)
        folder = {"logging_dir": str(run.folder)} if kinds[name].requires_logging_directory else {}
        try:
            tracker = kinds[name]("segmif", **folder)
            tracker.start()
        except ImportError as error:
            raise InputError(f"tracker {name!r} needs its package: pip install {name} ({error})") from error
        opened.append(tracker)
    return opened


def duration(seconds: float) -> str:
    """Hours, minutes and seconds as people write them.

    >>> duration(3725), duration(65.4), duration(3)
    ('1 h 02 min', '1 min 05 s', '3 s')
    """
    whole = round(seconds)
    if whole >= 3600:
        return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
    return f"{whole // 60} min {whole % 60:02d} s" if whole >= 60 else f"{whole} s"


def _drop_rows_after(path: Path, step: int, columns: tuple[str, ...]) -> None:
    """Keep the header and the rows of steps up to `step`; make the file where there is none."""
    rows: list[dict[str, str]] = []
    if path.is_file():
        with path.open(newline="", encoding="utf-8") as file:
            # a killed run may leave half a row behind: its last column is missing
            rows = [row for row in csv.DictReader(file) if None not in row.values() and int(row["step"]) <= step]
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\r\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(path, text.getvalue())


def _means(rows: list[dict[str, float]]) -> dict[str, float]:
    return {name: sum(row[name] for row in rows) / len(rows) for name in rows[-1] if all(name in row for row in rows)}


def _brief(values: dict[str, float]) -> str:
    return "  ".join(f"{name} {value:.4g}" for name, value in values.items())
