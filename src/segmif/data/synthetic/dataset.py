"""A data set of synthetic scenes, in memory or written to disk in the layout of FMB."""

from __future__ import annotations

import itertools
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import KW_ONLY, dataclass
from functools import partial
from pathlib import Path

from segmif.checks import InputError, unknown
from segmif.claims import claim
from segmif.data.base import PairDataset, PairSample
from segmif.data.parallel import map_samples
from segmif.data.synthetic.conditions import Time, Weather
from segmif.data.synthetic.scene import synthetic_scene
from segmif.io import write_image, write_labels
from segmif.labelsets import FMB, LabelSet

_PATIENCE = 1000


@dataclass(frozen=True)
class SyntheticDataset:
    """`count` scenes made on demand; scene i has the seed `seed` + i. See `synthetic_scene` for the rest.

    >>> dataset = SyntheticDataset(2, seed=5, size=(64, 96))
    >>> dataset.names
    ['000005', '000006']
    >>> dataset[1].labels.shape
    (64, 96)
    """

    count: int
    _: KW_ONLY
    seed: int = 0
    size: tuple[int, int] = (480, 640)
    time: Time | None = None
    weather: Weather | None = None
    misalign: float = 0.0

    def __post_init__(self) -> None:
        if self.count < 1:
            raise InputError(f"count is {self.count}: must be at least 1")

    @property
    def label_set(self) -> LabelSet:
        """The FMB classes."""
        return FMB

    @property
    def names(self) -> list[str]:
        """The seeds, six digits."""
        return [f"{self.seed + i:06d}" for i in range(self.count)]

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> PairSample:
        if not -self.count <= index < self.count:
            raise IndexError(f"scene {index} of {self.count}")
        return synthetic_scene(
            self.seed + index % self.count,
            size=self.size,
            time=self.time,
            weather=self.weather,
            misalign=self.misalign,
        )

    def __iter__(self) -> Iterator[PairSample]:
        return (self[i] for i in range(self.count))


def write_dataset(
    folder: str | os.PathLike[str],
    count: int,
    *,
    seed: int = 0,
    size: tuple[int, int] = (480, 640),
    test_share: float = 0.2,
    time: Time | None = None,
    weather: Weather | None = None,
    having: Mapping[str, float] | None = None,
    workers: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Write scenes as ``{train,test}/{Infrared,Visible,Label,color}/SEED.png``, the layout of FMB.

    `Label` holds class ids as palette PNG, `color` their colours as RGB. The last `test_share` of the scenes go
    to ``test``. Files of the same name are replaced; each is written whole or not at all.

    Args:
        folder: created if missing.
        count: how many scenes; scene i has the seed `seed` + i.
        having: classes by name and the least share of the picture that one of them fills; other scenes are passed
            over, so seeds are left out. For classes that are rare on roads, such as trucks seen from close by.
        workers: processes that draw; the scenes are the same with any number.
        progress: called with (done, count) after each scene.

    Raises:
        InputError: count below 1, test_share outside [0, 1], a class that is none, `having` never fulfilled in a
            thousand scenes, or the folder cannot be written.
    """
    if not 0 <= test_share <= 1:
        raise InputError(f"test_share is {test_share:g}: must be in [0, 1]")
    wanted = {_class_id(name): share for name, share in (having or {}).items()}
    first_test = count - round(count * test_share)
    folder = Path(folder)
    endless = SyntheticDataset(sys.maxsize if count > 0 else count, seed=seed, size=size, time=time, weather=weather)
    with claim(folder, shared=True, below=True):
        for index, sample in enumerate(itertools.islice(_chosen(endless, wanted, workers), count)):
            _write_sample(folder / ("train" if index < first_test else "test"), sample)
            if progress is not None:
                progress(index + 1, count)
    return folder


def _class_id(name: str) -> int:
    if name not in FMB.classes:
        raise unknown("class", name, FMB.classes)
    return FMB.classes.index(name)


def _chosen(dataset: SyntheticDataset, wanted: Mapping[int, float], workers: int) -> Iterator[PairSample]:
    """The scenes in which a class fills its share."""
    passed_over = 0
    for sample in map_samples(partial(_if_wanted, wanted), dataset, workers=workers):
        if sample is not None:
            passed_over = 0
            yield sample
            continue
        passed_over += 1
        if passed_over == _PATIENCE:
            classes = ", ".join(f"{FMB.classes[one]} {share:g}" for one, share in wanted.items())
            raise InputError(f"{_PATIENCE} scenes in a row without {classes} of the picture: ask for a smaller share")


def _if_wanted(wanted: Mapping[int, float], dataset: PairDataset, index: int) -> PairSample | None:
    sample = dataset[index]
    assert sample.labels is not None
    if not wanted or any((sample.labels == one).mean() >= share for one, share in wanted.items()):
        return sample
    return None


def _write_sample(folder: Path, sample: PairSample) -> None:
    assert sample.labels is not None
    file = f"{sample.name}.png"
    write_image(folder / "Infrared" / file, sample.infrared)
    write_image(folder / "Visible" / file, sample.visible)
    write_labels(folder / "Label" / file, sample.labels, FMB.palette)
    write_image(folder / "color" / file, FMB.colours()[sample.labels])
