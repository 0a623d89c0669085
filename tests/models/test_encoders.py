"""Any multi-scale backbone can take the Mix Transformer's place."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from segmif.checks import InputError
from segmif.models import BackboneEncoder, EfficientNetConfig, EfficientNetLite, MixTransformer, SegMiF, SegMiFConfig
from segmif.models.efficientnet import rename_imagenet_keys
from segmif.models.encoders import Encoder
from tests.models import test_segmif
from tests.models.test_segmif import TINY_ENCODER, pair, tiny
from tests.models.tester import NetworkTester, random


def convnext() -> nn.Module:
    """A small ConvNeXt V2 with random weights, through `AutoBackbone`."""
    transformers = pytest.importorskip("transformers")
    config = transformers.ConvNextV2Config(
        hidden_sizes=[8, 12, 16, 20], depths=[1, 1, 1, 1], out_indices=[1, 2, 3, 4], drop_path_rate=0.0
    )
    backbone: nn.Module = transformers.AutoBackbone.from_config(config)
    return backbone


class TestAutoBackbone(test_segmif.TestSegMiF):
    def build(self) -> SegMiF:
        encoder = BackboneEncoder(convnext())
        for name, parameter in encoder.named_parameters():
            if "grn" in name:  # its response normalisation starts at zero, where it passes no gradient on
                nn.init.normal_(parameter)
        return SegMiF(self.config, encoder=encoder)

    def shapes(self, batch: int, size: tuple[int, int]) -> list[tuple[int, ...]]:
        # ConvNeXt has no padding, so its maps are rounded down
        return [(batch, 1, *size), (batch, 3, *size), (batch, 5, size[0] // 4, size[1] // 4)]


class TestEfficientNetLite(NetworkTester):
    bfloat16_close = False

    def build(self) -> EfficientNetLite:
        return EfficientNetLite("lite0")

    def inputs(self, batch: int, size: tuple[int, int]) -> tuple[Tensor, ...]:
        return (random(0, batch, 3, *size) - 0.5,)

    def shapes(self, batch: int, size: tuple[int, int]) -> list[tuple[int, ...]]:
        widths = EfficientNetLite("lite0").channels
        return [(batch, c, -(-size[0] // s), -(-size[1] // s)) for c, s in zip(widths, (4, 8, 16, 32), strict=True)]


def test_all_satisfy_the_protocol() -> None:
    for encoder in (MixTransformer(TINY_ENCODER), EfficientNetLite("lite0"), BackboneEncoder(convnext())):
        assert isinstance(encoder, Encoder)
        maps = encoder(random(0, 1, 3, 64, 64), 2)
        assert [m.shape[1] for m in maps] == list(encoder.channels[:2])


def test_a_module_of_the_user_s_own() -> None:
    class Pyramid(nn.Module):
        channels = (3, 3, 3, 3)

        def forward(self, images: Tensor, stages: int = 4) -> list[Tensor]:
            return [nn.functional.avg_pool2d(images, 4 * 2**i) for i in range(stages)]

    network = SegMiF(tiny(), encoder=Pyramid()).eval()
    assert network.config.encoder is None
    assert network(*pair(size=(64, 64))).logits.shape == (1, 5, 16, 16)


def test_given_encoders_are_recorded() -> None:
    assert SegMiF(tiny(), encoder=EfficientNetLite("lite1")).config.encoder == EfficientNetConfig(variant="lite1")
    encoder = MixTransformer(TINY_ENCODER)
    network = SegMiF(SegMiFConfig(num_classes=3), encoder=encoder)
    assert network.encoder is encoder
    assert network.config.encoder == TINY_ENCODER


def test_saving_around_an_own_encoder(tmp_path: Path) -> None:
    network = SegMiF(tiny(), encoder=BackboneEncoder(convnext())).eval()
    network.save_pretrained(tmp_path)
    with pytest.raises(InputError, match=r"config\.json: the configuration names no encoder: pass"):
        SegMiF.from_pretrained(tmp_path)
    again = SegMiF.from_pretrained(tmp_path, encoder=BackboneEncoder(convnext()))
    assert torch.equal(again(*pair()).logits, network(*pair()).logits)


def test_no_backbone() -> None:
    with pytest.raises(InputError, match="Linear has no list `channels`"):
        BackboneEncoder(nn.Linear(3, 3))


@pytest.mark.parametrize("variant", ["lite0", "lite1", "lite2"])
def test_imagenet_checkpoints_of_efficientnet(variant: str) -> None:
    """The published names are flat: blocks are counted through, the first has no expansion."""
    encoder = EfficientNetLite(variant)
    theirs = published(encoder)
    theirs["_fc.weight"] = torch.zeros(1000, 1280)
    state = rename_imagenet_keys(theirs, variant)
    encoder.load_state_dict(state)
    del theirs["_blocks.3._bn2.bias"]
    with pytest.raises(InputError, match=r"has no '_blocks\.3\._bn2\.bias'"):
        rename_imagenet_keys(theirs, variant)


def published(encoder: EfficientNetLite) -> dict[str, Tensor]:
    parts: dict[str, Any] = {"_conv_stem": encoder.stem[0], "_bn0": encoder.stem[1]}
    blocks = [block for stage in encoder.stages for block in stage]
    for i, block in enumerate(blocks):
        named = (("_expand_conv", "_bn0", block.expand), ("_depthwise_conv", "_bn1", block.depthwise))
        for conv, norm, pair_of in (*named, ("_project_conv", "_bn2", block.project)):
            if pair_of is not None:
                parts[f"_blocks.{i}.{conv}"], parts[f"_blocks.{i}.{norm}"] = pair_of
    return {f"{name}.{key}": value for name, part in parts.items() for key, value in part.state_dict().items()}


def test_unknown_efficientnet() -> None:
    with pytest.raises(InputError, match="unknown EfficientNet variant 'lite9'"):
        EfficientNetLite("lite9")
