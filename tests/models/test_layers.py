import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from segmif.models.layers import ALL_ROWS, by_strips, resize, resize_rows, row_strips


@settings(max_examples=40, deadline=None)
@given(
    small=st.tuples(st.integers(1, 9), st.integers(1, 9)), size=st.tuples(st.integers(1, 30), st.integers(1, 12)),
    data=st.data(),
)  # fmt: skip
def test_some_rows_are_those_of_the_whole(small: tuple[int, int], size: tuple[int, int], data: st.DataObject) -> None:
    start = data.draw(st.integers(0, size[0] - 1))
    rows = slice(start, data.draw(st.integers(start + 1, size[0])))
    maps = torch.rand(2, 3, *small, dtype=torch.float64)
    tokens = maps.permute(0, 2, 3, 1)
    whole = resize(maps, size).permute(0, 2, 3, 1)
    torch.testing.assert_close(resize_rows(tokens, size, rows), whole[:, rows], atol=1e-12, rtol=0)
    torch.testing.assert_close(resize_rows(tokens, size, ALL_ROWS), whole, atol=0, rtol=0)


@given(height=st.integers(1, 300), width=st.integers(1, 3000), ahead=st.integers(0, 20), times=st.integers(1, 4))
def test_strips_cover_every_row_once(height: int, width: int, ahead: int, times: int) -> None:
    strips = list(row_strips((height, width), ahead=ahead, times=times))
    assert [row for strip in strips for row in range(strip.start, strip.stop)] == list(range(height))
    heights = [strip.stop - strip.start for strip in strips]
    assert min(heights) > 0
    if len(strips) > 1:
        assert heights[0] >= heights[-1] + ahead
        assert len(set(heights[1:-1])) <= 1


def test_strips_shrink_with_width(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.get_num_threads", lambda: 1)
    wide, narrow = next(row_strips((900, 800))), next(row_strips((900, 80)))
    assert wide.stop < narrow.stop


@settings(max_examples=20, deadline=None)
@given(batch=st.integers(1, 2), height=st.integers(1, 40), width=st.integers(1, 9), reach=st.integers(1, 4))
def test_padding_is_put_only_at_the_edges_of_the_picture(batch: int, height: int, width: int, reach: int) -> None:
    """A chain of `reach` 3×3 convolutions, whose padding differs from what stands there, strip by strip and whole."""
    torch.manual_seed(0)
    first, second = torch.rand(2, batch, 2, height, width, dtype=torch.float64)
    weights = torch.randn(reach, 4, 4, 3, 3, dtype=torch.float64)

    def chain(*maps: torch.Tensor) -> torch.Tensor:
        x = torch.cat(maps, dim=1)
        for weight in weights:
            x = F.conv2d(x, weight, bias=torch.ones(4, dtype=x.dtype), padding=1)
        return x[:, :3]

    whole = by_strips(chain, first.requires_grad_(), second, reach=reach)
    assert whole.requires_grad
    with torch.no_grad(), pytest.MonkeyPatch.context() as patch:
        patch.setattr("segmif.models.layers.STRIP_PIXELS", 1)
        seen = []
        strips = by_strips(lambda *maps: seen.append(maps[0].shape[2]) or chain(*maps), first, second, reach=reach)
    assert len(seen) == -(-height // 8)
    assert max(seen) <= 8 + 2 * reach
    torch.testing.assert_close(strips, whole.detach(), atol=1e-9, rtol=1e-9)
