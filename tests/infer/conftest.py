import numpy as np
import pytest

from segmif.infer import Model
from segmif.models import SegMiF
from tests.tiny import tiny_network


@pytest.fixture(scope="session")
def network() -> SegMiF:
    return tiny_network()


@pytest.fixture
def model(network: SegMiF) -> Model:
    """A tiny model in float32 on the CPU; a new one per test, around one network."""
    return Model(network, name="tiny", device="cpu", dtype="float32")


def scene(height: int = 64, width: int = 80, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """A smooth infrared (H, W) and visible (H, W, 3) pair with edges and noise, uint8."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width]
    warm = 60 + 120 * ((x - width / 3) ** 2 + (y - height / 2) ** 2 < (height / 5) ** 2)
    infrared = warm + rng.normal(0, 4, (height, width))
    stripes = 100 + 50 * np.sign(np.sin(x / 6)) + 20 * np.sin(y / 9)
    visible = np.stack([stripes, stripes * 0.8, stripes * 0.6], axis=2) + rng.normal(0, 4, (height, width, 3))
    return infrared.clip(0, 255).astype(np.uint8), visible.clip(0, 255).astype(np.uint8)
