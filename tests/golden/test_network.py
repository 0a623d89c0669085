"""`convert_reference` computes what the authors' checkpoints mean: outputs, losses and gradients of a golden run."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch import Tensor

from segmif.color import rgb_to_ycrcb
from segmif.losses import fusion_loss, fusion_loss_round1, segmentation_loss
from segmif.models import SegMiF, SegMiFOutput, convert_reference
from segmif.models.weights import _REFERENCE_FUSION, _rename
from tests.golden.reference import reference_inputs, reference_states
from tests.tolerances import GOLDEN, GOLDEN_GRADIENT, GOLDEN_LOSS

Golden = dict[str, npt.NDArray[np.generic]]


@pytest.fixture(scope="module")
def golden(shared: Path) -> Golden:
    with np.load(shared / "golden" / "network_b1_64x96.npz") as stored:
        return dict(stored)


@pytest.fixture(scope="module")
def states(shared: Path) -> dict[str, dict[str, Tensor]]:
    return reference_states(shared / "golden")


@pytest.fixture(scope="module")
def network(states: dict[str, dict[str, Tensor]]) -> SegMiF:
    return convert_reference(**states, backbone="mit_b1", num_classes=9)


@pytest.fixture(scope="module")
def output(network: SegMiF) -> SegMiFOutput:
    infrared, visible, guide, _ = reference_inputs()
    return network(infrared, visible, guide)


def difference(value: Tensor, golden: npt.NDArray[np.generic]) -> float:
    assert value.shape == golden.shape
    return float((value.detach() - torch.from_numpy(np.asarray(golden))).abs().max())


def test_encoder(network: SegMiF, golden: Golden) -> None:
    guide = reference_inputs()[2].expand(-1, 3, -1, -1)
    with torch.no_grad():
        maps = network.encoder(guide)
    for stage, features in enumerate(maps, start=1):
        assert difference(features, golden[f"encoder_stage{stage}"]) < GOLDEN
    for ours, features in zip(network.encode_guide(reference_inputs()[2]), maps[:2], strict=True):
        assert difference(ours, features.numpy()) < 1e-6


def test_colour(golden: Golden) -> None:
    assert difference(rgb_to_ycrcb(reference_inputs()[1]), golden["visible_ycrcb"]) < GOLDEN


@pytest.mark.parametrize(
    ("field", "name"), [("fused_luma", "fused_y"), ("fused_rgb", "fused_rgb"), ("logits", "logits")]
)
def test_outputs(output: SegMiFOutput, golden: Golden, field: str, name: str) -> None:
    assert difference(getattr(output, field), golden[name]) < GOLDEN


def losses(output: SegMiFOutput) -> dict[str, Tensor]:
    _, _, guide, labels = reference_inputs()
    assert output.logits is not None
    return {
        "loss_stage1": fusion_loss_round1(output.fused_luma, guide),
        "loss_fusion_stage2": fusion_loss(output.fused_luma, guide),
        "loss_segmentation": segmentation_loss(output.logits, labels),
    }


def test_losses(output: SegMiFOutput, golden: Golden) -> None:
    for name, value in losses(output).items():
        assert abs(value.item() - float(golden[name])) < GOLDEN_LOSS, name


@pytest.mark.parametrize("stage", ["stage1", "stage2"])
def test_gradient_norms(network: SegMiF, golden: Golden, stage: str) -> None:
    infrared, visible, guide, _ = reference_inputs()
    network.zero_grad()
    values = losses(network(infrared, visible, guide))
    if stage == "stage1":
        values["loss_stage1"].backward()
    else:
        (0.2 * values["loss_fusion_stage2"] + 0.8 * values["loss_segmentation"]).backward()
    gradients = {name: parameter.grad for name, parameter in network.named_parameters()}
    compared = 0
    for theirs, norm in zip(golden["grad_param_names"], golden[f"grad_norms_{stage}"], strict=True):
        [ours] = _rename({str(theirs): torch.zeros(())}, _REFERENCE_FUSION, first=1)
        if np.isnan(norm):
            assert ours not in gradients, f"{theirs} is unused there"
            continue
        gradient = gradients[ours]
        assert gradient is not None
        assert float(gradient.norm()) == pytest.approx(float(norm), rel=GOLDEN_GRADIENT), theirs
        compared += 1
    assert compared == sum(name.startswith("fusion.") for name in gradients)
