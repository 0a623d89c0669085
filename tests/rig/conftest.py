"""Scenes for the rig's tests: aligned pairs from the renderer, warped on purpose."""

import pytest

from segmif.data.synthetic import synthetic_scene
from segmif.io import Array


@pytest.fixture(scope="session")
def pair() -> tuple[Array, Array]:
    """An exactly aligned (infrared, visible) pair, 240 x 320."""
    scene = synthetic_scene(3, size=(240, 320))
    return scene.infrared, scene.visible


@pytest.fixture(scope="session")
def stranger() -> Array:
    """The visible picture of another scene."""
    return synthetic_scene(8, size=(240, 320), time="day").visible
