"""Configurations of the networks: frozen dataclasses, presets in Python, JSON in and out.

`SegMiFConfig` says everything needed to rebuild a network and to read its output: architecture, label set, the
guide its weights were trained with, normalisation. It travels beside the weights as `config.json`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, Literal, Self, get_args

from segmif.checks import InputError, unknown
from segmif.labelsets import CWFID, FMB, LabelSet, label_set

Attention = Literal["none", "moam", "soam", "hia"]
GuideKind = Literal["vsm_wls", "visible", "average", "maximum"]
Layout = Literal["cascade", "shared"]

PAIR_CHANNELS = 5
"""What the encoder of the shared layout sees: the guide in the colours of the visible picture, infrared, luma."""

FORMAT_VERSION = 1
"""Version of `config.json`; a reader refuses any other."""

IMAGENET_MEAN = (123.675 / 255, 116.28 / 255, 103.53 / 255)
IMAGENET_STD = (58.395 / 255, 57.12 / 255, 57.375 / 255)


def _check(condition: bool, name: str, expected: str, value: object) -> None:
    if not condition:
        raise InputError(f"{name} must be {expected}, got {value!r}; mend it in the configuration")


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def _is_rate(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 1


@dataclass(frozen=True, kw_only=True)
class MiTConfig:
    """A Mix Transformer encoder; each tuple has one entry per stage, the finest (stride 4) first.

    Raises:
        InputError: entries are missing or not positive, or a width is not a multiple of its number of heads.
    """

    channels: tuple[int, ...]
    depths: tuple[int, ...]
    heads: tuple[int, ...] = (1, 2, 5, 8)
    reductions: tuple[int, ...] = (8, 4, 2, 1)
    """Stride of the convolution that shortens keys and values, per stage."""
    mlp_ratio: int = 4
    drop_path: float = 0.1
    """Stochastic depth of the last block; it grows linearly from 0 at the first."""
    inputs: int = 3
    """Channels of its input."""

    def __post_init__(self) -> None:
        for name in ("channels", "depths", "heads", "reductions"):
            value = getattr(self, name)
            _check(isinstance(value, tuple) and all(map(_is_count, value)), name, "a list of whole numbers >= 1", value)
            _check(len(value) == len(self.channels) >= 1, name, f"{len(self.channels)} numbers, one per stage", value)
        for width, heads in zip(self.channels, self.heads, strict=True):
            _check(width % heads == 0, "channels", f"a multiple of its {heads} heads", width)
        for name in ("mlp_ratio", "inputs"):
            _check(_is_count(getattr(self, name)), name, "a whole number >= 1", getattr(self, name))
        _check(_is_rate(self.drop_path), "drop_path", "a number in [0, 1)", self.drop_path)

    def first_stages(self, count: int) -> MiTConfig:
        """The same encoder, cut after `count` stages."""
        cut = {name: getattr(self, name)[:count] for name in ("channels", "depths", "heads", "reductions")}
        return replace(self, **cut)


@dataclass(frozen=True, kw_only=True)
class EfficientNetConfig:
    """An EfficientNet-Lite encoder: "lite0", "lite1" or "lite2"."""

    variant: str = "lite0"
    inputs: int = 3
    """Channels of its input."""

    def __post_init__(self) -> None:
        _check(_is_count(self.inputs), "inputs", "a whole number >= 1", self.inputs)
        if self.variant not in EFFICIENTNET_VARIANTS:
            raise unknown("EfficientNet variant", str(self.variant), EFFICIENTNET_VARIANTS)


EFFICIENTNET_VARIANTS = ("lite0", "lite1", "lite2")
EncoderConfig = MiTConfig | EfficientNetConfig


def _wide(*depths: int) -> MiTConfig:
    return MiTConfig(channels=(64, 128, 320, 512), depths=depths)


MIT_PRESETS: dict[str, MiTConfig] = {
    "mit_b0": MiTConfig(channels=(32, 64, 160, 256), depths=(2, 2, 2, 2)),
    "mit_b1": _wide(2, 2, 2, 2),
    "mit_b2": _wide(3, 4, 6, 3),
    "mit_b3": _wide(3, 4, 18, 3),
    "mit_b4": _wide(3, 8, 27, 3),
    "mit_b5": _wide(3, 6, 40, 3),
}


def mit_preset(name: str) -> MiTConfig:
    """The Mix Transformer of that name, mit_b0 ... mit_b5 (SegFormer, arXiv 2105.15203, table 6).

    Raises:
        InputError: no such encoder.

    >>> mit_preset("mit_b3").depths
    (3, 4, 18, 3)
    """
    if name not in MIT_PRESETS:
        raise unknown("encoder", name, MIT_PRESETS)
    return MIT_PRESETS[name]


@dataclass(frozen=True, kw_only=True)
class SegMiFConfig:
    """The cascade: a fusion network fed with semantic features, then a segmentation network on its result.

    Which parts exist follows from two fields: `num_classes=None` means fusion only (no segmentation head),
    `attention="none"` means no semantic features; with both, there is no encoder either.

    Raises:
        InputError: a field has a value that makes no network.
    """

    encoder: EncoderConfig | None = field(default_factory=lambda: MIT_PRESETS["mit_b0"])
    """None: an encoder of the user's own, given to `SegMiF(config, encoder=...)`, or none is needed."""
    layout: Layout = "cascade"
    """"cascade" is the paper's: semantic features of a guide, fusion at full resolution, segmentation of its picture.
    "shared" runs the encoder once, on the pair and its guide together (`PAIR_CHANNELS`): its features guide a fusion
    at stride 4 (`segmif.models.blend`), whose features the segmentation head reads beside them."""
    num_classes: int | None = None
    label_set: LabelSet | None = None
    """Names and colours of the classes."""

    attention: Attention = "hia"
    """What joins the modalities with the semantic features: both attentions, one of them, or nothing."""
    share_attention: bool = False
    """One attention module applied at both levels (the authors' checkpoints) instead of one per level."""
    fusion_channels: int = 64
    growth: int = 32
    """Channels each convolution of a dense block adds."""
    attention_heads: int = 8
    detach_semantic: bool = True
    """No gradient flows from the fusion network through the semantic features into the encoder."""

    context: bool = False
    """Self-attention over the encoder's last stage before the head (`segmif.models.context`)."""
    head_channels: int = 256
    head_dropout: float = 0.1

    guide: GuideKind = "vsm_wls"
    """The guide these weights were trained with, and so expect."""
    normalize_guide: bool = True
    """Normalise the guide by mean and std before the encoder; the authors' checkpoints need False."""
    clamp: bool = True
    """Clamp the fused RGB to [0, 1] before it is shown and segmented; the authors' checkpoints need False."""
    mean: tuple[float, ...] = IMAGENET_MEAN
    std: tuple[float, ...] = IMAGENET_STD

    def __post_init__(self) -> None:
        for name, kind in (("attention", Attention), ("guide", GuideKind), ("layout", Layout)):
            options = get_args(kind)
            if getattr(self, name) not in options:
                raise unknown(name, str(getattr(self, name)), options)
        for name in ("fusion_channels", "growth", "attention_heads", "head_channels"):
            _check(_is_count(getattr(self, name)), name, "a whole number >= 1", getattr(self, name))
        for name in ("share_attention", "detach_semantic", "normalize_guide", "clamp", "context"):
            _check(isinstance(getattr(self, name), bool), name, "true or false", getattr(self, name))
        _check(_is_rate(self.head_dropout), "head_dropout", "a number in [0, 1)", self.head_dropout)
        _check(self.fusion_channels % 2 == 0, "fusion_channels", "even", self.fusion_channels)
        if self.layout == "shared" and self.encoder is not None:
            expected = f"{PAIR_CHANNELS} in the shared layout"
            _check(self.encoder.inputs == PAIR_CHANNELS, "encoder.inputs", expected, self.encoder.inputs)
        _check(
            self.fusion_channels % self.attention_heads == 0,
            "fusion_channels",
            f"a multiple of attention_heads ({self.attention_heads})",
            self.fusion_channels,
        )
        for name in ("mean", "std"):
            value = getattr(self, name)
            _check(isinstance(value, tuple) and len(value) == 3, name, "three numbers", value)
            _check(all(isinstance(v, int | float) and v == v for v in value), name, "three numbers", value)
        _check(min(self.std) > 0, "std", "three numbers above 0", self.std)
        _check(self.num_classes is None or _is_count(self.num_classes), "num_classes", "None or >= 1", self.num_classes)
        if self.label_set is not None:
            expected = f"{len(self.label_set)}, the classes of label set {self.label_set.name!r}"
            _check(self.num_classes == len(self.label_set), "num_classes", expected, self.num_classes)

    @property
    def needs_encoder(self) -> bool:
        """Whether any part of the network reads encoder features."""
        return self.num_classes is not None or self.attention != "none"

    @property
    def encoder_stages(self) -> int:
        """How many encoder stages are read: 4 for segmentation, 2 for semantic features alone, else 0."""
        return 4 if self.num_classes is not None else 2 if self.attention != "none" else 0

    @classmethod
    def preset(
        cls, name: str, *, num_classes: int | None = None, label_set: LabelSet | str | None = None, **changes: Any
    ) -> Self:
        """A network by the name of its encoder (mit_b0, efficientnet_lite0 ...) or of a shipped model ("segmif-b0").

        Args:
            name: the preset.
            num_classes: classes of the segmentation head; taken from the label set where that is given.
            label_set: a label set or the name of one.
            changes: any other field of this class.

        Raises:
            InputError: no such preset, no such field, or values that contradict each other.

        >>> SegMiFConfig.preset("mit_b0", num_classes=9).encoder.depths
        (2, 2, 2, 2)
        >>> SegMiFConfig.preset("segmif-b0").label_set.name
        'fmb'
        """
        if name not in _PRESETS:
            raise unknown("preset", name, _PRESETS)
        values: dict[str, Any] = {**_PRESETS[name], **changes}
        if label_set is not None:
            values["label_set"] = _find_label_set(label_set)
        if num_classes is not None:
            values["num_classes"] = num_classes
            if label_set is None and len(values.get("label_set") or ()) != num_classes:
                values["label_set"] = None
        elif values.get("label_set") is not None:
            values["num_classes"] = len(values["label_set"])
        _refuse_unknown(values, cls, "option")
        return cls(**values)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON, with the format version first."""
        return {"format_version": FORMAT_VERSION, **asdict(self)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """The inverse of `to_dict`; fields left out take their defaults.

        Raises:
            InputError: another format version, an unknown key, or a value of the wrong kind.
        """
        rest = dict(values)
        version = rest.pop("format_version", None)
        _check(version == FORMAT_VERSION, "format_version", f"{FORMAT_VERSION} (written by this segmif)", version)
        _refuse_unknown(rest, cls, "key")
        for name, options in (("encoder", (MiTConfig, EfficientNetConfig)), ("label_set", (LabelSet,))):
            if rest.get(name) is not None:
                rest[name] = _nested(name, options, rest[name])
        return cls(**{key: _frozen(value) for key, value in rest.items()})


def _efficientnet(variant: str) -> dict[str, Any]:
    """Its ImageNet weights expect (v − 127) / 128 of values 0..255."""
    return {"encoder": EfficientNetConfig(variant=variant), "mean": (127 / 255,) * 3, "std": (128 / 255,) * 3}


def _shared(variant: str, **changes: Any) -> dict[str, Any]:
    encoder = EfficientNetConfig(variant=variant, inputs=PAIR_CHANNELS)
    narrow = {"fusion_channels": 32, "attention_heads": 4, "head_channels": 128}
    return {**_efficientnet(variant), "encoder": encoder, "layout": "shared", "guide": "maximum", **narrow, **changes}


_PRESETS: dict[str, dict[str, Any]] = {
    **{name: {"encoder": encoder} for name, encoder in MIT_PRESETS.items()},
    **{f"efficientnet_{name}": _efficientnet(name) for name in EFFICIENTNET_VARIANTS},
    "segmif-b0": {"encoder": MIT_PRESETS["mit_b0"], "label_set": FMB},
    "segmif-lite": _shared("lite0", label_set=FMB, context=True),
    "segmif-e2": _shared("lite2", label_set=FMB, context=True),
    "segmif-cwfid": _shared("lite0", label_set=CWFID),
}


def _find_label_set(value: LabelSet | str) -> LabelSet:
    return label_set(value) if isinstance(value, str) else value


def _refuse_unknown(values: Mapping[str, Any], kind: type, what: str) -> None:
    known = [f.name for f in fields(kind)]
    for name in values:
        if name not in known:
            raise unknown(f"{what} of {kind.__name__}", name, known)


def _nested(name: str, options: tuple[type, ...], value: object) -> Any:
    """The dataclass among `options` whose fields `value` names."""
    _check(isinstance(value, Mapping), name, "an object with named values", value)
    assert isinstance(value, Mapping)
    kind: Any = next((o for o in options if value and {f.name for f in fields(o)} >= value.keys()), options[0])
    _refuse_unknown(value, kind, "key")
    if kind is LabelSet:
        _check_label_set(value)
    try:
        return kind(**{key: _frozen(item) for key, item in value.items()})
    except TypeError as error:
        raise InputError(f"{name} is incomplete ({error}); mend it in the configuration") from error


def _check_label_set(value: Mapping[str, Any]) -> None:
    classes, palette = value.get("classes"), value.get("palette")
    _check(isinstance(classes, list | tuple), "label_set.classes", "a list of names", classes)
    _check(isinstance(palette, list | tuple), "label_set.palette", "a list of colours", palette)
    assert classes is not None
    assert palette is not None
    _check(all(isinstance(c, str) for c in classes), "label_set.classes", "a list of names", classes)
    colours = all(isinstance(c, list | tuple) and len(c) == 3 and all(v in range(256) for v in c) for c in palette)
    _check(colours and len(palette) == len(classes), "label_set.palette", "one RGB colour per class", palette)


def _frozen(value: Any) -> Any:
    """JSON lists as tuples, at any depth."""
    return tuple(map(_frozen, value)) if isinstance(value, list | tuple) else value
