"""Hierarchical interactive attention (SegMiF, arXiv 2308.02097, section 3.2): MoAM and SoAM in one.

B batch, N = H·W tokens, C channels, A heads, D = C / A.

Both attentions are linear in N: keys and values meet first, in one D×D context per head,

    G = softmax over the key dimension of (Kᵀ V) / √D,      result = Q G.

With K = X W_kᵀ and V = X W_vᵀ, the product Kᵀ V is W_k (Xᵀ X) W_vᵀ, so one C×C Gram matrix of the source tokens
holds all that is needed of them; and Q G followed by a linear layer E is Q (G Eᵀ), a C×C matrix per image. So all work
that grows with N is one Gram product and one matrix product: no keys, values or attention results are ever stored.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from segmif.models.config import Attention
from segmif.models.layers import exact, resize, size_of, to_maps, to_tokens


class LinearAttention(nn.Module):
    """Attention with D×D contexts: the weights of keys and values, without bias.

    Args:
        channels: C.
        heads: A.
    """

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.key_value = nn.Linear(channels, 2 * channels, bias=False)

    def forward(self, source: Tensor, output: Tensor) -> Tensor:
        """The matrix that takes queries (B, N, C) to the attention's result, already multiplied by a linear layer.

        Args:
            source: tokens (B, N, C) that give keys and values.
            output: weight (C', C) of the linear layer that follows.

        Returns:
            (B, C, C') in float32 or better: the context is a sum over N, whose softmax in half precision is noise.
        """
        with exact(source):
            digits = torch.promote_types(source.dtype, torch.float32)
            tokens = source.to(digits)
            gram = tokens.transpose(1, 2) @ tokens  # (B, C, C)
            key, value = self.key_value.weight.to(digits).unflatten(0, (2, self.heads, -1))  # (A, D, C)
            context = key @ gram[:, None] @ value.transpose(1, 2)  # (B, A, D, D)
            weights = torch.softmax(context * context.shape[-1] ** -0.5, dim=-2)
            per_head = output.to(digits).unflatten(1, (self.heads, -1)).permute(1, 2, 0)  # (A, D, C')
            return (weights @ per_head).flatten(1, 2)


class ModalityPath(nn.Module):
    """What belongs to one modality: the projection in, the attention of the semantic tokens to it, the way back."""

    def __init__(self, channels: int, heads: int, kind: Attention) -> None:
        super().__init__()
        inner = 2 * channels if kind == "hia" else channels
        # MoAM asks with the modality's tokens, SoAM takes keys and values from them: each use is one half.
        self.project = nn.Linear(channels, inner)
        self.soam = LinearAttention(channels, heads) if kind != "moam" else None
        self.output = nn.Linear(inner, channels)
        self.norm = nn.LayerNorm(channels, eps=1e-5)


class HierarchicalInteractiveAttention(nn.Module):
    """Each modality looks at the semantic features (MoAM), and they look at each modality (SoAM).

    Every input goes through a linear layer and ReLU and is split into halves y and u, one for each attention:
    SoAM: queries y_s, keys and values from y_m, result z_m. MoAM: queries u_m, keys and values from u_s, result v_m.
    Then x_m <- LayerNorm(x_m + Linear(z_m, v_m)). (The paper's Figure 3 prints K_s where it means Q_s.)

    Args:
        channels: C.
        heads: A.
        kind: "hia" for both attentions, "moam" or "soam" for one of them (then there are no halves).
    """

    def __init__(self, channels: int, heads: int, kind: Attention = "hia") -> None:
        super().__init__()
        assert kind != "none", "without attention there is nothing to build"
        self.infrared = ModalityPath(channels, heads, kind)
        self.visible = ModalityPath(channels, heads, kind)
        self.project_semantic = nn.Linear(channels, self.infrared.project.out_features)
        self.moam = LinearAttention(channels, heads) if kind != "soam" else None

    def forward(self, infrared: Tensor, visible: Tensor, semantic: Tensor) -> tuple[Tensor, Tensor]:
        """Mix (B, C, H, W) maps of both modalities with a semantic map (B, C, h, w) of any size.

        The semantic map is projected at its own size and then upsampled, which is the same as the other way round.
        """
        size = size_of(infrared)
        projected = to_maps(self.project_semantic(to_tokens(semantic)), size_of(semantic))
        y_s, u_s = self._halves(F.relu(to_tokens(resize(projected, size))))
        return (
            to_maps(self._attend(self.infrared, to_tokens(infrared), y_s, u_s), size),
            to_maps(self._attend(self.visible, to_tokens(visible), y_s, u_s), size),
        )

    def _halves(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """The parts for SoAM and MoAM; with a single attention both are all of it, and one goes unused."""
        if tokens.shape[-1] == self.infrared.output.out_features:
            return tokens, tokens
        first, second = tokens.chunk(2, dim=-1)
        return first, second

    def _attend(self, path: ModalityPath, x: Tensor, y_s: Tensor, u_s: Tensor) -> Tensor:
        y_m, u_m = self._halves(F.relu(path.project(x)))
        from_soam, from_moam = self._halves(path.output.weight)
        result = path.output.bias
        if path.soam is not None:
            result = result + y_s @ path.soam(y_m, from_soam).to(y_s.dtype)
        if self.moam is not None:
            result = result + u_m @ self.moam(u_s, from_moam).to(u_m.dtype)
        return path.norm(x + result)  # type: ignore[no-any-return]
