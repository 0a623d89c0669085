"""Training: recipes, rounds of fusion and segmentation, exact resume."""

from segmif.train.config import DataConfig, LossConfig, Recipe, Source, StageConfig
from segmif.train.loop import DivergedError, train
from segmif.train.recipes import RECIPES, recipe

__all__ = [
    "RECIPES",
    "DataConfig",
    "DivergedError",
    "LossConfig",
    "Recipe",
    "Source",
    "StageConfig",
    "recipe",
    "train",
]
