"""The size of a network from its configuration: never above the real one."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from segmif.checks import InputError
from segmif.models import SegMiF, SegMiFConfig
from segmif.models.size import least_parameters
from tests.tiny import tiny_network

CONFIGS: dict[str, dict[str, Any]] = {
    "fusion only": {"attention": "none"},
    "no head": {},
    "cascade": {"num_classes": 9},
    "one attention": {
        "num_classes": 9,
        "share_attention": True,
        "fusion_channels": 8,
        "attention_heads": 2,
        "growth": 1,
    },
    "wide": {"num_classes": 200, "head_channels": 32, "fusion_channels": 16, "growth": 64},
}


@pytest.mark.parametrize("name", CONFIGS)
@pytest.mark.parametrize("preset", ["mit_b0", "efficientnet_lite0", "segmif-lite"])
def test_is_a_lower_bound(preset: str, name: str) -> None:
    config = SegMiFConfig.preset(preset, **CONFIGS[name])
    if preset == "segmif-lite" and "num_classes" not in CONFIGS[name]:
        config = replace(config, num_classes=None, label_set=None)
    real = sum(value.numel() for value in SegMiF(config).state_dict().values())
    assert 0 < least_parameters(config) <= real


def test_is_near_the_truth_for_the_reference() -> None:
    config = SegMiFConfig.preset("mit_b3", num_classes=9)
    real = sum(value.numel() for value in SegMiF(config).state_dict().values())
    assert 0.9 * real < least_parameters(config) <= real


HUGE: dict[str, dict[str, Any]] = {
    "head": {"head_channels": 10**7},
    "more than fits into any integer": {"head_channels": 10**30},
    "classes": {"num_classes": 10**12, "label_set": None},
    "fusion": {"fusion_channels": 10**6},
    "growth": {"growth": 10**6},
    "encoder": {"encoder": {"channels": [10**6] * 4}},
    "blocks": {"encoder": {"depths": [1, 1, 1, 10**9]}},
    "reduction": {"encoder": {"reductions": [10**6, 4, 2, 1]}},
    "mlp": {"encoder": {"mlp_ratio": 10**9}},
    "inputs": {"encoder": {"inputs": 10**9}},
}


@pytest.mark.parametrize("name", HUGE)
def test_a_stranger_cannot_ask_for_more_memory_than_its_weights_take(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny_network().save_pretrained(tmp_path)
    path = tmp_path / "config.json"
    values, changes = json.loads(path.read_text()), dict(HUGE[name])
    encoder = {**values["encoder"], **changes.pop("encoder", {})}
    path.write_text(json.dumps({**values, **changes, "encoder": encoder}))

    def built(*_: object, **__: object) -> None:
        raise AssertionError("it was built")

    monkeypatch.setattr(SegMiF, "__init__", built)
    with pytest.raises(InputError, match=r"config.json: asks for a network of at least \d+ parameters") as caught:
        SegMiF.from_pretrained(tmp_path)
    assert "\n" not in str(caught.value)
