"""What comes out: the fused picture, the labels, and ways to look at and keep them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from segmif import io, viz
from segmif.checks import InputError
from segmif.labelsets import LabelSet

OUTPUTS = ("fused", "labels", "overlay", "panel")
"""What `Result.save` can write; each file is named <stem>_<output>.png."""


def output_path(folder: str | os.PathLike[str], stem: str, output: str) -> Path:
    """Where an output goes.

    >>> output_path("out", "scene-7", "fused").as_posix()
    'out/scene-7_fused.png'
    """
    return Path(folder) / f"{stem}_{output}.png"


def is_finished(
    outputs: Sequence[Path], inputs: Iterable[Path], *, whole: Callable[[Path], bool] = io.is_whole_image
) -> bool:
    """Whether all output files are there, `whole`, and not older than the inputs."""
    if not all(path.is_file() for path in outputs):
        return False
    newest = max((path.stat().st_mtime_ns for path in inputs if path.exists()), default=0)
    if min(path.stat().st_mtime_ns for path in outputs) < newest:
        return False
    return all(whole(path) for path in outputs)


@dataclass(frozen=True, kw_only=True)
class Result:
    """One fused, and perhaps segmented, pair.

    Attributes:
        name: the pair's name.
        fused: uint8 RGB (H, W, 3).
        labels: uint8 class ids (H, W), positions in `label_set.classes`; None for a fusion-only model.
        confidence: float32 (H, W) in [0, 1], the winning class' probability; None likewise.
        label_set: names and colours of the classes; None likewise.
        infrared: uint8 (H, W), as the network saw it.
        visible: uint8 RGB (H, W, 3), as the network saw it.
        notes: what was done to the input and the user should know.
        seconds: time of a video frame from the first one.
        latency: seconds from the capture of a camera's frame to this result; None for anything else.
    """

    name: str
    fused: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.uint8] | None
    confidence: npt.NDArray[np.float32] | None
    label_set: LabelSet | None
    infrared: npt.NDArray[np.uint8]
    visible: npt.NDArray[np.uint8]
    notes: tuple[str, ...] = ()
    seconds: float | None = None
    latency: float | None = None

    def overlay(self, *, opacity: float = 0.45, legend: viz.Legend = "present") -> Image.Image:
        """The fused picture with coloured labels and a legend of the classes found, with their shares.

        Raises:
            InputError: the model is fusion only, or `opacity` is outside [0, 1].
        """
        if self.labels is None or self.label_set is None:
            raise InputError("there are no labels to show: the model is fusion only; choose one with classes")
        return viz.overlay(self.fused, self.labels, self.label_set, opacity=opacity, legend=legend)

    def panel(self, *, legend: viz.Legend = "present") -> Image.Image:
        """Infrared, visible, fused and, with labels, the overlay, side by side with titles."""
        pictures = [("infrared", self.infrared), ("visible", self.visible), ("fused", self.fused)]
        shown: list[tuple[str, object]] = list(pictures)
        return viz.panel([*shown, ("labels", self.overlay(legend=legend))] if self.labels is not None else shown)

    def colour_labels(self) -> npt.NDArray[np.uint8]:
        """The labels in their colours, RGB (H, W, 3).

        Raises:
            InputError: the model is fusion only.
        """
        if self.labels is None or self.label_set is None:
            raise InputError("there are no labels to show: the model is fusion only; choose one with classes")
        return viz.colour_labels(self.labels, self.label_set)

    def save(
        self,
        folder: str | os.PathLike[str],
        *,
        stem: str | None = None,
        outputs: tuple[str, ...] = ("fused", "labels", "overlay"),
    ) -> dict[str, Path]:
        """Write PNGs <stem>_fused, <stem>_labels (a palette picture of class ids), <stem>_overlay, <stem>_panel.

        Args:
            folder: made if need be.
            stem: the pair's name by default; may hold a sub-folder.
            outputs: which of `OUTPUTS`; labels and overlay are left out for a fusion-only model.

        Returns:
            The path of every file written, by output.

        Raises:
            InputError: an unknown output, or a file that cannot be written.
        """
        wanted = [output for output in outputs if self.labels is not None or output not in ("labels", "overlay")]
        paths = {output: output_path(folder, stem or self.name, output) for output in wanted}
        for output, path in paths.items():
            self.write(output, path)
        return paths

    def write(self, output: str, path: str | os.PathLike[str]) -> None:
        """Write one of `OUTPUTS` to a file; its suffix chooses the format (labels are PNG whatever it says)."""
        io.write_bytes(path, self.encode(output, Path(path).suffix))

    def encode(self, output: str, suffix: str = ".png") -> bytes:
        """The bytes `write` writes to a file of that suffix."""
        if output == "labels" and self.labels is not None and self.label_set is not None:
            return io.encode_labels(self.labels, self.label_set.palette)
        return io.encode_image(self.picture(output), suffix)

    def picture(self, output: str, *, legend: viz.Legend = "present") -> npt.NDArray[np.uint8]:
        """One of `OUTPUTS` as a uint8 RGB picture, labels in their colours.

        Raises:
            InputError: no such output, or it needs labels and there are none.
        """
        if output not in OUTPUTS:
            raise InputError(f"unknown output {output!r}: choose from {', '.join(OUTPUTS)}")
        if output == "fused":
            return self.fused
        if output == "labels":
            return self.colour_labels()
        drawn = self.overlay(legend=legend) if output == "overlay" else self.panel(legend=legend)
        return np.asarray(drawn)
