"""The plain cascade and ours, which takes every short cut, are one function."""

import pytest
import torch

from segmif.bench.plain import PlainCascade
from segmif.checks import InputError
from tests.tiny import tiny_network
from tests.tolerances import ABSOLUTE


@pytest.mark.parametrize("size", [(32, 32), (57, 83)])
def test_fast_equals_plain(size: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("segmif.models.layers.STRIP_PIXELS", 1)
    network = tiny_network()
    infrared, visible, guide = torch.rand(2, 1, *size), torch.rand(2, 3, *size), torch.rand(2, 1, *size)
    with torch.inference_mode():
        rgb, logits = PlainCascade(network)(infrared, visible, guide)
        ours = network(infrared, visible, guide)
    assert logits is not None
    torch.testing.assert_close(ours.fused_rgb, rgb, atol=ABSOLUTE[torch.float32], rtol=0)
    torch.testing.assert_close(ours.logits, logits, atol=ABSOLUTE[torch.float32], rtol=0)


def test_other_networks_are_refused() -> None:
    with pytest.raises(InputError, match="hia"):
        PlainCascade(tiny_network(attention="none"))
