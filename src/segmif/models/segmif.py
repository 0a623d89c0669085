"""SegMiF, the cascade (arXiv 2308.02097): fuse infrared and visible, segment the fused image.

B batch, H, W image size, K classes.
"""

from __future__ import annotations

import os
import warnings
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from segmif.checks import InputError, check_batch, check_same_size
from segmif.color import rgb_to_ycrcb, ycrcb_to_rgb
from segmif.models import store
from segmif.models.blend import BlendNetwork, blend
from segmif.models.config import PAIR_CHANNELS, SegMiFConfig
from segmif.models.context import GlobalContext
from segmif.models.encoders import Encoder, build_encoder, config_of
from segmif.models.fusion import FusionNetwork
from segmif.models.head import MLPHead
from segmif.models.layers import exact, resize, size_of
from segmif.models.size import least_parameters

_DARKEST = 0.02
"""Added before the logarithm: five grey levels, so that the noise of black does not count."""
_FLATTEST = 0.05
"""Added to the deviation, so that the noise of a flat picture is not blown up."""


@dataclass(frozen=True, kw_only=True)
class SegMiFOutput:
    """What the cascade returns."""

    fused_luma: Tensor
    """(B, 1, H, W), unclamped."""
    fused_rgb: Tensor
    """(B, 3, H, W), the fused luma in the colours of the visible image; in [0, 1] if `config.clamp`."""
    logits: Tensor | None
    """(B, K, ⌈H/4⌉, ⌈W/4⌉); None without segmentation."""
    coefficients: Tensor | None = None
    """(B, 6, ⌈H/4⌉, ⌈W/4⌉), what the shared layout blended by (`segmif.models.blend.blend`); None in the cascade."""

    def full_logits(self) -> Tensor:
        """The logits, bilinearly upsampled to the image's size (B, K, H, W)."""
        if self.logits is None:
            raise InputError("this output has no logits: the network is fusion only, or fuse() was called")
        return resize(self.logits, size_of(self.fused_luma))


