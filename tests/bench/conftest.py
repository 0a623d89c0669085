"""A small data set of labelled pairs on disk, and a tiny model."""

from pathlib import Path

import numpy as np
import pytest

from segmif.io import write_image, write_labels
from segmif.labelsets import FMB
from tests.infer.conftest import scene
from tests.tiny import tiny_network

NAMES = ("00001D", "00002N", "00003D", "00004N")
SIZE = (48, 64)


def truth(seed: int) -> np.ndarray:
    """Road below, sky above, a person in between."""
    labels = np.full(SIZE, 7, np.uint8)
    labels[24:] = 1
    labels[14:34, 10 + seed : 20 + seed] = 8
    return labels


def write_pairs(root: Path, names: tuple[str, ...] = NAMES) -> Path:
    """Infrared, visible and label of every name, in the simple layout."""
    for seed, name in enumerate(names):
        infrared, visible = scene(*SIZE, seed=seed)
        write_image(root / "infrared" / f"{name}.png", infrared)
        write_image(root / "visible" / f"{name}.png", visible)
        write_labels(root / "label" / f"{name}.png", truth(seed), FMB.palette)
    return root


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A folder that holds the data set msrs, four pairs."""
    write_pairs(tmp_path / "data" / "msrs")
    return tmp_path / "data"


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny model on disk, FMB classes."""
    folder = tmp_path_factory.mktemp("models") / "tiny"
    tiny_network().save_pretrained(folder)
    return folder
