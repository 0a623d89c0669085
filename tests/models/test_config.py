import dataclasses
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segmif.checks import InputError
from segmif.labelsets import FMB, MFNET
from segmif.models import EfficientNetConfig, MiTConfig, SegMiFConfig, mit_preset

counts = st.integers(1, 4)
mixed_transformers = st.builds(
    lambda heads, depths, drop: MiTConfig(
        channels=tuple(8 * h for h in heads),
        heads=tuple(heads),
        depths=tuple(depths),
        reductions=(8, 4, 2, 1),
        drop_path=drop,
    ),
    st.lists(counts, min_size=4, max_size=4),
    st.lists(counts, min_size=4, max_size=4),
    st.floats(0, 0.9),
)
encoders = (
    st.none() | mixed_transformers | st.sampled_from(["lite0", "lite2"]).map(lambda v: EfficientNetConfig(variant=v))
)
configs = st.builds(
    lambda heads, labels, **rest: SegMiFConfig(
        attention_heads=heads,
        fusion_channels=8 * heads,
        label_set=labels,
        num_classes=None if labels is None else len(labels),
        **rest,
    ),
    heads=counts,
    labels=st.sampled_from([None, FMB, MFNET]),
    encoder=encoders,
    attention=st.sampled_from(["none", "moam", "soam", "hia"]),
    guide=st.sampled_from(["vsm_wls", "visible", "average"]),
    share_attention=st.booleans(),
    normalize_guide=st.booleans(),
    clamp=st.booleans(),
    detach_semantic=st.booleans(),
    growth=counts,
)


@settings(deadline=None)
@given(configs)
def test_json_round_trip(config: SegMiFConfig) -> None:
    assert SegMiFConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config


def test_frozen_and_keyword_only() -> None:
    config = SegMiFConfig()
    with pytest.raises(dataclasses.FrozenInstanceError):
        config.clamp = False  # type: ignore[misc]
    with pytest.raises(TypeError):
        SegMiFConfig(None)  # type: ignore[misc]


def test_presets() -> None:
    for i in range(6):
        assert SegMiFConfig.preset(f"mit_b{i}", num_classes=9).encoder == mit_preset(f"mit_b{i}")
    assert SegMiFConfig.preset("efficientnet_lite1").encoder == EfficientNetConfig(variant="lite1")
    assert SegMiFConfig.preset("mit_b0").num_classes is None
    named = SegMiFConfig.preset("mit_b0", label_set="mfnet", clamp=False)
    assert (named.num_classes, named.label_set, named.clamp) == (9, MFNET, False)
    assert SegMiFConfig.preset("segmif-b0").label_set == FMB
    # (v - mean) / std of v in [0, 1] is (255 v - 127) / 128, what the ImageNet weights of EfficientNet-Lite expect
    lite = SegMiFConfig.preset("segmif-lite")
    assert [(v - m) / s for v, m, s in zip((0, 0.5, 1), lite.mean, lite.std, strict=True)] == pytest.approx(
        [-127 / 128, 0.5 / 128, 1]
    )
    assert SegMiFConfig.preset("segmif-b0", num_classes=4).label_set is None


