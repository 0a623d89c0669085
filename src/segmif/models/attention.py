"""Hierarchical interactive attention (SegMiF, arXiv 2308.02097, section 3.2): MoAM and SoAM in one.

B batch, H, W image size, N = H·W tokens, C channels, A heads, D = C / A.

Both attentions are linear in N: keys and values meet first, in one D×D context per head,

    G = softmax over the key dimension of (Kᵀ V) / √D,      result = Q G.

With K = X W_kᵀ and V = X W_vᵀ, the product Kᵀ V is W_k (Xᵀ X) W_vᵀ, so one C×C Gram matrix of the source tokens
holds all that is needed of them; and Q G followed by a linear layer E is Q (G Eᵀ), a C×C matrix per image. So all
work that grows with N is one Gram product and one matrix product: no keys, values or results are ever stored.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from segmif.models.config import Attention
from segmif.models.layers import exact, resize, size_of, to_maps, to_tokens


class _Gram(torch.autograd.Function):
    """Xᵀ X of tokens (B, H, W, C), as (B, C, C) in double precision (float32 where there is none).

    Products in float32 or better, row by row; the rows summed with all digits. The gradient X (G + Gᵀ) is one product
    in the dtype of the tokens; what autograd makes of two uses of X costs twice that, and keeps a float32 copy of it.
    """

    @staticmethod
    def forward(ctx: Any, tokens: Tensor) -> Tensor:
        ctx.save_for_backward(tokens)
        rows = tokens.to(torch.promote_types(tokens.dtype, torch.float32))
        wide = torch.float32 if rows.device.type == "mps" else torch.float64
        return (rows.transpose(2, 3) @ rows).to(wide).sum(1)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        (tokens,) = ctx.saved_tensors
        symmetric = (gradient + gradient.transpose(1, 2)).to(tokens.dtype)
        return torch.unflatten(tokens.flatten(1, 2) @ symmetric, 1, tokens.shape[1:3])


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
        hence no autocast here, and double precision for what is small.
        """
        with exact(source):
            gram: Tensor = _Gram.apply(source)  # type: ignore[no-untyped-call]
            key, value = torch.unflatten(self.key_value.weight.to(gram.dtype), 0, (2, self.heads, -1))  # (A, D, C)
            context = key @ gram[:, None] @ value.transpose(1, 2)  # (B, A, D, D)
            weights = torch.softmax(context * context.shape[-1] ** -0.5, dim=-2)
            return weights.to(torch.promote_types(source.dtype, torch.float32))


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
        self.both = kind == "hia"

    def forward(self, infrared: Tensor, visible: Tensor, semantic: Tensor) -> tuple[Tensor, Tensor]:
        """Mix (B, C, H, W) maps of both modalities with a semantic map (B, C, h, w) of any size.

        The semantic map is projected at its own size and then upsampled, which is the same as the other way round.
        """
        size = size_of(infrared)
        y_s, u_s = (
            F.relu(to_tokens(resize(to_maps(half, size_of(semantic)), size)))
            for half in self._halves(self.project_semantic, to_tokens(semantic))
        )
        semantic_context = self.moam(torch.unflatten(u_s, 1, size)) if self.moam is not None else None
        mixed = []
        for path, maps in ((self.infrared, infrared), (self.visible, visible)):
            x = to_tokens(maps)
            y_m, u_m = (F.relu(half) for half in self._halves(path.project, x))
            from_soam, from_moam = path.output.weight.chunk(2, dim=1) if self.both else [path.output.weight] * 2
            x = x + path.output.bias.to(x.dtype)
            if path.soam is not None:
                x = x + answer(y_s, path.soam(torch.unflatten(y_m, 1, size)), from_soam)
            if semantic_context is not None:
                x = x + answer(u_m, semantic_context, from_moam)
            mixed.append(to_maps(path.norm(x), size))
        return mixed[0], mixed[1]

    def _halves(self, project: nn.Linear, x: Tensor) -> tuple[Tensor, Tensor]:
        """A projection's parts for SoAM and MoAM, each contiguous; with one attention alone, each is all of it."""
        if not self.both:
            whole = project(x)
            return whole, whole
        weights, biases = project.weight.chunk(2), project.bias.chunk(2)
        return F.linear(x, weights[0], biases[0]), F.linear(x, weights[1], biases[1])
