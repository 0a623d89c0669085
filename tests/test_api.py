import subprocess
import sys

import pytest

import segmif


def test_every_public_name_is_there():
    for name in segmif.__all__:
        assert getattr(segmif, name) is not None
    assert set(segmif.__all__) <= set(dir(segmif))
    assert set(segmif._HOMES) | {"__version__"} == set(segmif.__all__)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'segmif' has no attribute 'lod'"):
        _ = segmif.lod


def test_importing_segmif_and_its_commands_imports_nothing_heavy():
    code = (
        "import sys, segmif, segmif.cli; "
        "print([m for m in ('torch', 'numpy', 'cv2', 'PIL', 'transformers', 'av') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
