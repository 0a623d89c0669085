"""What the attention did with a pair: how much of every pixel comes from where, without touching the numerics.

Nothing is estimated. Both places where sources meet are sums, and the maps are the sizes of the summands:

- An attention level (HIA) gives each modality m the features LayerNorm(x + z + v), where x are its own features (with
  the output bias), z comes from SoAM (what the semantic features find in the modality) and v from MoAM (what the
  modality finds in the semantic features). LayerNorm subtracts the mean over channels, a linear map c, divides by the
  deviation s of the sum and scales by γ; so its result is β plus γ c(x)/s, γ c(z)/s and γ c(v)/s. A part's share of a
  pixel is the L2 norm over channels of its summand, divided by the sum of the three norms.
- The convolution that merges the streams is a sum of one convolution per modality. Infrared's share of a pixel is the
  L2 norm over channels of its part, divided by the sum of both norms.
- In the shared layout the picture itself is a sum (`segmif.models.blend`). Infrared's share of a pixel is the size of
  its terms, divided by the sizes of its and the visible picture's; the maximum counts as a term of whichever is larger.

Sizes say how strongly a source speaks, not whether it is right, and parts of opposite sign may cancel.

In the cascade the merging convolution is on the way to the picture; in the shared layout it is what the coefficients of
the blend, and in part the labels, are decided from.

C channels, h, w size of a map: of the picture, or of its reduced view where it is fused in windows; a quarter of that
in the shared layout.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional as F

from segmif.infer.inputs import Guide, Picture
from segmif.infer.pipeline import Model
from segmif.infer.result import Result
from segmif.infer.tiling import upsampled
from segmif.models.attention import HierarchicalInteractiveAttention, LinearAttention, ModalityPath, answer
from segmif.models.blend import BlendNetwork, blend, with_broad_minimum
from segmif.models.fusion import FusionNetwork
from segmif.models.layers import resize, size_of

Map = npt.NDArray[np.float32]

_STRIP_ROWS = 64


@dataclass(frozen=True, kw_only=True)
class ModalityShares:
    """Shares of one modality's features after a level, each (h, w) float32 in [0, 1]; they add up to 1."""

    own: Map
    """What the modality brought along."""
    soam: Map
    """What the semantic features found in the modality (SoAM); 0 where the model has none."""
    moam: Map
    """What the modality found in the semantic features (MoAM); 0 where the model has none."""


@dataclass(frozen=True, kw_only=True)
class LevelShares:
    """One level of the attention."""

    infrared: ModalityShares
    visible: ModalityShares


@dataclass(frozen=True, kw_only=True)
class AttentionMaps:
    """Where the fused picture comes from."""

    infrared: Map
    """Infrared's share of what the merging convolution adds up, (h, w) float32 in [0, 1]; visible has the rest."""
    picture: Map | None = None
    """Infrared's share of the fused luma, at the size of the view; None in the cascade, which does not sum."""
    levels: tuple[LevelShares, ...]
    """One per level; empty for a model without attention."""


def attention_maps(
    model: Model, infrared: Picture, visible: Picture, *, guide: Guide = None
) -> tuple[Result, AttentionMaps | None]:
    """`Model.predict`, and where the fused picture comes from.

    Returns:
        The result, the same as without maps, and the maps; None for a network built in another way.

    Raises:
        InputError: as `Model.predict`.
    """
    with AttentionRecorder(model.network) as recorder:
        result = model.predict(infrared, visible, guide=guide)
    return result, recorder.maps


