"""What each stage trains and how its loss is put together."""

from dataclasses import replace
from functools import partial

import pytest
import torch
from torch import Tensor

from segmif.color import rgb_to_ycrcb
from segmif.losses import (
    clipping_loss,
    contrast_loss,
    distillation_loss,
    entropy_loss,
    fusion_loss,
    fusion_loss_round1,
    halo_loss,
    max_gradient_loss,
    max_intensity_loss,
    segmentation_loss,
    sharpness_loss,
    source_ssim_loss,
)
from segmif.models import SegMiF
from segmif.models.blend import broad_minimum
from segmif.train.config import LossConfig, Phase, Recipe, StageConfig, StageKind
from segmif.train.mixture import Batch
from segmif.train.optim import parameter_groups
from segmif.train.stages import TRAINABLE, segmentation_input, stage_losses
from tests.train.conftest import MakeRecipe


@pytest.fixture
def batch() -> Batch:
    """Two pairs of 32x48; the second has labels of half weight."""
    torch.manual_seed(0)
    return Batch(
        infrared=torch.rand(2, 1, 32, 48),
        visible=torch.rand(2, 3, 32, 48),
        target=torch.rand(2, 1, 32, 48),
        labels=torch.randint(0, 15, (2, 32, 48)),
        label_weight=torch.tensor([1.0, 0.5]),
        names=["a", "b"],
    )


def _phase(kind: StageKind, number: int) -> Phase:
    return Phase(index=0, kind=kind, round=number, stage=StageConfig())


def _network(recipe: Recipe) -> SegMiF:
    torch.manual_seed(1)
    return SegMiF(replace(recipe.model, head_dropout=0.0))


@pytest.mark.parametrize(
    ("kind", "number", "learning"),
    [("fusion", 1, {"fusion"}), ("fusion", 2, {"fusion"}), ("segmentation", 1, {"encoder", "head"}),
     ("joint", 3, {"fusion", "encoder", "head"})],
)  # fmt: skip
def test_gradients_reach_what_a_stage_trains_and_nothing_else(
    tiny: MakeRecipe, batch: Batch, kind: StageKind, number: int, learning: set[str]
) -> None:
    recipe = tiny()
    network = _network(recipe)
    parameter_groups(network, TRAINABLE[kind], learning_rate=1, weight_decay=0)
    before = {name: tensor.clone() for name, tensor in network.named_buffers()}
    stage_losses(network, batch, recipe, _phase(kind, number))["loss"].backward()  # type: ignore[no-untyped-call]
    reached = {name.split(".")[0] for name, p in network.named_parameters() if p.grad is not None and p.grad.any()}
    assert reached == learning
    changed = {name.split(".")[0] for name, tensor in network.named_buffers() if not torch.equal(tensor, before[name])}
    assert changed == learning & {"head"}, "a network that does not learn keeps its running statistics"


@pytest.mark.parametrize(
    ("kind", "number", "learning"),
    [("fusion", 1, {"fusion"}), ("fusion", 2, {"fusion"}), ("segmentation", 1, {"encoder", "head"}),
     ("joint", 3, {"fusion", "encoder", "head"})],
)  # fmt: skip
@pytest.mark.parametrize("seen", ["fused", "infrared", "visible", "maximum"])
def test_every_stage_trains_the_shared_layout_too(
    tiny: MakeRecipe, batch: Batch, kind: StageKind, number: int, learning: set[str], seen: str
) -> None:
    encoder = replace(tiny().model.encoder, inputs=5)
    model = replace(tiny().model, layout="shared", encoder=encoder, guide="maximum")
    loss = LossConfig(target=0.0, intensity=1.0, vif=0.1, qabf=0.1, scd=0.1)
    recipe = replace(tiny(), model=model, loss=loss, segment_input=seen)
    network = _network(recipe)
    torch.nn.init.normal_(network.fusion.output.weight, std=0.05)
    parameter_groups(network, TRAINABLE[kind], learning_rate=1, weight_decay=0)
    losses = stage_losses(network, batch, recipe, _phase(kind, number))
    losses["loss"].backward()  # type: ignore[no-untyped-call]
    assert torch.isfinite(losses["loss"])
    reached = {name.split(".")[0] for name, p in network.named_parameters() if p.grad is not None and p.grad.any()}
    assert reached == learning


def test_first_round_is_the_round_1_loss(tiny: MakeRecipe, batch: Batch) -> None:
    recipe = tiny()
    network = _network(recipe).eval()
    losses = stage_losses(network, batch, recipe, _phase("fusion", 1))
    fused = network.fuse(batch.infrared, batch.visible, batch.target).fused_luma
    assert batch.target is not None
    assert losses["loss"].item() == pytest.approx(fusion_loss_round1(fused, batch.target).item())


