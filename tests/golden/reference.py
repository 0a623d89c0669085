"""The golden network run, rebuilt: checkpoints in the authors' layout filled from their keys, and its inputs."""

import json
import math
import zlib
from pathlib import Path

import numpy as np
import torch
from torch import Tensor


def reference_states(folder: Path) -> dict[str, dict[str, Tensor]]:
    """The fusion and the segmentation state dict of a B1 network with 9 classes."""
    shapes = json.loads((folder / "network_b1_shapes.json").read_text())
    return {part: {key: filled(key, shape) for key, shape in keys.items()} for part, keys in shapes.items()}


def filled(key: str, shape: list[int]) -> Tensor:
    """A tensor whose values follow from its name."""
    if key.endswith("num_batches_tracked"):
        return torch.tensor(0)
    noise = np.random.Generator(np.random.PCG64(zlib.crc32(key.encode()))).standard_normal(shape).astype(np.float32)
    if key.endswith("running_var"):
        values = 1 + 0.1 * np.abs(noise)
    elif key.endswith("relu.weight"):
        values = np.full(shape, 0.25, np.float32)
    elif len(shape) >= 2:
        values = noise / np.float32(math.sqrt(math.prod(shape[1:])))
    elif key.endswith("weight"):
        values = 1 + 0.1 * noise
    else:
        values = 0.02 * noise
    return torch.from_numpy(values.astype(np.float32))


def reference_inputs() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Infrared, visible, guide and labels (255: ignore)."""
    rng = np.random.Generator(np.random.PCG64(20230802))
    infrared, visible, guide = (
        torch.from_numpy(rng.random((2, channels, 64, 96), dtype=np.float32)) for channels in (1, 3, 1)
    )
    labels = rng.integers(0, 9, (2, 64, 96))
    labels[rng.random((2, 64, 96)) < 0.05] = 255
    return infrared, visible, guide, torch.from_numpy(labels)