class AttentionRecorder:
    """Listens to a network while the block runs; `maps` is about the first pair it fuses.

    It reads what passes by through hooks, so results do not change by a bit. What goes into an attention level it
    copies beforehand, because the network may write the results over it.
    """

    def __init__(self, network: torch.nn.Module) -> None:
        fusion = getattr(network, "fusion", None)
        self._fusion = fusion if isinstance(fusion, FusionNetwork | BlendNetwork) else None
        self._contexts: dict[torch.nn.Module, Tensor] = {}
        self._inputs: list[Tensor] = []
        self._streams: tuple[Tensor, ...] = ()
        self._levels: list[LevelShares] = []
        self._infrared: Map | None = None
        self._sources: list[Tensor] = []
        self._picture: Map | None = None
        self._handles: list[Any] = []

    @property
    def maps(self) -> AttentionMaps | None:
        """What was heard; None before the first pair and for a network built in another way."""
        if self._infrared is None:
            return None
        return AttentionMaps(infrared=self._infrared, picture=self._picture, levels=tuple(self._levels))

    def __enter__(self) -> Self:
        if self._fusion is not None:
            blocks = [self._fusion.infrared_blocks[-1], self._fusion.visible_blocks[-1]]
            self._handles = [end.register_forward_hook(self._on_streams) for end in self._fusion.attention or blocks]
            self._handles.append(self._fusion.merge.register_forward_pre_hook(self._on_merge))
            for module in self._fusion.modules():
                if isinstance(module, LinearAttention):
                    self._handles.append(module.register_forward_hook(self._on_context))
                elif isinstance(module, HierarchicalInteractiveAttention):
                    self._handles.append(module.register_forward_pre_hook(self._before_level))
                    self._handles.append(module.register_forward_hook(self._on_level))
            if isinstance(self._fusion, BlendNetwork):
                for stream in (self._fusion.infrared_in, self._fusion.visible_in):
                    self._handles.append(stream.register_forward_hook(self._on_source))
                self._handles.append(self._fusion.output.register_forward_hook(self._on_decision))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for handle in self._handles:
            handle.remove()
        self._contexts.clear()
        self._inputs.clear()
        self._streams = ()
        self._sources.clear()

    def _on_context(self, module: torch.nn.Module, _: Any, context: Tensor) -> None:
        self._contexts[module] = context

    def _before_level(self, _: torch.nn.Module, inputs: tuple[Tensor, ...]) -> None:
        if self._infrared is None:
            self._inputs = [each[:1].clone() for each in inputs]

    def _on_level(self, module: HierarchicalInteractiveAttention, _: Any, __: Any) -> None:
        if self._infrared is None:
            with torch.no_grad(), torch.autocast(self._inputs[0].device.type, enabled=False):
                self._levels.append(_level_shares(module, self._contexts, *self._inputs))

    def _on_streams(self, _: torch.nn.Module, __: Any, outputs: Tensor | tuple[Tensor, Tensor]) -> None:
        if self._infrared is None:
            self._streams = (*self._streams, *(outputs if isinstance(outputs, tuple) else (outputs,)))[-2:]

    def _on_merge(self, module: torch.nn.Conv2d, _: Any) -> None:
        """The first time; the convolution itself may go strip by strip."""
        if self._infrared is None:
            with torch.no_grad(), torch.autocast(self._streams[0].device.type, enabled=False):
                sizes = [part.norm(dim=1)[0] for part in merge_parts(module, torch.cat(self._streams, dim=1)[:1])]
                self._infrared = _shares(sizes)[0]
            self._streams = ()

    def _on_source(self, _: torch.nn.Module, inputs: tuple[Tensor, ...], __: Any) -> None:
        if self._picture is None:
            self._sources.append(inputs[0][:1].float() + 0.5)  # the streams see both centred

    def _on_decision(self, _: torch.nn.Module, __: Any, decided: Tensor) -> None:
        if self._picture is None:
            with torch.no_grad(), torch.autocast(decided.device.type, enabled=False):
                infrared, luma = self._sources
                parts = blend_parts(infrared, luma, with_broad_minimum(decided[:1].float(), infrared, luma))
                self._picture = _shares([part.abs()[0, 0] for part in parts])[0]


def blend_parts(infrared: Tensor, luma: Tensor, coefficients: Tensor) -> tuple[Tensor, Tensor]:
    """The summands of infrared and visible in a blend, (B, 1, H, W) each; with the constant c₅ they are its result.

    Arguments as `segmif.models.blend.blend`.
    """
    c = coefficients
    none, less = torch.zeros_like(c[:, :1]), -torch.ones_like(c[:, :1])  # c₀ = −1 takes the maximum out
    own_infrared = blend(infrared, luma, torch.cat((less, c[:, 1:2], none, c[:, 3:4], none, none), dim=1))
    own_visible = blend(infrared, luma, torch.cat((less, none, c[:, 2:3], none, c[:, 4:5], none), dim=1))
    brightest = (1 + resize(c[:, :1], size_of(infrared))) * torch.maximum(infrared, luma)
    hot = infrared >= luma
    return own_infrared + brightest * hot, own_visible + brightest * ~hot