def test_later_rounds_weigh_both_losses(tiny: MakeRecipe, batch: Batch) -> None:
    recipe = tiny()
    network = _network(recipe).eval()
    losses = stage_losses(network, batch, recipe, _phase("fusion", 4), (1.5, 0.5))
    output = network(batch.infrared, batch.visible, batch.target)
    assert batch.target is not None
    fusion = fusion_loss(output.fused_luma, batch.target)
    segmentation = (_entropy(output.logits, batch, 0) + 0.5 * _entropy(output.logits, batch, 1)) / 2
    assert losses["fusion"].item() == pytest.approx(fusion.item(), rel=1e-5)
    assert losses["segmentation"].item() == pytest.approx(segmentation.item(), rel=1e-5)
    expected = 1.5 * 0.4 / 4 * fusion + 0.5 * 0.8 * segmentation
    assert losses["loss"].item() == pytest.approx(expected.item(), rel=1e-5)


def _entropy(logits: Tensor, batch: Batch, index: int) -> Tensor:
    return segmentation_loss(logits[index : index + 1], batch.labels[index : index + 1])


def test_source_terms_are_added_by_their_factors(tiny: MakeRecipe, batch: Batch) -> None:
    loss = LossConfig(target=0.0, intensity=2.0, gradient=3.0, source_ssim=0.5)
    recipe = tiny(loss=loss)
    network = _network(recipe).eval()
    fused = network.fuse(batch.infrared, batch.visible, batch.target).fused_luma
    sources = batch.infrared, rgb_to_ycrcb(batch.visible)[:, :1]
    expected = 2 * max_intensity_loss(fused, *sources) + 3 * max_gradient_loss(fused, *sources)
    expected = expected + 0.5 * source_ssim_loss(fused, *sources)
    losses = stage_losses(network, batch, recipe, _phase("fusion", 1))
    assert losses["loss"].item() == pytest.approx(expected.item(), rel=1e-5)


def test_without_interaction_segmentation_does_not_reach_the_fusion_network(tiny: MakeRecipe, batch: Batch) -> None:
    recipe = tiny(interaction=False, loss=LossConfig(joint_factor=0.0))
    network = _network(recipe)
    stage_losses(network, batch, recipe, _phase("joint", 2))["loss"].backward()  # type: ignore[no-untyped-call]
    assert all(p.grad is None or not p.grad.any() for p in network.fusion.parameters())
    assert "segmentation" not in stage_losses(network, batch, recipe, _phase("fusion", 2))


def test_segmentation_of_one_modality(tiny: MakeRecipe, batch: Batch) -> None:
    network = _network(tiny())
    infrared, visible, largest = (
        segmentation_input(network, batch, tiny(segment_input=kind)) for kind in ("infrared", "visible", "maximum")
    )
    assert torch.equal(infrared, batch.infrared.expand(-1, 3, -1, -1))
    assert torch.equal(visible, batch.visible)
    luma = rgb_to_ycrcb(largest.clamp(0, 1))[:, 0]
    assert (luma >= rgb_to_ycrcb(batch.visible)[:, 0] - 0.35).all()
    assert not torch.equal(largest, visible)


def test_class_weights_change_the_cross_entropy(tiny: MakeRecipe, batch: Batch) -> None:
    plain, weighted = tiny(), tiny(loss=LossConfig(class_weights=(("person", 50.0),)))
    network = _network(plain)
    losses = [stage_losses(network, batch, r, _phase("segmentation", 1))["loss"].item() for r in (plain, weighted)]
    assert losses[0] != pytest.approx(losses[1])


@pytest.mark.parametrize("kind", ["segmentation", "joint"])
def test_a_teacher_teaches_every_pixel(tiny: MakeRecipe, batch: Batch, kind: StageKind) -> None:
    recipe = tiny(loss=LossConfig(distillation=0.7, distillation_temperature=1.5))
    network = _network(recipe)
    torch.manual_seed(7)
    teacher = SegMiF(recipe.model).eval().requires_grad_(False)
    assert network.head is not None
    network.head.dropout.p = 0.0
    unlabelled = replace(batch, label_weight=torch.zeros(2))
    heard: list[Tensor] = []
    network.head.register_forward_hook(lambda *args: heard.append(args[2].detach()))
    losses = stage_losses(network, unlabelled, recipe, _phase(kind, 2), teacher=teacher)
    taught = teacher(batch.infrared, batch.visible, batch.target).logits
    expected = 0.7 * distillation_loss(heard[-1], taught, temperature=1.5)
    assert losses["segmentation"].item() == pytest.approx(expected.item(), rel=1e-5)
    losses["loss"].backward()  # type: ignore[no-untyped-call]
    assert any(p.grad is not None and p.grad.any() for p in network.head.parameters())
    alone = stage_losses(network, batch, recipe, _phase(kind, 2))["segmentation"].item()
    both = stage_losses(network, batch, recipe, _phase(kind, 2), teacher=teacher)["segmentation"].item()
    expected = 0.7 * distillation_loss(
        heard[-1], taught, temperature=1.5, labels=batch.labels, label_weight=batch.label_weight
    )
    assert both - alone == pytest.approx(expected.item(), rel=1e-3)
    assert expected < 0.7 * distillation_loss(heard[-1], taught, temperature=1.5)


