"""The all-MLP segmentation head of SegFormer (arXiv 2105.15203).

B batch, S number of stages, C width of the head, H, W size of the finest map, K classes.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional as F

from segmif.models.context import GlobalContext
from segmif.models.layers import exact, resize, size_of


class MLPHead(nn.Module):
    """One linear per stage, all at the finest size, mixed and classified.

    As written in the paper the S projected maps are upsampled, concatenated (coarsest first) and mixed by a 1×1
    convolution. That convolution is a sum over stages and commutes with bilinear upsampling, so each stage is
    projected and mixed at its own size by the product of both matrices: the same result for a fraction of the work.

    Args:
        encoder_channels: width of each encoder stage, the finest first.
        num_classes: K.
        channels: C.
        dropout: probability of dropping a whole channel before the classifier.
        context: looks around in one of the maps before it is projected; None in the paper.
        coarsest: which map that is.
    """

    def __init__(
        self,
        encoder_channels: Sequence[int],
        num_classes: int,
        *,
        channels: int,
        dropout: float,
        context: GlobalContext | None = None,
        coarsest: int = -1,
    ) -> None:
        super().__init__()
        self.context, self.coarsest = context, coarsest
        self.project = nn.ModuleList(nn.Linear(width, channels) for width in encoder_channels)
        self.mix = nn.Conv2d(len(encoder_channels) * channels, channels, 1, bias=False)
        self.norm = nn.BatchNorm2d(channels)
        self.dropout = nn.Dropout2d(dropout)
        self.classify = nn.Conv2d(channels, num_classes, 1)

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        """Maps of all stages, the finest first, to logits (B, K, H, W)."""
        features = list(features)
        if self.context is not None:
            features[self.coarsest] = self.context(features[self.coarsest])
        size = size_of(features[0])
        mixes = self.mix.weight.flatten(1).chunk(len(features), dim=1)
        mixed: Tensor | None = None
        for feature, project, mix in zip(features, self.project, reversed(mixes), strict=True):
            assert isinstance(project, nn.Linear)
            with exact(feature):
                weight, bias = mix @ project.weight, mix @ project.bias
            stage = F.conv2d(feature, weight[..., None, None], bias)
            mixed = stage if mixed is None else mixed + resize(stage, size)
        return self.classify(self.dropout(F.relu(self.norm(mixed))))  # type: ignore[no-any-return]
