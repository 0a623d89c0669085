"""A data set of synthetic scenes, in memory or written to disk in the layout of FMB."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import KW_ONLY, dataclass
from pathlib import Path

from segmif.checks import InputError
from segmif.data.base import PairSample
from segmif.data.synthetic.conditions import Time, Weather
from segmif.data.synthetic.scene import synthetic_scene
from segmif.io import write_image, write_labels
from segmif.labelsets import FMB, LabelSet


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
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Write scenes as ``{train,test}/{Infrared,Visible,Label,color}/SEED.png``, the layout of FMB.

    `Label` holds class ids as palette PNG, `color` their colours as RGB. The last `test_share` of the scenes go
    to ``test``. Files of the same name are replaced; each is written whole or not at all.

    Args:
        folder: created if missing.
        count: how many scenes; scene i has the seed `seed` + i.
        progress: called with (done, count) after each scene.

    Raises:
        InputError: count below 1, test_share outside [0, 1], or the folder cannot be written.
    """
    if not 0 <= test_share <= 1:
        raise InputError(f"test_share is {test_share:g}: must be in [0, 1]")
    dataset = SyntheticDataset(count, seed=seed, size=size, time=time, weather=weather)
    first_test = count - round(count * test_share)
    folder = Path(folder)
    for index, sample in enumerate(dataset):
        _write_sample(folder / ("train" if index < first_test else "test"), sample)
        if progress is not None:
            progress(index + 1, count)
    return folder


def _write_sample(folder: Path, sample: PairSample) -> None:
    assert sample.labels is not None
    file = f"{sample.name}.png"
    write_image(folder / "Infrared" / file, sample.infrared)
    write_image(folder / "Visible" / file, sample.visible)
    write_labels(folder / "Label" / file, sample.labels, FMB.palette)
    write_image(folder / "color" / file, FMB.colours()[sample.labels])
