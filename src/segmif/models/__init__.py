"""The networks: Mix Transformer, segmentation head, interactive attention, fusion network, cascade."""

from segmif.models.config import EfficientNetConfig, MiTConfig, SegMiFConfig, mit_preset
from segmif.models.efficientnet import EfficientNetLite
from segmif.models.encoders import BackboneEncoder, Encoder
from segmif.models.fusion import FusionNetwork
from segmif.models.head import MLPHead
from segmif.models.mit import MixTransformer
from segmif.models.segmif import SegMiF, SegMiFOutput
from segmif.models.weights import ModelRecord, convert_reference, load_segformer, load_shipped

__all__ = [
    "BackboneEncoder",
    "EfficientNetConfig",
    "EfficientNetLite",
    "Encoder",
    "FusionNetwork",
    "MLPHead",
    "MiTConfig",
    "MixTransformer",
    "ModelRecord",
    "SegMiF",
    "SegMiFConfig",
    "SegMiFOutput",
    "convert_reference",
    "load_segformer",
    "load_shipped",
    "mit_preset",
]
