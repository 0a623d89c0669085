"""Data sets of infrared-visible pairs: readers, checks, splits, transforms, caches, synthetic scenes."""

from segmif.data.base import Boxes, PairDataset, PairSample
from segmif.data.catalog import CATALOG, dataset_info, open_dataset, open_folder

__all__ = ["CATALOG", "Boxes", "PairDataset", "PairSample", "dataset_info", "open_dataset", "open_folder"]
