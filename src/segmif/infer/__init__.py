"""Inference: from pairs as users have them to results."""

from segmif.infer.engine import choose_device, choose_dtype
from segmif.infer.pipeline import Model, load
from segmif.infer.result import Result
from segmif.infer.tiling import Limits

__all__ = ["Limits", "Model", "Result", "choose_device", "choose_dtype", "load"]
