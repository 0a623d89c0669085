"""The example runs an exported file with onnxruntime and numpy, and gives what the package gives."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from segmif.export import to_onnx
from segmif.infer import Model
from tests.infer.conftest import scene
from tests.mini import mini_network, quick_exports

EXAMPLE = Path(__file__).parents[2] / "examples" / "onnx_numpy.py"


@pytest.mark.parametrize("guide", ["maximum", "input"])
def test_the_example(guide, tmp_path, monkeypatch):
    pytest.importorskip("onnxscript")
    quick_exports(monkeypatch)
    network = mini_network()
    to_onnx(network, tmp_path / "mini.onnx", name="mini", guide=guide)
    infrared, visible = scene(65, 83)
    Image.fromarray(infrared).save(tmp_path / "ir.png")
    Image.fromarray(visible).save(tmp_path / "vis.png")
    blocked = "import sys; sys.modules['torch'] = sys.modules['segmif'] = None; import runpy; "
    run = f"sys.argv = sys.argv[1:]; runpy.run_path({str(EXAMPLE)!r}, run_name='__main__')"
    command = [sys.executable, "-c", blocked + run, "onnx_numpy.py", "mini.onnx", "ir.png", "vis.png", "out"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "%" in done.stdout
    expected = Model(network, device="cpu", dtype="float32").predict(infrared, visible)
    fused = np.asarray(Image.open(tmp_path / "out_fused.png"))
    labels = Image.open(tmp_path / "out_labels.png")
    assert np.abs(fused.astype(int) - expected.fused).max() <= 1
    assert (np.asarray(labels) == expected.labels).mean() > 0.999
    assert labels.mode == "P"


def test_it_is_short():
    """About thirty lines of code, and no more packages than it says."""
    source = EXAMPLE.read_text()
    code = source.split('"""')[2].strip().splitlines()
    assert len([line for line in code if line.strip()]) <= 30
    imports = {line.split()[1] for line in code if line.startswith(("import", "from"))}
    assert imports == {"json", "sys", "numpy", "onnxruntime", "PIL"}
