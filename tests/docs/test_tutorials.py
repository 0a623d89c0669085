"""The tutorials do what they say: every block runs, offline, in an empty folder, and leaves what is promised."""

from __future__ import annotations

import re
import socket
from pathlib import Path

import pytest

from tests.docs.pages import DOCS
from tests.docs.running import Block, blocks, check, run_page

TUTORIALS = DOCS / "tutorials"
NEEDS = {
    "train-on-50-pairs": ("accelerate", "tyro", "torchmetrics"),
    "evaluate-fairly": ("matplotlib",),
    "export-to-a-robot": ("onnx", "onnxruntime", "onnxscript"),
}
"""Modules of extras, by page."""

LEAVES = {
    "fuse-your-folder": (
        ("fused/*_fused.png", 4),
        ("fused/*_labels.png", 4),
        ("fused/*_overlay.png", 4),
        ("fused/*_panel.png", 4),
        ("registered/registration.json", 1),
        ("registered/preview/*.png", 4),
    ),
    "train-on-50-pairs": (
        ("check.html", 1),
        ("mine/train.txt", 1),
        ("mine/val.txt", 1),
        ("before.json", 1),
        ("runs/mine/model/*.safetensors", 1),
        ("runs/mine/recipe.json", 1),
        ("runs/mine/losses.csv", 1),
        ("runs/mine/scores.csv", 1),
        ("after.json", 1),
        ("fused/*_overlay.png", 2),
    ),
    "evaluate-fairly": (
        ("report/report.html", 1),
        ("report/report.json", 1),
        ("report/report*.csv", 2),
        ("report/report.md", 1),
        ("ours.json", 1),
        ("labels.json", 1),
    ),
    "export-to-a-robot": (("segmif-lite.onnx", 1),),
    "calibrate-your-rig": (
        ("board.pdf", 1),
        ("calibration/calibration.json", 1),
        ("calibration/report.html", 1),
        ("registered/infrared/*.png", 2),
        ("registered/preview/*.png", 2),
        ("fused/*_fused.png", 2),
    ),
}
"""Files each page promises, and how many at least."""


def test_every_tutorial_is_run() -> None:
    assert {path.stem for path in TUTORIALS.glob("*.md")} == {*LEAVES, "index"}


@pytest.mark.slow
@pytest.mark.parametrize("name", LEAVES)
def test_a_tutorial_runs_and_leaves_what_it_promises(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in NEEDS.get(name, ()):
        pytest.importorskip(module, reason=f"the tutorial needs {module}")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(socket, "getaddrinfo", _no_network)
    run_page(TUTORIALS / f"{name}.md")
    for pattern, count in LEAVES[name]:
        assert len([path for path in tmp_path.glob(pattern) if path.stat().st_size]) >= count, pattern


def _no_network(host: object, *_: object, **__: object) -> None:
    raise AssertionError(f"tutorials must run without internet, but something asked for {host}")


def test_links_lead_somewhere() -> None:
    for page in TUTORIALS.glob("*.md"):
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text("utf-8")):
            assert (page.parent / target).resolve().exists(), f"{page.name}: {target}"


def test_the_runner_changes_compares_and_complains() -> None:
    (block,) = blocks("<!-- CI: `2 + 2` -> `1 + 1` -->\n```python\nprint(2 + 2)\n```\n\n```text\n4\n```\n")
    assert (block.small, block.promised) == ("print(1 + 1)\n", "4\n")
    check("┃ mean ┃  0.52 ┃ in 12 pairs\n", "mean  1.7  in 12 pairs")
    check("a\nb\nc\n", "a\n…\nc\n")
    with pytest.raises(AssertionError, match="promised"):
        check("in 13 pairs", "in 12 pairs")
    with pytest.raises(AssertionError, match="changes '3'"):
        _ = Block("python", "print(2)", [("3", "4")]).small
