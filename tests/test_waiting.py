import os
import subprocess
import sys

import pytest

from segmif import waiting


def _variable_after(code: str, **settings: str) -> str:
    said = ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY", waiting.SWITCH)
    clean = {key: value for key, value in os.environ.items() if key not in said}
    code += "; import os; print(os.environ.get('GOMP_SPINCOUNT'))"
    command = [sys.executable, "-c", code]
    return subprocess.run(command, env=clean | settings, capture_output=True, text=True, check=True).stdout.strip()


def test_importing_segmif_says_how_long_threads_spin() -> None:
    assert _variable_after("import segmif") == waiting.TURNS


@pytest.mark.parametrize(
    "settings", [{"OMP_WAIT_POLICY": "ACTIVE"}, {"SEGMIF_SPIN": "default"}], ids=["policy", "switch"]
)
def test_what_the_user_said_stays(settings: dict[str, str]) -> None:
    assert _variable_after("import segmif", **settings) == "None"


def test_a_count_of_the_user_stays() -> None:
    assert _variable_after("import segmif", GOMP_SPINCOUNT="7") == "7"


def test_too_late_after_torch() -> None:
    assert _variable_after("import torch, segmif") == "None"


@pytest.mark.parametrize("name", ["GOMP_SPINCOUNT", "OMP_WAIT_POLICY"])
def test_in_this_process(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for key in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY", waiting.SWITCH):
        monkeypatch.delenv(key, raising=False)
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    assert waiting.wait_briefly()
    assert os.environ["GOMP_SPINCOUNT"] == waiting.TURNS
    monkeypatch.setenv(name, "1")
    assert not waiting.wait_briefly()