def merge_parts(merge: torch.nn.Conv2d, maps: Tensor) -> tuple[Tensor, Tensor]:
    """The summands of infrared and visible, (B, C, h, w) each, in a convolution of both (B, 2C, h, w); without bias."""
    halves = zip(maps.float().chunk(2, dim=1), merge.weight.float().chunk(2, dim=1), strict=True)
    infrared, visible = (F.conv2d(half, weight, padding=merge.padding) for half, weight in halves)
    return infrared, visible


def _level_shares(
    module: HierarchicalInteractiveAttention,
    contexts: dict[torch.nn.Module, Tensor],
    infrared: Tensor,
    visible: Tensor,
    semantic: Tensor,
) -> LevelShares:
    shares = []
    for path, maps in ((module.infrared, infrared), (module.visible, visible)):
        strips = [
            torch.stack([p.norm(dim=-1) for p in parts]) for parts in _strips(module, path, contexts, maps, semantic)
        ]
        own, soam, moam = _shares(torch.cat(strips, dim=1).unbind())
        shares.append(ModalityShares(own=own, soam=soam, moam=moam))
    return LevelShares(infrared=shares[0], visible=shares[1])


def _strips(
    module: HierarchicalInteractiveAttention,
    path: ModalityPath,
    contexts: dict[torch.nn.Module, Tensor],
    maps: Tensor,
    semantic: Tensor,
) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """`level_parts` of the first pair, a few rows at a time: whole maps of every part would take gigabytes."""
    height, width = maps.shape[-2:]
    projected = F.linear(_tokens(semantic[:1]), module.project_semantic.weight, module.project_semantic.bias)
    projected = projected.permute(0, 3, 1, 2)
    for start in range(0, height, _STRIP_ROWS):
        rows = slice(start, min(start + _STRIP_ROWS, height))
        tokens = _tokens(maps[:1, :, rows])
        asked = _tokens(upsampled(projected, (height, width), rows, slice(0, width)))
        own, soam, moam = level_parts(module, path, contexts, tokens, asked)
        yield own[0], soam[0], moam[0]


def level_parts(
    module: HierarchicalInteractiveAttention,
    path: ModalityPath,
    contexts: dict[torch.nn.Module, Tensor],
    tokens: Tensor,
    semantic: Tensor,
) -> tuple[Tensor, Tensor, Tensor]:
    """The summands own, SoAM and MoAM of one modality after a level; with the norm's bias they are its output.

    Args:
        module: the level.
        path: what belongs to the modality, `module.infrared` or `module.visible`.
        contexts: what its attentions returned.
        tokens: the modality's features (B, h, w, C).
        semantic: the projected semantic features, upsampled, before the ReLU (B, h, w, 2C), or (B, h, w, C) with one
            attention alone.

    Returns:
        Three (B, h, w, C).
    """
    shape = tokens.shape
    projected = F.relu(path.project(tokens)).flatten(1, 2)
    semantic = F.relu(semantic).flatten(1, 2)
    u_m = projected.chunk(2, dim=-1)[1] if module.both else projected
    y_s = semantic.chunk(2, dim=-1)[0] if module.both else semantic
    weight = path.output.weight
    from_soam, from_moam = weight.chunk(2, dim=1) if module.both else (weight, weight)
    own = tokens + path.output.bias
    none = torch.zeros_like(own)
    soam = answer(y_s, contexts[path.soam][:1], from_soam).view(shape) if path.soam is not None else none
    moam = answer(u_m, contexts[module.moam][:1], from_moam).view(shape) if module.moam is not None else none
    total = own + soam + moam
    scale = path.norm.weight / (total.var(dim=-1, correction=0, keepdim=True) + path.norm.eps).sqrt()
    own, soam, moam = ((part - part.mean(dim=-1, keepdim=True)) * scale for part in (own, soam, moam))
    return own, soam, moam


def _tokens(maps: Tensor) -> Tensor:
    """(B, C, h, w) to (B, h, w, C), float32."""
    return maps.permute(0, 2, 3, 1).float()


def _shares(sizes: Any) -> list[Map]:
    """Non-negative (h, w) maps, divided by their sum; equal shares where all are 0."""
    stacked = torch.stack(list(sizes))
    total = stacked.sum(dim=0)
    shares = torch.where(total > 0, stacked / total.clamp(min=1e-12), 1 / len(stacked))
    return list(shares.cpu().numpy())
