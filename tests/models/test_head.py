import torch
from torch import Tensor
from torch.nn import functional as F

from segmif.models import MLPHead
from segmif.models.context import GlobalContext
from tests.models.tester import NetworkTester, random

CHANNELS = (8, 12, 16, 20)


def features(batch: int, size: tuple[int, int]) -> tuple[Tensor, ...]:
    return tuple(
        random(i, batch, c, -(-size[0] // s), -(-size[1] // s)) - 0.5
        for i, (c, s) in enumerate(zip(CHANNELS, (4, 8, 16, 32), strict=True))
    )


class TestMLPHead(NetworkTester):
    def build(self) -> MLPHead:
        return MLPHead(CHANNELS, 5, channels=16, dropout=0.0)

    def inputs(self, batch: int, size: tuple[int, int]) -> tuple[Tensor, ...]:
        return features(batch, size)

    def shapes(self, batch: int, size: tuple[int, int]) -> list[tuple[int, ...]]:
        return [(batch, 5, -(-size[0] // 4), -(-size[1] // 4))]

    def outputs(self, network: torch.nn.Module, *inputs: Tensor) -> list[Tensor]:
        return [network(inputs)]


def test_equals_the_literal_head() -> None:
    """Project at each stage's size, upsample, concatenate from stage 4 to 1, mix: as the paper writes it."""
    torch.manual_seed(0)
    head = MLPHead(CHANNELS, 5, channels=16, dropout=0.1).double().eval()
    head.norm.running_mean.normal_()
    head.norm.running_var.uniform_(0.5, 2)
    maps = [f.double() for f in features(2, (45, 70))]
    projected = [
        F.interpolate(p(m.movedim(1, -1)).movedim(-1, 1), maps[0].shape[2:], mode="bilinear", align_corners=False)
        for p, m in zip(head.project, maps, strict=True)
    ]
    literal = head.classify(F.relu(head.norm(head.mix(torch.cat(projected[::-1], dim=1)))))
    torch.testing.assert_close(head(maps), literal, atol=1e-12, rtol=0)


def test_dropout_takes_whole_channels() -> None:
    torch.manual_seed(0)
    head = MLPHead(CHANNELS, 5, channels=16, dropout=0.5).train()
    dropped: list[Tensor] = []
    head.dropout.register_forward_hook(lambda *args: dropped.append(args[2]))
    head(features(4, (64, 64)))
    assert 0.2 < float((dropped[0].abs().sum((2, 3)) == 0).float().mean()) < 0.8


class TestGlobalContext(NetworkTester):
    def build(self) -> GlobalContext:
        context = GlobalContext(16, 4)
        torch.nn.init.normal_(context.attention.output.weight, std=0.5)
        return context

    def inputs(self, batch: int, size: tuple[int, int]) -> tuple[Tensor, ...]:
        return (random(0, batch, 16, -(-size[0] // 32), -(-size[1] // 32)) - 0.5,)

    def shapes(self, batch: int, size: tuple[int, int]) -> list[tuple[int, ...]]:
        return [(batch, 16, -(-size[0] // 32), -(-size[1] // 32))]


def test_context_carries_what_is_far_and_begins_as_nothing() -> None:
    torch.manual_seed(0)
    plain = MLPHead(CHANNELS, 5, channels=16, dropout=0.0).eval()
    looking = MLPHead(CHANNELS, 5, channels=16, dropout=0.0, context=GlobalContext(20, 4), coarsest=3).eval()
    looking.load_state_dict(plain.state_dict(), strict=False)
    maps = list(features(1, (256, 256)))
    before = looking(maps)
    assert torch.equal(before, plain(maps))
    assert looking.context is not None
    torch.nn.init.normal_(looking.context.attention.output.weight)
    before = looking(maps)
    maps[3] = maps[3].clone()
    maps[3][:, ::2, 0, 0] += 3
    assert (looking(maps) - before)[..., -8:, -8:].abs().min() > 0
    assert torch.equal(plain(maps)[..., -8:, -8:], plain(features(1, (256, 256)))[..., -8:, -8:])
