"""A folder of tiny synthetic scenes in FMB's layout, and a recipe that trains on it in a second."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from segmif.data.synthetic import write_dataset
from segmif.models import MiTConfig
from segmif.train.config import Recipe, StageConfig
from segmif.train.recipes import clean, recipe

MakeRecipe = Callable[..., Recipe]


@pytest.fixture(scope="session")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data root with the folder `synthetic`: 8 training scenes of 96x64 (two of them validate), 2 test scenes."""
    root = tmp_path_factory.mktemp("data")
    write_dataset(root / "synthetic", 10, seed=8, size=(64, 96))
    return root


@pytest.fixture
def tiny(scenes: Path, tmp_path: Path) -> MakeRecipe:
    """Make the smoke recipe smaller still; arguments replace its fields."""

    def make(**changes: Any) -> Recipe:
        base = recipe("smoke")
        stage = StageConfig(steps=2, learning_rate=1e-3, augment=clean(48))
        encoder = MiTConfig(channels=(8, 16, 16, 16), depths=(1, 1, 1, 1), heads=(1, 1, 1, 1))
        small = {
            "model": replace(base.model, encoder=encoder, head_channels=16),
            "first_fusion": stage,
            "fusion": stage,
            "segmentation": stage,
            "joint": stage,
            "data": replace(base.data, root=str(scenes), cache=str(tmp_path / "cache"), validation_limit=1),
            "pictures": 1,
        }
        return replace(base, **{**small, **changes})

    return make
