"""From samples to training tensors: one geometry for the pair, its target, labels and boxes; photometry per camera.

Everything random follows from a seed and a position in the stream of samples, never from a worker: the same seed
gives the same samples with any number of workers, and a resumed run goes on where it was.

Pictures go through OpenCV and numpy rather than kornia: on single pictures on a CPU it is several times as fast
(benchmarks/data_loading.py measures it); the tests hold the geometry against kornia's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from segmif.checks import InputError
from segmif.data import effects
from segmif.data.base import Boxes, PairDataset, PairSample
from segmif.data.cutouts import Cutouts, paste
from segmif.data.geometry import View, draw_view, rare_pixel, shifted, whole_view
from segmif.data.parallel import clean_processes
from segmif.io import Band, to_unit
from segmif.labelsets import IGNORE

Picture = npt.NDArray[np.float32]
_BORDER = 15
"""Pixels that labels leave open around the sky, twice and one more."""


@dataclass(frozen=True, kw_only=True)
class TransformConfig:
    """What may happen to a sample. Names are probabilities in [0, 1] unless said otherwise.

    Geometry: `crop` side of the square view in pixels, `scale` range of the zoom, `flip`, `balance` (the view is
    placed on a pixel of a class drawn evenly from those present, or on a box).
    Visible only: `photometric_visible`, `night`, `glare`, `fog`, `rain`, `noise`.
    Infrared only: `photometric_infrared`, `dim_infrared`, `thermal_noise`; `misalign` moves it against the visible by
    up to `misalign_pixels` (labels follow the visible).
    `drop`: one of the two cameras fails.
    `paste`: an object of a rare class is put into the view (where the data has such, see `segmif.data.cutouts`).
    """

    crop: int = 320
    scale: tuple[float, float] = (0.5, 2.0)
    flip: float = 0.5
    balance: float = 0.5
    photometric_visible: float = 0.5
    photometric_infrared: float = 0.5
    dim_infrared: float = 0.0
    night: float = 0.0
    glare: float = 0.0
    fog: float = 0.0
    rain: float = 0.0
    noise: float = 0.0
    thermal_noise: float = 0.0
    misalign: float = 0.0
    misalign_pixels: float = 4.0
    drop: float = 0.0
    paste: float = 0.0

    def __post_init__(self) -> None:
        low, high = self.scale
        if not 0 < low <= high:
            raise InputError(f"scale {self.scale} must be (low, high) with 0 < low <= high, e.g. (0.5, 2.0)")
        if self.crop < 1 or self.misalign_pixels < 0:
            raise InputError(
                f"crop {self.crop} must be at least 1 and misalign_pixels {self.misalign_pixels} at least 0"
            )
        for name, value in vars(self).items():
            if name not in ("crop", "scale", "misalign_pixels") and not 0 <= value <= 1:
                raise InputError(f"{name} {value} is a probability: give a number from 0 to 1")


PRESETS: Mapping[str, TransformConfig] = {
    "geometry": TransformConfig(photometric_visible=0, photometric_infrared=0, balance=0),
    "fusion": TransformConfig(balance=0),
    "segmentation": TransformConfig(
        night=0.25, glare=0.1, fog=0.08, rain=0.05, noise=0.2, thermal_noise=0.2, misalign=0.2, drop=0.05
    ),
}
"""Ready sets: geometry alone; mild photometry for fusion; everything that teaches to use both cameras."""


@dataclass(frozen=True, kw_only=True)
class TensorSample:
    """A sample as tensors: `infrared` (1, H, W) and `visible` (3, H, W) float32 in [0, 1], `labels` (H, W) int64 with
    255 = ignore or None, `target` (1, H, W) float32 in [0, 1] or None, `boxes` in pixels of the view or None.

    `meta` adds ``effects``, the names of what was done to the pictures beyond geometry: a target made from the
    untouched pair no longer belongs to a visible picture that was turned into night.
    """

    name: str
    infrared: Tensor
    visible: Tensor
    labels: Tensor | None = None
    target: Tensor | None = None
    boxes: Boxes | None = None
    meta: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class SampleBatch:
    """Samples of one size: `infrared` (B, 1, H, W), `visible` (B, 3, H, W), `labels` (B, H, W) int64 (all 255 for
    samples without), `labelled` (B,) bool, `target` (B, 1, H, W) or None unless every sample has one.
    """

    names: list[str]
    infrared: Tensor
    visible: Tensor
    labels: Tensor
    labelled: Tensor
    target: Tensor | None
    boxes: list[Boxes | None]
    meta: list[Mapping[str, Any]]


def to_tensors(sample: PairSample) -> TensorSample:
    """A whole sample as tensors, unchanged; for evaluation."""
    return _tensors(sample, _viewed(sample, whole_view(sample.size)), sample.boxes, [])


def transform(
    sample: PairSample,
    config: TransformConfig,
    random: np.random.Generator,
    *,
    sky: int | None = None,
    cutouts: Cutouts | None = None,
) -> TensorSample:
    """A random view of a sample, see `TransformConfig`.

    Args:
        sample: pictures and what is known of them.
        config: what may happen, how often.
        random: where all numbers come from.
        sky: id of the class that is black at night, if the labels have one.
        cutouts: what `config.paste` pastes into samples with labels.

    Raises:
        InputError: the crop exceeds the picture even at the largest zoom.
    """
    focus = _focus(sample, random) if random.random() < config.balance else None
    view = draw_view(sample.size, config.crop, scale=config.scale, flip=config.flip, random=random, focus=focus)
    pictures = _viewed(sample, view)
    done = []
    if cutouts and "labels" in pictures and random.random() < config.paste:
        done += ["paste"] if paste(pictures, cutouts.draw(random), random) else []
    done += _visible_effects(pictures, config, random, sky) + _infrared_effects(pictures, config, random)
    if random.random() < config.drop:
        band = "infrared" if random.random() < 0.5 else "visible"
        pictures[band] = effects.blank(pictures[band], random)
        done.append(f"drop {band}")
    return _tensors(sample, pictures, None if sample.boxes is None else view.boxes(sample.boxes), done)


def _focus(sample: PairSample, random: np.random.Generator) -> tuple[int, int] | None:
    if sample.labels is not None:
        return rare_pixel(sample.labels, random)
    if sample.boxes is not None and len(sample.boxes):
        x0, y0, x1, y1 = sample.boxes.xyxy[int(random.integers(len(sample.boxes)))]
        return int((y0 + y1) / 2), int((x0 + x1) / 2)
    return None


def _viewed(sample: PairSample, view: View) -> dict[str, Any]:
    """Pictures of the view as float32 in [0, 1], labels as int64."""

    def picture(image: npt.NDArray[Any], band: Band) -> Picture:
        if image.dtype == np.uint8:
            return to_unit(view.picture(image), band)
        return view.picture(to_unit(image, band))  # other types are scaled by what the whole picture holds

    pictures: dict[str, Any] = {
        "infrared": picture(sample.infrared, "infrared"),
        "visible": picture(sample.visible, "visible"),
    }
    if sample.target is not None:
        pictures["target"] = picture(sample.target, "visible")
    if sample.labels is not None:
        pictures["labels"] = view.labels(sample.labels).astype(np.int64)
    return pictures


def _visible_effects(
    pictures: dict[str, Any], config: TransformConfig, random: np.random.Generator, sky: int | None
) -> list[str]:
    dark = None if sky is None or "labels" not in pictures else _sky_of(pictures["labels"], sky)
    steps: tuple[tuple[str, Callable[[Picture, np.random.Generator], Picture]], ...] = (
        ("photometric_visible", effects.photometric_visible),
        ("fog", effects.fog),
        ("rain", effects.rain),
        ("night", lambda picture, random: effects.night(picture, random, dark)),
        ("glare", effects.glare),
        ("noise", effects.visible_noise),
    )
    done = []
    for name, effect in steps:
        if random.random() < getattr(config, name):
            pictures["visible"] = np.clip(effect(pictures["visible"], random), 0, 1)
            done.append(name)
    return done


def _sky_of(labels: npt.NDArray[np.int64], sky: int) -> npt.NDArray[np.bool_]:
    """(H, W), the sky with its border, which labels leave open and which would go on shining."""
    grown = cv2.dilate((labels == sky).astype(np.uint8), np.ones((_BORDER, _BORDER), np.uint8))
    return np.asarray((grown > 0) & ((labels == sky) | (labels == IGNORE)))


def _infrared_effects(pictures: dict[str, Any], config: TransformConfig, random: np.random.Generator) -> list[str]:
    done = []
    if random.random() < config.misalign:
        dx, dy = random.uniform(-config.misalign_pixels, config.misalign_pixels, 2)
        degrees, zoom = random.uniform(-0.5, 0.5), random.uniform(0.99, 1.01)
        pictures["infrared"] = shifted(pictures["infrared"], dx=dx, dy=dy, degrees=degrees, zoom=zoom)
        done.append("misalign")
    for name, effect in (
        ("photometric_infrared", effects.photometric_infrared),
        ("dim_infrared", effects.dim_infrared),
        ("thermal_noise", effects.thermal_noise),
    ):
        if random.random() < getattr(config, name):
            pictures["infrared"] = effect(pictures["infrared"], random)
            done.append(name)
    return done


def _tensors(sample: PairSample, pictures: dict[str, Any], boxes: Boxes | None, done: list[str]) -> TensorSample:
    def planes(image: Picture) -> Tensor:
        image = np.clip(image, 0, 1, dtype=np.float32)
        return torch.from_numpy(np.ascontiguousarray(image[None] if image.ndim == 2 else image.transpose(2, 0, 1)))

    return TensorSample(
        name=sample.name,
        infrared=planes(pictures["infrared"]),
        visible=planes(pictures["visible"]),
        labels=torch.from_numpy(pictures["labels"]) if "labels" in pictures else None,
        target=planes(pictures["target"]) if "target" in pictures else None,
        boxes=boxes,
        meta={**sample.meta, "effects": done},
    )


class TransformedDataset(Dataset[TensorSample]):
    """The endless stream of random views of a data set: position `n` is sample ``n % len`` of epoch ``n // len``.

    Each epoch has its own order (unless `shuffle` is False) and each position its own random numbers, all from `seed`;
    so a loader over ``range(start, stop)`` gives the same samples with any number of workers and resumes exactly.
    """

    def __init__(self, dataset: PairDataset, config: TransformConfig, *, seed: int = 0, shuffle: bool = True) -> None:
        self._dataset, self._config, self._seed, self._shuffle = dataset, config, seed, shuffle

    def __len__(self) -> int:
        return len(self._dataset)

    def __getitem__(self, position: int) -> TensorSample:
        epoch, index = divmod(position, len(self))
        if self._shuffle:
            index = int(np.random.default_rng((self._seed, epoch)).permutation(len(self))[index])
        random = np.random.default_rng((self._seed, 1, position))
        return transform(self._dataset[index], self._config, random)


def collate(samples: Sequence[TensorSample]) -> SampleBatch:
    """Samples of one size as a batch."""
    nothing = torch.full(samples[0].visible.shape[1:], IGNORE, dtype=torch.int64)
    targets = [sample.target for sample in samples if sample.target is not None]
    return SampleBatch(
        names=[sample.name for sample in samples],
        infrared=torch.stack([sample.infrared for sample in samples]),
        visible=torch.stack([sample.visible for sample in samples]),
        labels=torch.stack([nothing if sample.labels is None else sample.labels for sample in samples]),
        labelled=torch.tensor([sample.labels is not None for sample in samples]),
        target=torch.stack(targets) if len(targets) == len(samples) else None,
        boxes=[sample.boxes for sample in samples],
        meta=[sample.meta for sample in samples],
    )


def make_loader(
    stream: TransformedDataset, *, batch: int, steps: int, start: int = 0, workers: int = 0
) -> DataLoader[Any]:
    """Batches `start` to `start + steps` of a stream, as `SampleBatch`; workers use one thread each."""
    positions = range(start * batch, (start + steps) * batch)
    return DataLoader(
        stream,
        batch_size=batch,
        sampler=positions,
        num_workers=workers,
        collate_fn=collate,
        worker_init_fn=_one_thread,
        multiprocessing_context=clean_processes() if workers else None,
    )


def _one_thread(worker: int) -> None:
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
