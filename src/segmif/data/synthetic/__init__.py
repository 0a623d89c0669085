"""Procedural road scenes: infrared, visible, FMB labels and boxes of one and the same seeded scene."""

from segmif.data.synthetic.conditions import TIMES, WEATHERS, Time, Weather
from segmif.data.synthetic.dataset import SyntheticDataset, write_dataset
from segmif.data.synthetic.examples import EXAMPLES, example_scene
from segmif.data.synthetic.scene import MIN_SYNTHETIC_SIDE, synthetic_scene

__all__ = [
    "EXAMPLES",
    "MIN_SYNTHETIC_SIDE",
    "TIMES",
    "WEATHERS",
    "SyntheticDataset",
    "Time",
    "Weather",
    "example_scene",
    "synthetic_scene",
    "write_dataset",
]
