"""How steady a fused and labelled video is: what flickers though nothing in front of the cameras has changed.

Only pixels that stand still in both inputs count, so that motion is not taken for flicker. For the labels there is a
second measure that follows motion: the labels of the last frame are moved along the optical flow of the input.
After: Varghese et al., Unsupervised temporal consistency metric for video segmentation, CVPR workshops 2020 (labels);
Bonneel et al., Blind video temporal consistency, SIGGRAPH Asia 2015 (warped differences, masked where flow fails).

H, W picture size.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from segmif.checks import InputError, check_same_size
from segmif.color import luma

Grey = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]
Labels = npt.NDArray[np.uint8]
Picture = npt.NDArray[np.uint8]

STILL = 6.0
"""Grey levels (of 255) by which the smoothed input of a still pixel may change: noise and compression."""
_SMOOTHING = 1.5
"""Standard deviation in pixels of the smoothing that tells noise from motion."""
_MARGIN = 3
"""Pixels around what moves that do not count as still either, in each direction."""


def still_mask(
    previous: tuple[Picture, Picture], current: tuple[Picture, Picture], *, tolerance: float = STILL
) -> Mask:
    """Pixels (H, W) at which neither infrared nor visible has changed from one (infrared, visible) to the next.

    Both pictures are taken as luma in 0..255 and smoothed by a Gaussian of 1.5 pixels. A pixel is still if no pixel
    within 3 of it has changed by more than `tolerance` in either picture.
    """
    changed = np.zeros(current[0].shape[:2], bool)
    for before, after in zip(previous, current, strict=True):
        changed |= np.abs(_smooth(_grey(after)) - _smooth(_grey(before))) > tolerance
    kernel = np.ones((2 * _MARGIN + 1, 2 * _MARGIN + 1), np.uint8)
    return np.asarray(cv2.dilate(changed.astype(np.uint8), kernel) == 0)


def label_flicker(previous: Labels, current: Labels, where: Mask) -> float:
    """Share of the pixels of `where` whose label differs, F = |{i ∈ M : l_t(i) ≠ l_{t−1}(i)}| / |M|; NaN if none.

    >>> label_flicker(np.zeros((2, 2), np.uint8), np.eye(2, dtype=np.uint8), np.ones((2, 2), bool))
    0.5
    """
    return float((previous != current)[where].mean()) if where.any() else math.nan


def luma_flicker(previous: Picture, current: Picture, where: Mask) -> float:
    """Mean change of the luma in grey levels (0..255), (1 / |M|) Σ_{i ∈ M} |Y_t(i) − Y_{t−1}(i)|; NaN if M is empty."""
    return float(np.abs(_grey(current) - _grey(previous))[where].mean()) if where.any() else math.nan


def warped_labels(
    previous: tuple[Picture, Picture], current: tuple[Picture, Picture], labels: Labels
) -> tuple[Labels, Mask]:
    """The labels of the last frame where things are now, and the mask (H, W) of pixels for which that is known.

    The optical flow (DIS, Kroeger et al., ECCV 2016) from the current to the previous picture, the mean of infrared
    and visible luma, says where each pixel was. It is known where the flow back leads to the same place within a
    pixel, and the input there is alike within `STILL` grey levels after smoothing.
    """
    now, before = (_flow_picture(pair) for pair in (current, previous))
    backward, forward = _flow(now, before), _flow(before, now)
    rows, columns = np.indices(labels.shape, dtype=np.float32)
    x, y = columns + backward[..., 0], rows + backward[..., 1]
    back = cv2.remap(forward, x, y, cv2.INTER_LINEAR)
    known = (np.abs(backward + back).max(axis=2) <= 1.0) & (x >= 0) & (y >= 0)
    known &= (x <= labels.shape[1] - 1) & (y <= labels.shape[0] - 1)
    for old, new in zip(previous, current, strict=True):
        moved = cv2.remap(_smooth(_grey(old)), x, y, cv2.INTER_LINEAR)
        known &= np.abs(moved - _smooth(_grey(new))) <= STILL
    return np.asarray(cv2.remap(labels, x, y, cv2.INTER_NEAREST), np.uint8), known


def _grey(picture: Picture) -> Grey:
    return luma(picture.astype(np.float32))


def _smooth(grey: Grey) -> Grey:
    return np.asarray(cv2.GaussianBlur(grey, (0, 0), _SMOOTHING), np.float32)


def _flow_picture(pair: tuple[Picture, Picture]) -> Picture:
    return np.rint((_grey(pair[0]) + _grey(pair[1])) / 2).astype(np.uint8)


def _flow(source: Picture, target: Picture) -> npt.NDArray[np.float32]:
    """(H, W, 2): the x and y by which each pixel of `source` has to move to be found in `target`."""
    method = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_FAST)
    return np.asarray(method.calc(source, target, np.empty(0, np.float32)), np.float32)


@dataclass(frozen=True, kw_only=True)
class TemporalResult:
    """Means over all pairs of neighbouring frames; NaN for what could not be measured.

    Attributes:
        label_flicker: share of still pixels whose label changes, 0..1.
        label_flicker_moving: the same along the optical flow, still and moving pixels alike.
        fused_flicker: change of the fused luma at still pixels, in grey levels.
        infrared_flicker: likewise for the infrared picture.
        visible_flicker: likewise for the visible picture's luma.
        flicker_ratio: `fused_flicker` over the larger of the two of the sources: above 1 fusion adds flicker.
        still_share: share of all pixels that stand still.
        frames: number of frames.
    """

    label_flicker: float
    label_flicker_moving: float
    fused_flicker: float
    infrared_flicker: float
    visible_flicker: float
    flicker_ratio: float
    still_share: float
    frames: int


class TemporalScore:
    """Flicker of one video, frame by frame; keeps no more than the last frame.

    Args:
        motion: also measure the labels along the optical flow, which takes most of the time.
    """

    def __init__(self, *, motion: bool = True) -> None:
        self._motion = motion
        self._last: tuple[tuple[Picture, Picture], Picture, Labels | None] | None = None
        self._frames = 0
        self._sums = np.zeros(6)
        self._counts = np.zeros(6)

    def update(
        self,
        fused: Picture,
        infrared: Picture,
        visible: Picture,
        labels: Labels | None = None,
        still: Mask | None = None,
    ) -> None:
        """Count the next frame.

        Args:
            fused: uint8 RGB (H, W, 3) or grey (H, W).
            infrared: uint8 (H, W).
            visible: uint8 RGB (H, W, 3).
            labels: uint8 (H, W); None for a model without classes.
            still: pixels (H, W) known to stand still since the last frame; found by `still_mask` by default.

        Raises:
            InputError: sizes differ from each other or from the last frame's.
        """
        size = (infrared.shape[0], infrared.shape[1])
        pictures = {"fused": fused, "visible": visible, **({"labels": labels} if labels is not None else {})}
        for name, picture in pictures.items():
            check_same_size(name, (picture.shape[0], picture.shape[1]), "infrared", size)
        sources = (infrared, visible)
        if self._last is not None:
            check_same_size("the frame", size, "the last frame", self._last[0][0].shape)
            self._compare(sources, fused, labels, still)
        self._last = (sources, fused, labels)
        self._frames += 1

    def _compare(
        self, sources: tuple[Picture, Picture], fused: Picture, labels: Labels | None, still: Mask | None
    ) -> None:
        assert self._last is not None
        last_sources, last_fused, last_labels = self._last
        where = still_mask(last_sources, sources) if still is None else still
        of_labels = along_flow = math.nan
        if labels is not None and last_labels is not None:
            of_labels = label_flicker(last_labels, labels, where)
            if self._motion:
                moved, known = warped_labels(last_sources, sources, last_labels)
                along_flow = label_flicker(moved, labels, known)
        lumas = [luma_flicker(*two, where) for two in zip((last_fused, *last_sources), (fused, *sources), strict=True)]
        values = np.array([of_labels, along_flow, *lumas, where.mean()])
        self._counts += np.isfinite(values)
        self._sums += np.nan_to_num(values)

    def compute(self) -> TemporalResult:
        """The means so far.

        Raises:
            InputError: fewer than two frames.
        """
        if self._frames < 2:
            raise InputError(f"flicker needs at least two frames, got {self._frames}: give a video")
        with np.errstate(invalid="ignore"):
            means = [float(v) for v in self._sums / self._counts]
        strongest = max(means[3], means[4])
        return TemporalResult(
            label_flicker=means[0],
            label_flicker_moving=means[1],
            fused_flicker=means[2],
            infrared_flicker=means[3],
            visible_flicker=means[4],
            flicker_ratio=means[2] / strongest if strongest > 0 else math.nan,
            still_share=means[5],
            frames=self._frames,
        )
