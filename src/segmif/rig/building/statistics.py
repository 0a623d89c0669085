"""What a data set shows: how often each class occurs, which classes occur together, by day and by night."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from segmif.labelsets import IGNORE, LabelSet

Counts = npt.NDArray[np.int64]

PRESENT = 20
"""Pixels from which a class counts as present in a picture: fewer are slips of the pen."""


@dataclass(frozen=True, kw_only=True)
class Statistics:
    """Class statistics of N labelled pictures.

    Attributes:
        label_set: K classes.
        pixels: (N, 256) pixels of each id in each picture.
        groups: what each picture belongs to, such as its split or its time of day.
    """

    label_set: LabelSet
    pixels: Counts
    groups: Sequence[str]

    @property
    def present(self) -> npt.NDArray[np.bool_]:
        """(N, K): the class has at least `PRESENT` pixels in the picture."""
        return self.pixels[:, : len(self.label_set)] >= PRESENT

    @property
    def images(self) -> Counts:
        """(K,) pictures with each class."""
        return np.asarray(self.present.sum(0), np.int64)

    @property
    def totals(self) -> Counts:
        """(K + 1,) pixels of each class, ignored ones last."""
        total = self.pixels.sum(0)
        return np.append(total[: len(self.label_set)], total[IGNORE])

    def of(self, group: str) -> Statistics:
        """The statistics of one group."""
        keep = [i for i, name in enumerate(self.groups) if name == group]
        return Statistics(label_set=self.label_set, pixels=self.pixels[keep], groups=[group] * len(keep))

    def together(self) -> Counts:
        """(K, K) pictures in which both classes are present; the diagonal counts those with the class.

        >>> from segmif.labelsets import CWFID
        >>> pixels = np.zeros((2, 256), np.int64)
        >>> pixels[0, :2] = pixels[1, 1:3] = 100
        >>> Statistics(label_set=CWFID, pixels=pixels, groups=["", ""]).together().tolist()
        [[1, 1, 0], [1, 2, 1], [0, 1, 1]]
        """
        present = self.present.astype(np.int64)
        return present.T @ present

    def shares(self) -> npt.NDArray[np.float64]:
        """(K + 1,) parts of all pixels, ignored ones last; zeros where there is no picture."""
        totals = self.totals
        return totals / max(1, int(totals.sum()))
