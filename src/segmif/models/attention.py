"""Hierarchical interactive attention (SegMiF, arXiv 2308.02097, section 3.2): MoAM and SoAM in one.

B batch, H, W image size, N = H·W tokens, C channels, A heads, D = C / A.

Both attentions are linear in N: keys and values meet first, in one D×D context per head,

    G = softmax over the key dimension of (Kᵀ V) / √D,      result = Q G.

With K = X W_kᵀ and V = X W_vᵀ, the product Kᵀ V is W_k (Xᵀ X) W_vᵀ, so one C×C Gram matrix of the source tokens
holds all that is needed of them; and Q G followed by a linear layer E is Q (G Eᵀ), a C×C matrix per image. So all
work that grows with N is one Gram product and one matrix product: no keys, values or results are ever stored.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from segmif.models.config import Attention
from segmif.models.layers import (
    ALL_ROWS,
    computing_dtype,
    exact,
    immediate,
    resize_rows,
    row_strips,
    size_of,
    with_all_digits,
)

SOAM, MOAM = 0, 1
"""Which half of a projection goes to which attention."""


class _Gram(torch.autograd.Function):
    """Xᵀ X of tokens (B, H, W, C), as (B, C, C) in double precision (float32 where there is none).

    Products in float32 or better, row by row; the rows summed with all digits. The gradient X (G + Gᵀ) is one product
    in the dtype of the tokens; what autograd makes of two uses of X costs twice that, and keeps a float32 copy of it.
    """

    @staticmethod
    def forward(ctx: Any, tokens: Tensor) -> Tensor:
        ctx.save_for_backward(tokens)
        if tokens.dtype == torch.bfloat16 and immediate(tokens):
            return _gram_of_bfloat16(tokens)
        rows = tokens.to(torch.promote_types(tokens.dtype, torch.float32))
        wide = torch.float32 if rows.device.type == "mps" else torch.float64
        return (rows.transpose(2, 3) @ rows).to(wide).sum(1)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        (tokens,) = ctx.saved_tensors
        symmetric = (gradient + gradient.transpose(1, 2)).to(tokens.dtype)
        return torch.unflatten(tokens.flatten(1, 2) @ symmetric, 1, tokens.shape[1:3])


def _gram_of_bfloat16(tokens: Tensor) -> Tensor:
    """The same from two products in bfloat16, which sum in float32 but round the sums: the second gives what was lost.

    XᵀX = G + R, G the rounded product and R = XᵀX − G, taken before it is rounded: 17 bits, twice as fast as float32.
    """
    rows = tokens.flatten(0, 1)
    rounded = rows.transpose(1, 2) @ rows
    lost = torch.baddbmm(rounded, rows.transpose(1, 2), rows, beta=-1)
    return torch.unflatten(rounded.double() + lost.double(), 0, tokens.shape[:2]).sum(1)


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

    def forward(self, source: Tensor | Iterator[Tensor]) -> Tensor:
        """Tokens that give keys and values (B, H, W, C), or strips of their rows, to contexts G (B, A, D, D).

        Contexts are float32 or better.

        Kᵀ V is a sum over all N. A softmax of numbers that large shows every rounding error, and its gradient more so:
        hence no autocast here, and double precision for what is small.
        """
        strips = iter([source]) if isinstance(source, Tensor) else source
        first = next(strips)
        gram = _gram(first)
        for strip in strips:
            gram = gram + _gram(strip)
        with exact(first):
            key, value = torch.unflatten(self.key_value.weight.to(gram.dtype), 0, (2, self.heads, -1))  # (A, D, C)
            context = key @ gram[:, None] @ value.transpose(1, 2)  # (B, A, D, D)
            weights = torch.softmax(context * context.shape[-1] ** -0.5, dim=-2)
            return weights.to(torch.promote_types(first.dtype, torch.float32))


def _gram(tokens: Tensor) -> Tensor:
    with exact(tokens):
        return _Gram.apply(tokens)  # type: ignore[no-untyped-call,no-any-return]


def answer(queries: Tensor, context: Tensor, output: Tensor) -> Tensor:
    """Q G of all heads followed by a linear layer: queries (B, N, C) and the layer's weight (C', C) to (B, N, C')."""
    return queries @ answering(context, output).to(queries.dtype)


def answering(context: Tensor, output: Tensor) -> Tensor:
    """G of all heads and a linear layer's weight (C', C) as one matrix (B, C, C')."""
    with exact(context):
        per_head = torch.unflatten(output.to(context.dtype), 1, context.shape[1:3]).permute(1, 2, 0)  # (A, D, C')
        return (context @ per_head).flatten(1, 2)


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

    def forward(
        self, infrared: Tensor, visible: Tensor, semantic: Tensor, *, inplace: bool = False
    ) -> tuple[Tensor, Tensor]:
        """Mix (B, C, H, W) maps of both modalities with a semantic map (B, C, h, w) of any size.

        The semantic map is projected at its own size and then upsampled, which is the same as the other way round.
        Without gradient on a CPU, strips of rows go through one after the other, first for the contexts, then for the
        results, so that no projection ever exists at full size.

        Args:
            infrared: the maps of one modality.
            visible: those of the other.
            semantic: the semantic map.
            inplace: the results may take the memory of both modalities' maps, which must not be used afterwards. They
                do so only where strips are made.
        """
        size = size_of(infrared)
        strips = list(row_strips(size, times=2)) if immediate(infrared) else []
        strips = strips if len(strips) > 1 else [ALL_ROWS]
        source = semantic.permute(0, 2, 3, 1)
        y_s, u_s = self._semantic_part(source, SOAM), self._semantic_part(source, MOAM)
        paths = (self.infrared, self.visible)
        tokens = [maps.permute(0, 2, 3, 1) for maps in (infrared, visible)]  # (B, H, W, C)
        about_semantic = None
        if self.moam is not None:
            about_semantic = self.moam(_each(lambda rows: resize_rows(u_s, size, rows).relu_(), strips))
        answers = [self._answers(*each, about_semantic, strips) for each in zip(paths, tokens, strict=True)]
        results: list[Tensor] = []
        for rows in strips:
            asked = resize_rows(y_s, size, rows).relu_() if self.infrared.soam is not None else None
            mixed = [
                self._mixed(path, x[:, rows], asked, *answer)
                for path, x, answer in zip(paths, tokens, answers, strict=True)
            ]
            if len(strips) == 1:
                results = mixed
                break
            results = results or [_place(part, x, inplace) for part, x in zip(mixed, tokens, strict=True)]
            for result, part in zip(results, mixed, strict=True):
                result[:, rows] = part
        return results[0].permute(0, 3, 1, 2), results[1].permute(0, 3, 1, 2)

    def _answers(
        self, path: ModalityPath, x: Tensor, about_semantic: Tensor | None, strips: list[slice]
    ) -> tuple[Tensor | None, Tensor | None]:
        """What takes the queries of SoAM and of MoAM to their share in a modality's result, as matrices (B, C, C)."""
        from_soam, from_moam = path.output.weight.chunk(2, dim=1) if self.both else [path.output.weight] * 2
        soam = moam = None
        if path.soam is not None:
            context = path.soam(_each(lambda rows: self._part(path.project, x[:, rows], SOAM).relu_(), strips))
            soam = answering(context, from_soam)
        if about_semantic is not None:
            moam = answering(about_semantic, from_moam)
        return soam, moam

    def _mixed(
        self, path: ModalityPath, x: Tensor, asked: Tensor | None, soam: Tensor | None, moam: Tensor | None
    ) -> Tensor:
        """Rows of a modality (B, rows, W, C) with what both attentions add, normalised."""
        dtype = computing_dtype(x)
        total = (x + path.output.bias.to(x.dtype)).to(dtype).flatten(1, 2)
        if asked is not None and soam is not None:
            total = total.baddbmm_(asked.flatten(1, 2), soam.to(dtype))
        if moam is not None:
            u_m = self._part(path.project, x, MOAM).relu_()
            total = total.baddbmm_(u_m.flatten(1, 2), moam.to(dtype))
        return torch.unflatten(path.norm(total), 1, x.shape[1:3])

    def _semantic_part(self, source: Tensor, part: int) -> Tensor:
        """Of the semantic tokens, which are few. Rounded weights would err alike at all of them, which MoAM sums up."""
        project = self.project_semantic
        tokens = with_all_digits(lambda x: self._part(project, x, part), source, project.weight)
        return tokens.to(computing_dtype(source))

    def _part(self, project: nn.Linear, x: Tensor, part: int) -> Tensor:
        """A projection's part for SoAM or MoAM, contiguous; with one attention alone, all of it."""
        if not self.both:
            return project(x)  # type: ignore[no-any-return]
        return F.linear(x, project.weight.chunk(2)[part], project.bias.chunk(2)[part])


def _place(part: Tensor, x: Tensor, inplace: bool) -> Tensor:
    """Where to put the result that `part` is a strip of: contiguous, shaped as `x` and, if possible, its memory."""
    fits = x.dtype == part.dtype and x.is_contiguous()
    return x if inplace and fits else torch.empty_like(x, dtype=part.dtype, memory_format=torch.contiguous_format)


def _each(make: Callable[[slice], Tensor], strips: list[slice]) -> Tensor | Iterator[Tensor]:
    """What `make` gives of all rows, or of strip after strip as they are asked for."""
    return make(ALL_ROWS) if strips == [ALL_ROWS] else map(make, strips)
