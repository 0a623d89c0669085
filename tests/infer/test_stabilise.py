"""The stabiliser before a noisy oracle whose truth is known: flicker falls, and what moves draws no tail."""

import itertools
from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np
import pytest
import torch

from segmif.data.synthetic.clip import synthetic_clip
from segmif.infer.engine import classify
from segmif.infer.inputs import PreparedPair, prepare
from segmif.infer.stabilise import Stabiliser
from segmif.labelsets import FMB
from segmif.metrics.temporal import TemporalScore
from segmif.streams import StreamPair
from tests.infer.conftest import scene
from tests.tolerances import ABSOLUTE

PERSON = FMB.classes.index("person")
SIZE = (192, 256)
FRAMES = 30


@cache
def clip() -> list[tuple[PreparedPair, np.ndarray, np.ndarray]]:
    """Prepared pair, true labels, mask of what moves."""
    return [
        (prepare(frame.infrared, frame.visible, seconds=i / 25), frame.labels, moving)
        for i, (frame, moving) in enumerate(synthetic_clip(5, FRAMES, size=SIZE))
    ]


def oracle(labels: np.ndarray, noise: float, rng: np.random.Generator) -> torch.Tensor:
    """Logits (K, h, w) a network would give that sees the truth, but for noise."""
    sharp = np.eye(len(FMB), dtype=np.float32)[labels]
    soft = cv2.resize(sharp, (SIZE[1] // 4, SIZE[0] // 4), interpolation=cv2.INTER_AREA)
    return torch.from_numpy(4 * soft + rng.normal(0, noise, soft.shape).astype(np.float32)).permute(2, 0, 1)


@dataclass
class Outcome:
    flicker: float
    person_iou: float
    tail: float
    """Share of the pixels a person has left in the last 10 frames that are still called a person."""


def run(stabiliser: Stabiliser | None, noise: float) -> Outcome:
    rng, score = np.random.default_rng(0), TemporalScore(motion=False)
    common = union = left = tail = 0
    for number, (pair, truth, moving) in enumerate(clip()):
        logits = oracle(truth, noise, rng)
        labels, _ = classify(logits if stabiliser is None else stabiliser(pair, logits), SIZE)
        infrared, visible = ((255 * p).round().astype(np.uint8) for p in (pair.infrared, pair.visible))
        score.update(visible, infrared, visible, labels)
        near = cv2.dilate(moving.astype(np.uint8), np.ones((15, 15))) > 0
        found, true = (labels == PERSON) & near, (truth == PERSON) & near
        common, union = common + (found & true).sum(), union + (found | true).sum()
        gone = np.any([m for _, _, m in clip()[max(0, number - 10) : number]], axis=0) & (truth != PERSON)
        left, tail = left + gone.sum(), tail + (gone & (labels == PERSON)).sum()
    return Outcome(score.compute().label_flicker, common / union, tail / left)


def test_labels_flicker_less_and_persons_are_found_better_before_noise():
    plain, steady = run(None, 1.5), run(Stabiliser(), 1.5)
    assert plain.flicker > 0.02
    assert steady.flicker < 0.25 * plain.flicker
    assert steady.person_iou > plain.person_iou - 0.005
    assert steady.tail < plain.tail + 0.005


def test_what_moves_is_not_smeared():
    """Without noise the labels can only become worse: by how much is the smear."""
    plain, steady = run(None, 0.0), run(Stabiliser(), 0.0)
    assert plain.person_iou - steady.person_iou < 0.01
    assert steady.tail - plain.tail < 0.01


def test_smoothing_that_never_starts_anew_does_smear():
    """The test above can fail: without the reset persons draw tails."""
    plain, smeared = run(None, 0.0), run(Stabiliser(still=5.0, moving=6.0), 0.0)
    assert plain.person_iou - smeared.person_iou > 0.1
    assert smeared.tail > plain.tail + 0.1


def still_pair(level: float, seconds: float | None) -> PreparedPair:
    grey = np.full((32, 32), level, np.float32)
    return PreparedPair(name="p", infrared=grey, visible=np.repeat(grey[..., None], 3, axis=2), seconds=seconds)


def logits_of(chance: float) -> torch.Tensor:
    """Two classes, the second with this probability."""
    return torch.tensor([1 - chance, chance], dtype=torch.float32).log()[:, None, None].expand(2, 8, 8)


@pytest.mark.parametrize(("seconds", "elapsed"), [((0.0, 0.2), 0.2), ((None, None), 0.04)])
def test_the_equation(seconds, elapsed):
    stabiliser = Stabiliser(time_constant=0.5)
    first = stabiliser(still_pair(0.5, seconds[0]), logits_of(0.1))
    torch.testing.assert_close(first.exp(), logits_of(0.1).exp(), atol=ABSOLUTE[torch.float32], rtol=0)
    second = stabiliser(still_pair(0.5, seconds[1]), logits_of(0.9))
    keep = np.exp(-elapsed / 0.5)
    expected = logits_of(keep * 0.1 + (1 - keep) * 0.9).exp()
    torch.testing.assert_close(second.exp(), expected, atol=ABSOLUTE[torch.float32], rtol=0)


def test_an_exposure_change_of_all_is_no_motion_but_a_cut_is():
    for change, remembered in ((0.04, True), (0.4, False)):
        stabiliser = Stabiliser()
        stabiliser(still_pair(0.3, 0.0), logits_of(0.1))
        second = stabiliser(still_pair(0.3 + change, 0.04), logits_of(0.9)).exp()
        assert bool((second[1] < 0.5).all()) is remembered


@pytest.mark.parametrize("later", [2.0, -0.04])
def test_a_gap_or_a_new_video_starts_anew(later):
    stabiliser = Stabiliser()
    stabiliser(still_pair(0.3, 0.0), logits_of(0.1))
    second = stabiliser(still_pair(0.3, later), logits_of(0.9)).exp()
    assert (second[1] > 0.89).all()


def test_another_size_starts_anew():
    stabiliser = Stabiliser()
    stabiliser(still_pair(0.3, 0.0), logits_of(0.1))
    assert stabiliser(still_pair(0.3, 0.04), logits_of(0.9)[:, :4]).shape == (2, 4, 8)


def test_a_stream_is_stabilised_on_request(model):
    pictures = scene()
    rng = np.random.default_rng(0)
    noisy = [np.clip(pictures[1] + rng.normal(0, 3, pictures[1].shape), 0, 255).astype(np.uint8) for _ in range(6)]
    pairs = [
        StreamPair(name=str(i), read=lambda v=v: (pictures[0], v), seconds=i / 25) for i, v in enumerate(noisy)
    ]  # fmt: skip

    def changes(**options: bool) -> float:
        labels = [r.labels for r in model.stream(pairs, **options)]
        return float(np.mean([(a != b).mean() for a, b in itertools.pairwise(labels)]))

    assert changes(stabilise=True) < 0.6 * changes()
    batched = [r.labels for r in model.stream(pairs, stabilise=True, batch_size=3)]
    for one, other in zip(batched, model.stream(pairs, stabilise=True), strict=True):
        assert (one == other.labels).mean() > 0.999


def test_a_large_picture_is_stabilised_too(model):
    from segmif.infer import Limits

    model.limits = Limits(whole=1000, view=64 * 80, segment=64 * 80, tile=48)
    pairs = [StreamPair(name=str(i), read=scene, seconds=i / 25) for i in range(2)]
    first, second = model.stream(pairs, stabilise=True)
    assert (first.labels == second.labels).mean() > 0.999


def test_a_fusion_only_model_has_nothing_to_stabilise():
    from segmif.infer import Model
    from tests.tiny import tiny_network

    model = Model(tiny_network(label_set=None, num_classes=None), device="cpu", dtype="float32")
    (result,) = model.stream([StreamPair(name="0", read=scene)], stabilise=True)
    assert result.labels is None
