"""How large a network is, known from its configuration alone."""

from __future__ import annotations

from segmif.models.config import MiTConfig, SegMiFConfig


def least_parameters(config: SegMiFConfig) -> int:
    """A number of parameters that the network of `config` has at least: those of its largest layers.

    It grows with every field that makes the network large, so that a configuration can be compared with a file of
    weights before any memory is taken.

    >>> least_parameters(SegMiFConfig.preset("mit_b5", num_classes=9)) / 1e6
    81.6...
    """
    return _encoder(config) + _fusion(config) + _head(config)


def _encoder(config: SegMiFConfig) -> int:
    encoder = config.encoder
    if not config.needs_encoder or encoder is None:
        return 0
    if not isinstance(encoder, MiTConfig):
        return encoder.inputs
    total, inputs = 0, encoder.inputs
    stages = zip(encoder.channels, encoder.depths, encoder.reductions, strict=True)
    for number, (width, depth, reduction) in enumerate(stages):
        if number == config.encoder_stages:
            break
        shorten = reduction**2 if reduction > 1 else 0
        kernel = 49 if number == 0 else 9
        total += kernel * inputs * width + depth * width**2 * (4 + 2 * encoder.mlp_ratio + shorten)
        inputs = width
    return total


def _fusion(config: SegMiFConfig) -> int:
    width, growth = config.fusion_channels, config.growth
    dense = 4 * 9 * growth * (5 * width + 10 * growth) if config.layout == "cascade" else 0
    return 18 * width**2 + dense


def _head(config: SegMiFConfig) -> int:
    if config.num_classes is None:
        return 0
    return config.head_channels * (4 * config.head_channels + config.num_classes)
