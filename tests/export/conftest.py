from pathlib import Path

import pytest

from segmif.usercache import VARIABLE
from tests.mini import quick_exports


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Graphs are kept for this test alone."""
    monkeypatch.setenv(VARIABLE, str(tmp_path / "cache"))
    pytest.importorskip("onnx")
    quick_exports(monkeypatch)
    return tmp_path / "cache"
