"""Self-attention over the coarsest features: what stands at one end of the picture helps to name what is at the other.

B batch, C channels, h, w size of the map, at stride 32.
"""

from __future__ import annotations

from torch import Tensor, nn

from segmif.models.layers import size_of, to_maps, to_tokens
from segmif.models.mit import EfficientAttention


class GlobalContext(nn.Module):
    """x + attention(LayerNorm(x)), every place with every other; it begins as x.

    Encoders of convolutions see about a hundred pixels around a place in practice. The side of a lorry that fills the
    picture is then a wall.

    Args:
        channels: C.
        heads: of the attention; divides C.
    """

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(channels)
        self.attention = EfficientAttention(channels, heads, reduction=1)
        nn.init.zeros_(self.attention.output.weight)
        nn.init.zeros_(self.attention.output.bias)

    def forward(self, maps: Tensor) -> Tensor:
        """(B, C, h, w) to (B, C, h, w)."""
        size = size_of(maps)
        return maps + to_maps(self.attention(self.norm(to_tokens(maps)), size), size)
