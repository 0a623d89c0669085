"""What a run says: one CSV row per step, TensorBoard curves, and plain lines with speed and remaining time."""

from __future__ import annotations

import csv
import io
import time
from pathlib import Path
from typing import Any

from segmif.checks import require_extra
from segmif.io import write_text

STEP_COLUMNS = ("step", "phase", "phase_step", "loss", "fusion", "segmentation", "w_fusion", "w_segmentation", "rate")


class Journal:
    """Writes ``losses.csv`` (every step), ``scores.csv`` (every validation), TensorBoard and lines on stdout.

    Args:
        folder: of the run.
        total: steps of all phases together.
        step: steps done before (a resumed run); later rows of the files are dropped, so no step stands twice.
        every: steps between lines and TensorBoard points, which hold the mean since the last one.
        quiet: write and say nothing (processes other than the first).
    """

    def __init__(self, folder: Path, *, total: int, step: int = 0, every: int = 10, quiet: bool = False) -> None:
        self._total, self._every, self._quiet = total, every, quiet
        self._recent: list[dict[str, float]] = []
        self._clock, self._seconds_per_step = time.perf_counter(), 0.0
        if quiet:
            return
        _drop_rows_after(folder / "losses.csv", step, STEP_COLUMNS)
        self._losses = (folder / "losses.csv").open("a", newline="", encoding="utf-8")
        self._rows = csv.DictWriter(self._losses, STEP_COLUMNS, restval="")
        self._scores = folder / "scores.csv"
        _drop_rows_after(self._scores, step, ("step", "phase", "name", "value"))
        board = require_extra("torch.utils.tensorboard", "train")
        self._board: Any = board.SummaryWriter(str(folder / "tensorboard"), purge_step=step + 1)

    def say(self, text: str) -> None:
        """One line on stdout."""
        if not self._quiet:
            print(text, flush=True)

    def log_step(self, step: int, phase: str, phase_step: int, values: dict[str, float]) -> None:
        """Record one optimiser step; `step` counts over all phases from 1, `values` by the names of the columns."""
        if self._quiet:
            return
        self._rows.writerow({"step": step, "phase": phase, "phase_step": phase_step, **_exact(values)})
        self._recent.append(values)
        if step % self._every and step != self._total:
            return
        self._losses.flush()
        means = _means(self._recent)
        for name, value in means.items():
            self._board.add_scalar(f"train/{name}", value, step)
        self.say(f"{phase} {phase_step}  step {step}/{self._total}  {_brief(means)}  {self._pace(step)}")
        self._recent = []

    def log_scores(self, step: int, phase: str, scores: dict[str, float]) -> None:
        """Record the scores of a validation; the time it took does not count as training."""
        if self._quiet:
            return
        with self._scores.open("a", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([step, phase, name, repr(value)] for name, value in scores.items())
        for name, value in scores.items():
            self._board.add_scalar(f"validation/{name}", value, step)
        self.say(f"validation after step {step}: {_brief(scores)}")
        self._recent, self._clock = [], time.perf_counter()

    def flush(self) -> None:
        """Put everything on disk; called before a checkpoint, so that no checkpoint is ahead of its curve."""
        if not self._quiet:
            self._losses.flush()
            self._board.flush()

    def close(self) -> None:
        """Close the files."""
        if not self._quiet:
            self._losses.close()
            self._board.close()

    def _pace(self, step: int) -> str:
        now = time.perf_counter()
        latest = (now - self._clock) / max(1, len(self._recent))
        self._clock = now
        self._seconds_per_step = latest if not self._seconds_per_step else 0.7 * self._seconds_per_step + 0.3 * latest
        remaining = duration((self._total - step) * self._seconds_per_step)
        return f"{1 / max(self._seconds_per_step, 1e-9):.2f} steps/s  {remaining} left"


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


def _exact(values: dict[str, float]) -> dict[str, str]:
    """Shortest text that reads back as the same number: the curve on disk is exact."""
    return {name: repr(value) for name, value in values.items()}


def _means(rows: list[dict[str, float]]) -> dict[str, float]:
    return {name: sum(row[name] for row in rows) / len(rows) for name in rows[-1] if all(name in row for row in rows)}


def _brief(values: dict[str, float]) -> str:
    return "  ".join(f"{name} {value:.4g}" for name, value in values.items())