class SegMiF(nn.Module):
    """The whole network: encoder, fusion network, segmentation head; see `SegMiFConfig` for which exist.

    Args:
        config: the architecture.
        encoder: takes the place of the one `config` names. See `Encoder`; a `MixTransformer` or anything else with
            `channels` and `forward(images, stages)`.

    Raises:
        InputError: an encoder is needed and there is none, or it has too few stages.

    >>> network = SegMiF(SegMiFConfig.preset("mit_b0", num_classes=9, fusion_channels=16)).eval()
    >>> output = network(torch.rand(1, 1, 32, 48), torch.rand(1, 3, 32, 48), torch.rand(1, 1, 32, 48))
    >>> output.fused_rgb.shape, output.logits.shape
    (torch.Size([1, 3, 32, 48]), torch.Size([1, 9, 8, 12]))
    """

    mean: Tensor
    std: Tensor

    def __init__(self, config: SegMiFConfig, *, encoder: Encoder | None = None) -> None:
        super().__init__()
        if encoder is not None:
            config = replace(config, encoder=config_of(encoder))
        self.config = config
        self.encoder = _encoder(config, encoder)
        channels = tuple(self.encoder.channels) if self.encoder is not None else ()
        self.fusion: FusionNetwork | BlendNetwork
        if config.layout == "shared":
            self.fusion = BlendNetwork(config, channels)
            channels = (*channels, config.fusion_channels)
        else:
            self.fusion = FusionNetwork(config, channels)
        self.head = _head(config, channels) if config.num_classes is not None else None
        for name in ("mean", "std"):
            self.register_buffer(name, torch.tensor(getattr(config, name)).view(1, 3, 1, 1), persistent=False)

    def forward(self, infrared: Tensor, visible: Tensor, guide: Tensor | None = None) -> SegMiFOutput:
        """Fuse, then segment the fused image.

        Args:
            infrared: (B, 1, H, W) in [0, 1], H, W >= 32.
            visible: (B, 3, H, W) RGB in [0, 1], registered to `infrared`.
            guide: (B, 1, H, W) in [0, 1], the grey image the semantic features are taken from. None: the guide the
                weights were trained with (`config.guide`) as far as the network can make it: "visible" is the luma,
                "average" its mean with infrared, "maximum" the brighter of both. "vsm_wls" cannot be made here; the
                average stands in for it, with a warning. Make it by `segmif.guide.vsm_wls`, as
                `segmif.load(...).predict` does.

        Raises:
            InputError: a wrong shape, an integer dtype, sides below 32, or sizes that differ.
        """
        if self.config.layout == "shared":
            return self.fuse_and_segment(infrared, visible, guide)
        fused = self.fuse(infrared, visible, guide)
        return fused if self.head is None else replace(fused, logits=self.segment(fused.fused_rgb))

    def fuse(self, infrared: Tensor, visible: Tensor, guide: Tensor | None = None) -> SegMiFOutput:
        """The first half of `forward`, for fusion alone; the output has no logits."""
        _check_inputs(infrared, visible, guide)
        ycrcb = rgb_to_ycrcb(visible)
        luma = ycrcb[:, :1]
        semantic: list[Tensor] = []
        if isinstance(self.fusion, BlendNetwork):
            if self.config.attention != "none":
                semantic = self._pair_features(infrared, ycrcb, guide, stages=2)
            return self._blended(infrared, ycrcb, self.fusion(infrared, luma, self._semantic(semantic)))
        if self.config.attention != "none":
            guide = self._default_guide(infrared, luma) if guide is None else guide
            with torch.set_grad_enabled(torch.is_grad_enabled() and not self.config.detach_semantic):
                semantic = self.encode_guide(guide)
        return self._fused(self.fusion(infrared, luma, semantic), ycrcb)

    def fuse_and_segment(
        self, infrared: Tensor, visible: Tensor, guide: Tensor | None = None, *, interaction: bool = True
    ) -> SegMiFOutput:
        """`forward` of the shared layout: one pass of the encoder over the pair serves fusion and segmentation.

        Args:
            infrared: (B, 1, H, W) in [0, 1].
            visible: (B, 3, H, W) RGB in [0, 1].
            guide: see `forward`.
            interaction: off, no gradient of the segmentation reaches the fusion network.

        Raises:
            InputError: a network of the other layout, or as `forward`.
        """
        coefficients, logits = self.decide(infrared, visible, guide, interaction=interaction)
        return replace(self._blended(infrared, rgb_to_ycrcb(visible), coefficients), logits=logits)

    def decide(
        self, infrared: Tensor, visible: Tensor, guide: Tensor | None = None, *, interaction: bool = True
    ) -> tuple[Tensor, Tensor | None]:
        """What the shared layout decides at stride 4: the coefficients for `segmif.models.blend.blend`, and logits.

        Of a large picture a reduced view is enough for both; the blend then takes place at full size. Arguments and
        errors as `fuse_and_segment`.
        """
        if not isinstance(self.fusion, BlendNetwork):
            raise InputError("a cascade segments its fused picture: call the network itself, or fuse() and segment()")
        _check_inputs(infrared, visible, guide)
        ycrcb = rgb_to_ycrcb(visible)
        stages = self._pair_features(infrared, ycrcb, guide, stages=self.config.encoder_stages)
        features = self.fusion.features(infrared, ycrcb[:, :1], self._semantic(stages[:2]))
        coefficients = self.fusion.coefficients(features, infrared, ycrcb[:, :1])
        if self.head is None:
            return coefficients, None
        return coefficients, self.head([*stages, features if interaction else features.detach()])

    def _blended(self, infrared: Tensor, ycrcb: Tensor, coefficients: Tensor) -> SegMiFOutput:
        output = self._fused(blend(infrared, ycrcb[:, :1], coefficients), ycrcb)
        return replace(output, coefficients=coefficients)

    def _fused(self, fused_luma: Tensor, ycrcb: Tensor) -> SegMiFOutput:
        """A fused luma in the colours of the visible picture."""
        fused_rgb = ycrcb_to_rgb(torch.cat((fused_luma, ycrcb[:, 1:]), dim=1))
        if self.config.clamp:
            fused_rgb = fused_rgb.clamp(0, 1)
        return SegMiFOutput(fused_luma=fused_luma, fused_rgb=fused_rgb, logits=None)

    def _pair_features(self, infrared: Tensor, ycrcb: Tensor, guide: Tensor | None, *, stages: int) -> list[Tensor]:
        """The encoder's stages of the guide in the visible colours, infrared and luma, as five channels."""
        if self.encoder is None:
            return []
        luma, chroma = ycrcb[:, :1], ycrcb[:, 1:]
        guide = self._default_guide(infrared, luma) if guide is None else guide
        coloured = (ycrcb_to_rgb(torch.cat((guide, chroma), dim=1)).clamp(0, 1) - self.mean) / self.std
        grey = torch.cat((_standardised(infrared), _standardised(luma)), dim=1)
        features: list[Tensor] = self.encoder(torch.cat((coloured, grey), dim=1), stages)
        return features

    def _semantic(self, features: list[Tensor]) -> list[Tensor]:
        return [feature.detach() for feature in features] if self.config.detach_semantic else features

    def segment(self, rgb: Tensor) -> Tensor:
        """The second half: RGB (B, 3, H, W) in [0, 1] to logits (B, K, ⌈H/4⌉, ⌈W/4⌉).

        Raises:
            InputError: the network is fusion only or of the shared layout, or a wrong shape.
        """
        if self.config.layout == "shared":
            raise InputError("this network segments pairs, not pictures: call it with infrared and visible")
        if self.head is None or self.encoder is None:
            raise InputError("this network is fusion only: build it with num_classes to segment")
        check_batch("rgb", rgb, 3)
        return self.head(self.encoder((rgb - self.mean) / self.std))  # type: ignore[no-any-return]

    def encode_guide(self, guide: Tensor) -> list[Tensor]:
        """The semantic features: the encoder's stages 1 and 2 of a guide (B, 1, H, W) in [0, 1].

        In the shared layout, those of a pair whose infrared and luma both are the guide.

        Raises:
            InputError: the network has no encoder, or a wrong shape.
        """
        if self.encoder is None:
            raise InputError("this network has no encoder: build it with attention other than 'none' to use a guide")
        check_batch("guide", guide, 1)
        if self.config.layout == "shared":
            grey = torch.cat((guide, torch.full_like(guide, 0.5).expand(-1, 2, -1, -1)), dim=1)
            return self._pair_features(guide, grey, guide, stages=2)
        images = guide.expand(-1, 3, -1, -1)
        if self.config.normalize_guide:
            images = (images - self.mean) / self.std
        features: list[Tensor] = self.encoder(images, 2)
        return features

    def _default_guide(self, infrared: Tensor, luma: Tensor) -> Tensor:
        if self.config.guide == "visible":
            return luma
        if self.config.guide == "maximum":
            return torch.maximum(infrared, luma)
        if self.config.guide == "vsm_wls" and not torch.compiler.is_compiling():
            warnings.warn(
                "no guide given: the average of infrared and luma stands in for vsm_wls, which the weights were "
                "trained with; pass guide=segmif.guide.vsm_wls(infrared, luma)",
                stacklevel=4,
            )
        return (infrared + luma) / 2

    def save_pretrained(self, folder: str | os.PathLike[str], *, dtype: torch.dtype | None = None) -> None:
        """Write `model.safetensors` and `config.json` into a folder, made if need be.

        Args:
            folder: where to.
            dtype: store floats in this dtype (float16 halves the file); None keeps theirs.
        """
        store.save(folder, self.config.to_dict(), self.state_dict(), dtype=dtype)

    @classmethod
    def from_pretrained(
        cls, folder: str | os.PathLike[str], *, encoder: Encoder | None = None, revision: str | None = None, **hub: Any
    ) -> SegMiF:
        """Read what `save_pretrained` wrote, float32 and in eval mode.

        Args:
            folder: a local folder, or a Hugging Face Hub id "owner/name".
            encoder: the encoder, where the network was built with one of the user's own.
            revision: branch, tag or commit on the Hub.
            hub: further arguments of `huggingface_hub.hf_hub_download`, such as `cache_dir` or `token`.

        Raises:
            InputError: nothing there, an unknown key or version in the configuration, or weights that are damaged or
                do not fit it.
        """
        where, values, state = store.read(folder, revision=revision, **hub)
        try:
            config = SegMiFConfig.from_dict(values)
            if encoder is None:
                store.check_size(least_parameters(config), state)
            network = cls(config, encoder=encoder)
        except InputError as error:
            raise InputError(f"{where}/config.json: {error}") from error
        store.load_state(network, state, where=f"{where}/model.safetensors")
        return network.eval()