@pytest.mark.parametrize(
    ("needs", "stages", "changes"),
    [
        (True, 4, {"num_classes": 3}),
        (True, 4, {"num_classes": 3, "attention": "none"}),
        (True, 2, {}),
        (False, 0, {"attention": "none"}),
    ],
)
def test_which_parts_exist(needs: bool, stages: int, changes: dict[str, object]) -> None:
    config = SegMiFConfig(**changes)  # type: ignore[arg-type]
    assert (config.needs_encoder, config.encoder_stages) == (needs, stages)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"attention": "hai"}, "unknown attention 'hai': did you mean 'hia'"),
        ({"guide": "vsm"}, "unknown guide 'vsm'"),
        ({"fusion_channels": 0}, "fusion_channels must be a whole number"),
        ({"fusion_channels": 20}, "fusion_channels must be a multiple of attention_heads"),
        ({"fusion_channels": 9, "attention_heads": 9}, "fusion_channels must be even"),
        ({"growth": 1.5}, "growth must be a whole number"),
        ({"clamp": 1}, "clamp must be true or false"),
        ({"head_dropout": 1.0}, r"head_dropout must be a number in \[0, 1\)"),
        ({"num_classes": 0}, "num_classes must be None or >= 1"),
        ({"num_classes": True}, "num_classes must be None or >= 1"),
        ({"mean": (0.5, 0.5)}, "mean must be three numbers"),
        ({"std": (1.0, 1.0, 0.0)}, "std must be three numbers above 0"),
        ({"std": (1.0, 1.0, float("nan"))}, "std must be three numbers"),
        ({"num_classes": 3, "label_set": FMB}, "num_classes must be 15, the classes of label set 'fmb', got 3"),
    ],
)
def test_values_that_make_no_network(changes: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        SegMiFConfig(**changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"depths": (1, 1, 1)}, "depths must be 4 numbers, one per stage"),
        ({"channels": (32, 63, 160, 256)}, "channels must be a multiple of its 2 heads, got 63"),
        ({"channels": "wide"}, "channels must be a list of whole numbers"),
        ({"depths": (2, 2, 2, 0)}, "depths must be a list of whole numbers"),
        ({"mlp_ratio": 0}, "mlp_ratio"),
        ({"drop_path": 1.5}, "drop_path"),
    ],
)
def test_encoders_that_make_no_sense(changes: dict[str, object], message: str) -> None:
    values = {"channels": (32, 64, 160, 256), "depths": (2, 2, 2, 2), **changes}
    with pytest.raises(InputError, match=message):
        MiTConfig(**values)  # type: ignore[arg-type]


def test_unknown_presets() -> None:
    with pytest.raises(InputError, match="unknown preset 'mit_b9': did you mean"):
        SegMiFConfig.preset("mit_b9")
    with pytest.raises(InputError, match="unknown encoder 'mit_b9'"):
        mit_preset("mit_b9")
    with pytest.raises(InputError, match="unknown option of SegMiFConfig 'clmap': did you mean 'clamp'"):
        SegMiFConfig.preset("mit_b0", clmap=True)
    with pytest.raises(InputError, match="unknown label set 'fbm'"):
        SegMiFConfig.preset("mit_b0", label_set="fbm")


def stored(**changes: object) -> dict[str, object]:
    return {**SegMiFConfig.preset("segmif-b0").to_dict(), **changes}


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (stored(format_version=2), "format_version must be 1"),
        ({}, "format_version must be 1"),
        (stored(colour="red"), "unknown key of SegMiFConfig 'colour'"),
        (stored(encoder="mit_b0"), "encoder must be an object with named values"),
        (stored(encoder={}), "encoder is incomplete"),
        (stored(encoder={"channels": [32]}), "encoder is incomplete"),
        (stored(encoder={"channels": [32], "depth": [2]}), "unknown key of MiTConfig 'depth'"),
        (stored(encoder={"variant": "lite9"}), "unknown EfficientNet variant 'lite9'"),
        (stored(encoder={"variant": ["lite0"]}), "unknown EfficientNet variant"),
        (stored(label_set={"name": "x", "classes": "abc", "palette": []}), "label_set.classes must be a list of names"),
        (stored(label_set={"name": "x", "classes": [1], "palette": [[0, 0, 0]]}), "label_set.classes"),
        (stored(label_set={"name": "x", "classes": ["a"], "palette": 3}), "label_set.palette must be a list"),
        (stored(label_set={"name": "x", "classes": ["a"], "palette": [[0, 0, 256]]}), "one RGB colour per class"),
        (stored(label_set={"name": "x", "classes": ["a"], "palette": []}), "one RGB colour per class"),
        (stored(fusion_channels="64"), "fusion_channels must be a whole number"),
        (stored(attention=["hia"]), "unknown attention"),
    ],
)
def test_damaged_files_get_one_clear_line(values: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        SegMiFConfig.from_dict(values)
    assert "\n" not in str(caught.value)
