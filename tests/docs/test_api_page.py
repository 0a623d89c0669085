"""The API page documents names that exist, and every public one."""

from __future__ import annotations

import importlib
import inspect
import re
from typing import Any

import pytest

import segmif
from tests.docs.pages import DOCS

PAGE = (DOCS / "api.md").read_text("utf-8")
ENTRIES = re.findall(r"^::: (\S+)(?:\n    options:\n      members: \[([^\]]+)\])?", PAGE, flags=re.MULTILINE)
PACKAGES = ("segmif", "segmif.infer", "segmif.train", "segmif.losses", "segmif.metrics", "segmif.data", "segmif.models")
CONSTANTS = {"__version__", "CATALOG", "METRICS", "SEGMENTATION_FACTOR"}
ELSEWHERE = {"MetricInfo", "MLPHead", "MixTransformer", "EfficientNetLite", "Encoder", "Boxes"}
CONTRACT = (
    "load", "open_pairs", "SegMiF", "SegMiFConfig", "SegMiFOutput", "convert_reference", "load_segformer", "vsm_wls",
    "fusion_loss_round1", "fusion_loss", "DynamicTaskWeights", "fusion_metrics", "SegmentationScore", "Model", "Result",
)  # fmt: skip


def documented() -> dict[str, Any]:
    """Name → object of everything the page shows."""
    found: dict[str, Any] = {}
    for module_name, members in ENTRIES:
        module = importlib.import_module(module_name)
        names = members.split(", ") if members else [n for n in vars(module) if not n.startswith("_")]
        for name in names:
            if members or getattr(getattr(module, name), "__module__", module_name) == module_name:
                found[name] = getattr(module, name)
    return found


@pytest.fixture(scope="module")
def shown() -> dict[str, Any]:
    pytest.importorskip("accelerate", reason="the training part needs the extra train")
    return documented()


def test_nothing_is_left_of_the_contract(shown: dict[str, Any]) -> None:
    assert not [name for name in CONTRACT if name not in shown]


@pytest.mark.parametrize("package", PACKAGES)
def test_every_public_name_is_shown(package: str, shown: dict[str, Any]) -> None:
    public = set(importlib.import_module(package).__all__) - CONSTANTS - ELSEWHERE
    assert not sorted(public - shown.keys())


def test_public_names_are_documented(shown: dict[str, Any]) -> None:
    bare = [
        n for n, value in shown.items() if (inspect.isclass(value) or inspect.isfunction(value)) and not value.__doc__
    ]
    assert not bare
    for name in ("predict", "stream"):
        assert getattr(segmif.Model, name).__doc__
    for name in ("encode_guide", "save_pretrained", "from_pretrained"):
        assert getattr(segmif.SegMiF, name).__doc__
    for name in ("overlay", "save"):
        assert getattr(segmif.Result, name).__doc__


def test_links_within_the_page_lead_somewhere() -> None:
    headings = {
        re.sub(r"[^\w -]", "", h).lower().replace(" ", "-") for h in re.findall(r"^##+ (.+)$", PAGE, re.MULTILINE)
    }
    assert set(re.findall(r"\]\(#([^)]+)\)", PAGE)) <= headings
