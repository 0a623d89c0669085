"""The notebook: twenty cells that run from top to bottom, offline, and show something."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from tests.docs.pages import DOCS

NOTEBOOK = DOCS / "notebook.ipynb"
CONTENT = json.loads(NOTEBOOK.read_text("utf-8"))
CELLS: list[dict[str, Any]] = CONTENT["cells"]
TOPICS = ("day and night", "Labels", "attention", "Metrics", "maximum", "Guides", "Raw thermal", "robot", "Train one")


def test_there_are_twenty_cells_without_outputs() -> None:
    assert len(CELLS) == 20
    assert [cell["cell_type"] for cell in CELLS] == ["markdown", "code"] * 10
    assert all(not cell["outputs"] and cell["execution_count"] is None for cell in CELLS[1::2])


def test_it_is_about_what_it_should_be() -> None:
    text = "".join("".join(cell["source"]) for cell in CELLS)
    assert not [topic for topic in TOPICS if topic not in text]
    for target in re.findall(r"\]\(([^):#]+)\)", text):
        assert (DOCS / target).exists(), target


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_it_runs_from_top_to_bottom_offline(monkeypatch: pytest.MonkeyPatch) -> None:
    nbformat = pytest.importorskip("nbformat", reason="needs nbformat")
    client = pytest.importorskip("nbclient", reason="needs nbclient")
    for module in ("ipykernel", "matplotlib", "onnx", "onnxruntime", "onnxscript"):
        pytest.importorskip(module, reason=f"the notebook needs {module}")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    for proxy in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(proxy, "http://127.0.0.1:9")  # where nothing listens
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    notebook.cells.insert(0, nbformat.v4.new_code_cell(_OFFLINE))
    client.NotebookClient(notebook, timeout=None, kernel_name="python3").execute()
    shown = [cell for cell in notebook.cells[2::2] if any("image/png" in o.get("data", {}) for o in cell.outputs)]
    assert len(shown) >= 8, "cells without a picture"
    printed = "".join(o.text for cell in notebook.cells[2::2] for o in cell.outputs if o.output_type == "stream")
    assert "labels that agree" in printed
    assert "guide" in printed


_OFFLINE = """
import socket
_lookup = socket.getaddrinfo
def _refuse(host, *rest, **more):
    assert host in (None, "127.0.0.1", "localhost"), f"the notebook asked for {host}"
    return _lookup(host, *rest, **more)
socket.getaddrinfo = _refuse
"""
