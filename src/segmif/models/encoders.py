"""What the cascade asks of an encoder, so that any multi-scale backbone can take the Mix Transformer's place.

B batch, C channels of a stage, H, W image size.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, cast, runtime_checkable

from torch import Tensor, nn

from segmif.checks import InputError
from segmif.models.config import EfficientNetConfig, EncoderConfig, MiTConfig
from segmif.models.efficientnet import EfficientNetLite
from segmif.models.mit import MixTransformer


@runtime_checkable
class Encoder(Protocol):
    """A `torch.nn.Module` that turns images into feature maps, the finest first."""

    @property
    def channels(self) -> Sequence[int]:
        """Width of every stage."""
        ...

    def __call__(self, images: Tensor, /, stages: int = 4) -> list[Tensor]:
        """Images (B, 3, H, W) to the first `stages` maps (B, C, H/s, W/s), s = 4, 8, 16, 32."""
        ...


def build_encoder(config: EncoderConfig, stages: int) -> Encoder:
    """A freshly initialised encoder, with no more stages than are read."""
    if isinstance(config, MiTConfig):
        return MixTransformer(config.first_stages(stages))
    return EfficientNetLite(config.variant, config.inputs)


def config_of(encoder: Encoder) -> EncoderConfig | None:
    """The configuration that builds such an encoder again; None for one of the user's own."""
    if isinstance(encoder, MixTransformer):
        return encoder.config
    if isinstance(encoder, EfficientNetLite):
        return EfficientNetConfig(variant=encoder.variant, inputs=encoder.inputs)
    return None


class BackboneEncoder(nn.Module):
    """A Hugging Face backbone (`transformers.AutoBackbone`) as an encoder; extra `transformers`.

    ```python
    backbone = AutoBackbone.from_pretrained("facebook/convnextv2-atto-1k-224", out_indices=[1, 2, 3, 4])
    network = SegMiF(SegMiFConfig(num_classes=9), encoder=BackboneEncoder(backbone))
    ```

    Args:
        backbone: a module with `channels` whose result has `feature_maps`, the finest first. Sizes are free: maps
            are resampled where they meet.

    Raises:
        InputError: `backbone` does not name its channels.
    """

    def __init__(self, backbone: nn.Module) -> None:
        super().__init__()
        channels: Any = getattr(backbone, "channels", None)
        if not isinstance(channels, list | tuple) or not channels:
            raise InputError(
                f"{type(backbone).__name__} has no list `channels`: build it with transformers.AutoBackbone, or give "
                "SegMiF a module of your own with `channels` and forward(images, stages)"
            )
        self.backbone = backbone
        self.channels = tuple(channels)

    def forward(self, images: Tensor, stages: int = 4) -> list[Tensor]:
        """Images (B, 3, H, W) to the backbone's first `stages` feature maps, the finest first."""
        maps = cast(Sequence[Tensor], self.backbone(images).feature_maps)
        return list(maps[:stages])
