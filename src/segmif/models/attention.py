"""Hierarchical interactive attention (SegMiF, arXiv 2308.02097, section 3.2): MoAM and SoAM in one.

B batch, H, W image size, N = H·W tokens, C channels, A heads, D = C / A.

Both attentions are linear in N: keys and values meet first, in one D×D context per head,

    G = softmax over the key dimension of (Kᵀ V) / √D,      result = Q G.

With K = X W_kᵀ and V = X W_vᵀ, the product Kᵀ V is W_k (Xᵀ X) W_vᵀ, so one C×C Gram matrix of the source tokens
holds all that is needed of them; and Q G followed by a linear layer E is Q (G Eᵀ), a C×C matrix per image. So all
work that grows with N is one Gram product and one matrix product: no keys, values or results are ever stored.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from segmif.models.config import Attention
from segmif.models.layers import exact, resize, size_of, to_maps, to_tokens


class LinearAttention(nn.Module):
    """The contexts of an attention: the weights of keys and values, without bias.

    Args:
        channels: C.
        heads: A.
    """

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.key_value = nn.Linear(channels, 2 * channels, bias=False)

    def forward(self, source: Tensor) -> Tensor:
        """Tokens that give keys and values (B, H, W, C) to contexts G (B, A, D, D), float32 or better.

        Kᵀ V is a sum over all N. A softmax of numbers that large shows every rounding error, and its gradient more so:
        hence no autocast here, sums row by row, and double precision for what is small.
        """
        with exact(source):
            rows = source.to(torch.promote_types(source.dtype, torch.float32))
            wide = rows.dtype if rows.device.type == "mps" else torch.float64  # mps has no float64
            gram = (rows.transpose(2, 3) @ rows).to(wide).sum(1)  # (B, C, C)
            key, value = torch.unflatten(self.key_value.weight.to(wide), 0, (2, self.heads, -1))  # (A, D, C)
            context = key @ gram[:, None] @ value.transpose(1, 2)  # (B, A, D, D)
            return torch.softmax(context * context.shape[-1] ** -0.5, dim=-2).to(rows.dtype)


def answer(queries: Tensor, context: Tensor, output: Tensor) -> Tensor:
    """Q G of all heads followed by a linear layer: queries (B, N, C) and the layer's weight (C', C) to (B, N, C')."""
    with exact(queries):
        per_head = torch.unflatten(output.to(context.dtype), 1, context.shape[1:3]).permute(1, 2, 0)  # (A, D, C')
        matrix = (context @ per_head).flatten(1, 2)  # (B, C, C')
    return queries @ matrix.to(queries.dtype)


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
        semantic_context = self.moam(torch.unflatten(u_s, 1, size)) if self.moam is not None else None
        mixed = []
        for path, maps in ((self.infrared, infrared), (self.visible, visible)):
            x = to_tokens(maps)
            y_m, u_m = self._halves(F.relu(path.project(x)))
            from_soam, from_moam = self._halves(path.output.weight)
            x = x + path.output.bias
            if path.soam is not None:
                x = x + answer(y_s, path.soam(torch.unflatten(y_m, 1, size)), from_soam)
            if semantic_context is not None:
                x = x + answer(u_m, semantic_context, from_moam)
            mixed.append(to_maps(path.norm(x), size))
        return mixed[0], mixed[1]

    def _halves(self, joined: Tensor) -> tuple[Tensor, Tensor]:
        """The parts for SoAM and MoAM along the last dimension; with one attention alone, each is all of it."""
        if self.moam is None or self.infrared.soam is None:
            return joined, joined
        first, second = joined.chunk(2, dim=-1)
        return first, second
