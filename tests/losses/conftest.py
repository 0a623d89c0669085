"""The golden network run and its inputs, rebuilt from the seed."""

from pathlib import Path

import numpy as np
import pytest
import torch


@pytest.fixture(scope="package")
def golden(shared: Path) -> dict[str, torch.Tensor]:
    """Values of the golden run in float64, with its `guide` and `labels`."""
    with np.load(shared / "golden" / "network_b1_64x96.npz") as stored:
        names = ("fused_y", "logits", "loss_stage1", "loss_fusion_stage2", "loss_segmentation")
        values = {name: torch.from_numpy(np.asarray(stored[name], np.float64)) for name in names}
    rng = np.random.Generator(np.random.PCG64(20230802))
    rng.random((2, 1, 64, 96), dtype=np.float32)
    rng.random((2, 3, 64, 96), dtype=np.float32)
    values["guide"] = torch.from_numpy(rng.random((2, 1, 64, 96), dtype=np.float32)).double()
    labels = rng.integers(0, 9, (2, 64, 96))
    labels[rng.random((2, 64, 96)) < 0.05] = 255
    values["labels"] = torch.from_numpy(labels)
    return values
