"""Export: the network as one file that runs without this package and without PyTorch."""

from segmif.export.metadata import Description, read_description
from segmif.export.onnx import to_onnx
from segmif.export.openvino import to_openvino

__all__ = ["Description", "read_description", "to_onnx", "to_openvino"]