def _standardised(picture: Tensor) -> Tensor:
    """Logarithm of (B, 1, H, W) in [0, 1], mean 0 and deviation 1 over each picture.

    Thermal cameras choose gain and gamma on their own: the same street is bright in one data set and nearly black in
    another. Of what they do to a picture, x -> g·x^γ, nothing is left after this.
    """
    with exact(picture):
        wide = picture.to(torch.promote_types(picture.dtype, torch.float32))
        logarithm = (wide.clamp(min=0) + _DARKEST).log()
        deviation, mean = torch.std_mean(logarithm, dim=(2, 3), keepdim=True, correction=0)
        return ((logarithm - mean) / (deviation + _FLATTEST)).to(picture.dtype)


def _encoder(config: SegMiFConfig, encoder: Encoder | None) -> Any:
    """The encoder, no larger than needed."""
    if not config.needs_encoder:
        return None
    if encoder is None:
        if config.encoder is None:
            raise InputError("the configuration names no encoder: pass SegMiF(config, encoder=...)")
        encoder = build_encoder(config.encoder, config.encoder_stages)
    inputs = getattr(encoder, "inputs", 3)
    if config.layout == "shared" and inputs != PAIR_CHANNELS:
        raise InputError(
            f"the shared layout needs an encoder with {PAIR_CHANNELS} input channels, this one has {inputs}; give it "
            'an attribute `inputs` = 5, or use layout="cascade"'
        )
    if len(encoder.channels) < config.encoder_stages:
        raise InputError(
            f"the encoder has {len(encoder.channels)} stages but {config.encoder_stages} are needed; "
            "ask your backbone for more feature maps"
        )
    return encoder


def _head(config: SegMiFConfig, channels: tuple[int, ...]) -> MLPHead:
    """The head for maps of these widths: the encoder's stages, the fusion features after them."""
    assert config.num_classes is not None
    coarsest = config.encoder_stages - 1
    return MLPHead(
        channels,
        config.num_classes,
        channels=config.head_channels,
        dropout=config.head_dropout,
        context=GlobalContext(channels[coarsest], config.attention_heads) if config.context else None,
        coarsest=coarsest,
    )


def _check_inputs(infrared: Tensor, visible: Tensor, guide: Tensor | None) -> None:
    check_batch("infrared", infrared, 1)
    check_batch("visible", visible, 3)
    for name, other in (("visible", visible), ("guide", guide)):
        if other is None:
            continue
        if name == "guide":
            check_batch(name, other, 1)
        check_same_size(name, size_of(other), "infrared", size_of(infrared))
        if other.shape[0] != infrared.shape[0]:
            raise InputError(
                f"{name} has a batch of {other.shape[0]} but infrared of {infrared.shape[0]}: give one of each per pair"
            )
