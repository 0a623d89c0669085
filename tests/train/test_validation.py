"""Scores of a validation against the same numbers computed by hand."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from segmif.data import open_dataset
from segmif.data.transforms import to_tensors
from segmif.models import SegMiF
from segmif.train.config import Source
from segmif.train.validation import PANEL, Validation
from tests.train.conftest import MakeRecipe


@pytest.fixture
def network(tiny: MakeRecipe) -> SegMiF:
    """Any network, the same every time."""
    torch.manual_seed(0)
    return SegMiF(tiny().model)


def test_scores_are_those_of_pooled_pixels(
    tiny: MakeRecipe, scenes: Path, network: SegMiF, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(SegMiF, "segment", _says_road_left_and_sky_right)
    recipe = tiny()
    scored = ("road", "sky", "bus")
    validation = Validation(replace(recipe, data=replace(recipe.data, scored_classes=scored, validation_limit=0)))
    scores = validation.score(network)
    expected = _pooled_iou(scenes)
    for name, value in expected.items():
        assert scores[f"iou/{name}"] == pytest.approx(value)
    assert scores["miou"] == pytest.approx(np.mean([expected[name] for name in scored if name in expected]))
    assert {f"fusion/{name}" for name in PANEL} <= scores.keys()
    assert validation.selecting(scores) == scores["miou"]


def _says_road_left_and_sky_right(_: SegMiF, rgb: Tensor) -> Tensor:
    height, width = rgb.shape[2] // 4, rgb.shape[3] // 4
    logits = torch.zeros(1, 15, height, width)
    logits[:, 1, :, : width // 2] = 9.0
    logits[:, 7, :, width // 2 :] = 9.0
    return logits


def _pooled_iou(scenes: Path) -> dict[str, float]:
    hits, unions = np.zeros(15), np.zeros(15)
    samples = open_dataset("fmb", scenes / "synthetic", split="train")
    seen = np.zeros(15, bool)
    for sample in (samples[i] for i, name in enumerate(samples.names) if name.endswith("0")):
        truth = sample.labels
        assert truth is not None
        predicted = np.full(truth.shape, 1)
        predicted[:, truth.shape[1] // 2 :] = 7
        counted = (truth != 0) & (truth != 255)
        for c in range(1, 15):
            a, b = (truth == c) & counted, (predicted == c) & counted
            hits[c] += (a & b).sum()
            unions[c] += (a | b).sum()
            seen[c] |= a.any()
    classes = samples.label_set.classes  # type: ignore[union-attr]
    return {classes[c]: hits[c] / unions[c] for c in range(15) if seen[c]}


def test_network_keeps_its_mode_and_weights(tiny: MakeRecipe, network: SegMiF) -> None:
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    network.train()
    Validation(tiny()).score(network)
    assert network.training
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())


def test_pictures_are_the_fused_pair_and_its_labels(tiny: MakeRecipe, network: SegMiF, tmp_path: Path) -> None:
    Validation(tiny()).score(network, pictures=tmp_path / "shown")
    assert sorted(path.name[7:] for path in (tmp_path / "shown").iterdir()) == ["fused.png", "labels.png"]


def test_fusion_only_is_chosen_by_vif_and_qabf(tiny: MakeRecipe, scenes: Path) -> None:
    recipe = tiny()
    recipe = replace(recipe, model=replace(recipe.model, num_classes=None, label_set=None, attention="none"))
    validation = Validation(recipe)
    scores = validation.score(SegMiF(recipe.model))
    assert "miou" not in scores
    assert validation.selecting(scores) == pytest.approx((scores["fusion/VIF"] + scores["fusion/Qabf"]) / 2)
    assert validation.selecting({}) is None


def test_ablation_scores_the_picture_it_trains_on(tiny: MakeRecipe, scenes: Path, network: SegMiF) -> None:
    sample = to_tensors(open_dataset("fmb", scenes / "synthetic", split="train")[0])
    seen: list[Tensor] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            SegMiF,
            "segment",
            lambda _, rgb: seen.append(rgb) or _says_road_left_and_sky_right(_, rgb),  # type: ignore[func-returns-value]
        )
        source = Source(dataset="fmb", folder="synthetic", only=(sample.name,))
        recipe = tiny(segment_input="infrared")
        data = replace(recipe.data, validation=source, sources=())
        Validation(replace(recipe, data=data)).score(network)
    assert torch.equal(seen[0], sample.infrared[None].expand(1, 3, -1, -1))