def test_smooth_counts_the_variation_of_the_coefficients(tiny: MakeRecipe, batch: Batch) -> None:
    model = replace(tiny().model, layout="shared", encoder=replace(tiny().model.encoder, inputs=5), guide="maximum")
    loss = LossConfig(target=0.0, intensity=1.0)
    recipe = replace(tiny(), model=model, loss=loss)
    network = _network(recipe)
    torch.nn.init.normal_(network.fusion.output.weight, std=0.05)
    plain = stage_losses(network, batch, recipe, _phase("fusion", 1))["loss"]
    smooth = stage_losses(network, batch, replace(recipe, loss=replace(loss, smooth=3.0)), _phase("fusion", 1))["loss"]
    c = network.fuse(batch.infrared, batch.visible).coefficients
    assert c is not None
    variation = (c[..., 1:] - c[..., :-1]).abs().mean() + (c[..., 1:, :] - c[..., :-1, :]).abs().mean()
    assert variation > 0
    assert (smooth - plain).item() == pytest.approx(3 * variation.item(), rel=1e-4)


def test_what_is_asked_of_the_whole_picture_counts_by_its_factor(tiny: MakeRecipe, batch: Batch) -> None:
    plain = LossConfig(target=0.0, intensity=1.0)
    asked = {
        "halo": (40.0, {}, halo_loss),
        "sharpness": (2.0, {"sharpness_enough": (3.0, 3.0)}, partial(sharpness_loss, enough=(3.0, 3.0))),
        "contrast": (3.0, {"contrast_enough": (2.0, 2.0)}, partial(contrast_loss, enough=(2.0, 2.0))),
        "entropy": (0.5, {"entropy_enough": (9.0, 9.0)}, partial(entropy_loss, enough=(9.0, 9.0))),
        "clipping": (4.0, {}, lambda fused, *_: clipping_loss(fused)),
    }
    recipe = replace(tiny(), loss=plain)
    network = _network(recipe).eval()
    torch.nn.init.normal_(network.fusion.output.weight, std=0.3)
    without = stage_losses(network, batch, recipe, _phase("fusion", 1))["loss"]
    fused = network.fuse(batch.infrared, batch.visible, batch.target).fused_luma
    luma = rgb_to_ycrcb(batch.visible)[:, :1]
    for name, (factor, enough, loss) in asked.items():
        changed = replace(recipe, loss=replace(plain, **{name: factor, **enough}))
        found = stage_losses(network, batch, changed, _phase("fusion", 1))["loss"] - without
        expected = factor * loss(fused, batch.infrared, luma)
        assert expected > 0, name
        assert found.item() == pytest.approx(expected.item(), rel=1e-3), name


def test_even_holds_the_blend_of_dark_infrared_to_one_for_all_places(tiny: MakeRecipe, batch: Batch) -> None:
    model = replace(tiny().model, layout="shared", encoder=replace(tiny().model.encoder, inputs=5), guide="maximum")
    loss = LossConfig(target=0.0, intensity=1.0)
    recipe = replace(tiny(), model=model, loss=loss)
    network = _network(recipe)
    torch.nn.init.normal_(network.fusion.output.weight, std=0.05)
    even = replace(recipe, loss=replace(loss, even=3.0, even_blend=(0.1, 0.3)))
    for brightness, share in ((0.1, 1.0), (0.275, 0.5), (0.5, 0.0)):
        infrared = batch.infrared * (brightness / batch.infrared.mean((1, 2, 3), keepdim=True))
        pair = replace(batch, infrared=infrared)
        without, with_it = (stage_losses(network, pair, r, _phase("fusion", 1))["loss"] for r in (recipe, even))
        luma = rgb_to_ycrcb(pair.visible)[:, :1]
        c = network.fuse(pair.infrared, pair.visible).coefficients
        assert c is not None
        wanted = torch.zeros_like(c)
        wanted[:, 0] = 0.1
        wanted[:, 5:] = 0.3 * broad_minimum(pair.infrared, luma)
        distance = (c - wanted).square().mean()
        assert (with_it - without).item() == pytest.approx(3 * share * distance.item(), rel=1e-3, abs=1e-6)
