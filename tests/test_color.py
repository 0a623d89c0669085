import numpy as np
import pytest
import torch

from segmif import color
from tests.tolerances import ABSOLUTE


@pytest.mark.parametrize(
    ("rgb", "ycrcb"),
    [
        ((1.0, 1.0, 1.0), (1.0, 0.5, 0.5)),
        ((1.0, 0.0, 0.0), (0.299, 0.713 * 0.701 + 0.5, 0.564 * -0.299 + 0.5)),
        ((0.0, 1.0, 0.0), (0.587, 0.713 * -0.587 + 0.5, 0.564 * -0.587 + 0.5)),
        ((0.0, 0.0, 1.0), (0.114, 0.713 * -0.114 + 0.5, 0.564 * 0.886 + 0.5)),
    ],
)
def test_known_colours(rgb, ycrcb):
    pixel = torch.tensor(rgb, dtype=torch.float64).view(1, 3, 1, 1)
    expected = torch.tensor(ycrcb, dtype=torch.float64).view(1, 3, 1, 1)
    torch.testing.assert_close(color.rgb_to_ycrcb(pixel), expected, atol=ABSOLUTE[torch.float64], rtol=0)


def test_there_and_back_is_close_and_nothing_is_clamped():
    rgb = torch.rand(2, 3, 5, 7, generator=torch.Generator().manual_seed(0)) * 3 - 1
    back = color.ycrcb_to_rgb(color.rgb_to_ycrcb(rgb))
    # The field's constants are rounded to three digits, so the way back is off by up to two thousandths per unit.
    torch.testing.assert_close(back, rgb, atol=6e-3, rtol=0)
    assert back.min() < -0.5
    assert back.max() > 1.5


def test_unbatched_pictures_too():
    rgb = torch.rand(3, 4, 6)
    torch.testing.assert_close(color.rgb_to_ycrcb(rgb), color.rgb_to_ycrcb(rgb[None])[0])


def test_luma_of_arrays_is_the_luma_of_tensors():
    rgb = np.random.default_rng(0).random((5, 7, 3), dtype=np.float32)
    expected = color.rgb_to_ycrcb(torch.from_numpy(rgb).permute(2, 0, 1))[0].numpy()
    np.testing.assert_allclose(color.luma(rgb), expected, atol=1e-6)
    grey = rgb[..., 0]
    assert color.luma(grey) is grey
