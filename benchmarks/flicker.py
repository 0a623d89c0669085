"""How much labels flicker, plain and stabilised: ``python benchmarks/flicker.py [--model segmif-lite] [--frames 40]``.

People cross the street of a synthetic clip before cameras that stand still (`segmif.data.synthetic.clip`), with noise
of two grey levels in every frame and known labels. Beside the flicker, the IoU of persons near what moves tells whether
smoothing draws tails.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from fractions import Fraction

import numpy as np
import torch
from scipy.ndimage import distance_transform_edt

import segmif
from segmif.data.base import PairSample
from segmif.data.synthetic.clip import synthetic_clip
from segmif.infer import Model
from segmif.labelsets import FMB
from segmif.metrics.temporal import TemporalResult, TemporalScore
from segmif.streams import PairStream, StreamPair

NEAR = 15
"""Pixels from what moves."""
RATE = Fraction(25)


class Clip(PairStream):
    """The frames of a clip as a video."""

    def __init__(self, frames: list[PairSample]) -> None:
        super().__init__(name="clip", rate=RATE, length=len(frames))
        self.frames = frames

    def __iter__(self) -> Iterator[StreamPair]:
        for number, frame in enumerate(self.frames):
            pictures = (frame.infrared, frame.visible)
            yield StreamPair(name=frame.name, read=lambda p=pictures: p, seconds=float(number / RATE))  # type: ignore[misc]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="segmif-lite")
    parser.add_argument("--dtype", default="float32")
    parser.add_argument("--frames", type=int, default=40)
    parser.add_argument("--size", default="320x240")
    parser.add_argument("--seeds", default="5", help="one clip each, separated by commas")
    options = parser.parse_args()
    torch.set_num_threads(1)
    width, height = map(int, options.size.split("x"))
    model = segmif.load(options.model, device="cpu", dtype=options.dtype)
    print(f"{model}, {options.frames} frames of {options.size}")
    for seed in map(int, options.seeds.split(",")):
        clip = list(synthetic_clip(seed, options.frames, size=(height, width)))
        for stabilise in (False, True):
            result, iou = measure(model, clip, stabilise=stabilise)
            print(
                f"clip {seed} {'stabilised' if stabilise else 'plain':10}  still labels {result.label_flicker:.2%}  "
                f"along the flow {result.label_flicker_moving:.2%}  persons near motion IoU {iou:.3f}  "
                f"brightness {result.fused_flicker:.2f} "
                f"(infrared {result.infrared_flicker:.2f}, visible {result.visible_flicker:.2f})"
            )


def measure(
    model: Model, clip: list[tuple[PairSample, np.ndarray]], *, stabilise: bool
) -> tuple[TemporalResult, float]:
    """Flicker of a clip, and the IoU of persons near what moves."""
    person, truth_person = model.classes.index("person"), FMB.classes.index("person")
    score, common, union = TemporalScore(), 0, 0
    stream = Clip([frame for frame, _ in clip])
    for result, (frame, moving) in zip(model.stream(stream, stabilise=stabilise), clip, strict=True):
        score.update(result.fused, result.infrared, result.visible, result.labels)
        near = distance_transform_edt(~moving) <= NEAR
        found, true = (result.labels == person) & near, (frame.labels == truth_person) & near
        common += int((found & true).sum())
        union += int((found | true).sum())
    return score.compute(), common / union


if __name__ == "__main__":
    main()
