"""Export: the network as one file that runs without this package and without PyTorch."""

from segmif.export.cached import cached_onnx, network_digest
from segmif.export.int8 import to_int8
from segmif.export.metadata import Description, read_description
from segmif.export.onnx import to_onnx
from segmif.export.openvino import to_openvino

__all__ = ["Description", "cached_onnx", "network_digest", "read_description", "to_int8", "to_onnx", "to_openvino"]
