"""The back end that measures: what it picks, remembers, leaves out, and never fails over."""

import json
import time
from pathlib import Path

import pytest
import torch

from segmif.checks import InputError, MissingExtraError
from segmif.infer.backends.auto import RECORD, Auto
from segmif.usercache import VARIABLE
from tests.infer.backends.conftest import pair

CPU = torch.device("cpu")


class Fake:
    """Takes a given time and counts its calls."""

    device, dtype = CPU, torch.float32

    def __init__(self, name: str, seconds: float) -> None:
        self.name, self.seconds, self.calls = name, seconds, 0

    def __call__(self, infrared, visible, guide=None):
        self.calls += 1
        time.sleep(self.seconds)
        return visible, None


def auto(**backends: object) -> Auto:
    def maker(made: object):
        def make():
            if isinstance(made, Exception):
                raise made
            return made

        return make

    return Auto({name: maker(made) for name, made in backends.items()}, device=CPU, dtype=torch.float32, key="model")


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(VARIABLE, str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_the_fastest_is_chosen_and_remembered(cache):
    slow, fast = Fake("eager", 0.05), Fake("openvino", 0.0)
    first = auto(eager=slow, openvino=fast)
    assert first.chosen is None
    first(*pair(1, 40, 48))
    assert first.chosen == "openvino"
    assert first.milliseconds["eager"] > 45 > first.milliseconds["openvino"]
    asked = slow.calls
    first(*pair(1, 41, 47))  # of the same size class
    assert slow.calls == asked
    assert json.loads((cache / RECORD).read_text())
    again = auto(eager=Fake("eager", 0.0), openvino=Fake("openvino", 0.0))
    again(*pair(1, 40, 48))
    assert again.chosen == "openvino", "measured before, and not again"
    again(*pair(1, 128, 128))
    assert again.milliseconds["eager"] < 45, "another size class is measured for itself"


def test_what_cannot_run_is_left_out():
    chooser = auto(eager=Fake("eager", 0.0), openvino=MissingExtraError("pip install 'segmif[openvino]'"))
    chooser(*pair(1, 40, 48))
    assert chooser.chosen == "eager"
    assert chooser.left_out == {"openvino": "pip install 'segmif[openvino]'"}
    with pytest.raises(InputError, match="no back end can run here: openvino: gone"):
        auto(openvino=RuntimeError("gone"))(*pair(1, 40, 48))


def test_memory_that_is_full_is_no_reason_to_try_the_next():
    with pytest.raises(torch.OutOfMemoryError):
        auto(eager=torch.OutOfMemoryError("full"), openvino=Fake("openvino", 0.0))(*pair(1, 40, 48))


def test_what_was_removed_since_is_measured_anew():
    auto(eager=Fake("eager", 0.03), openvino=Fake("openvino", 0.0))(*pair(1, 40, 48))
    without = auto(eager=Fake("eager", 0.0), openvino=MissingExtraError("not installed"))
    without(*pair(1, 40, 48))
    assert without.chosen == "eager"


@pytest.mark.parametrize("text", ["", "no json", "[]", '{"key": 1}'])
def test_a_damaged_record_is_no_obstacle(text, cache):
    cache.mkdir()
    (cache / RECORD).write_text(text)
    chooser = auto(eager=Fake("eager", 0.0))
    chooser(*pair(1, 40, 48))
    assert chooser.chosen == "eager"


def test_an_entry_of_another_form_is_measured_anew(cache):
    auto(eager=Fake("eager", 0.0))(*pair(1, 40, 48))
    key = next(iter(json.loads((cache / RECORD).read_text())))
    for entry in (None, {"milliseconds": {"eager": "soon"}}, {"milliseconds": {"gone": 1}}, {"milliseconds": {}}):
        (cache / RECORD).write_text(json.dumps({key: entry}))
        chooser = auto(eager=Fake("eager", 0.0))
        chooser(*pair(1, 40, 48))
        assert chooser.chosen == "eager"


def test_a_cache_that_cannot_be_written(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv(VARIABLE, str(tmp_path / "file"))
    chooser = auto(eager=Fake("eager", 0.0))
    chooser(*pair(1, 40, 48))
    assert chooser.chosen == "eager"


def test_bad_input_is_not_taken_for_a_back_end_that_fails():
    fake = Fake("eager", 0.0)
    with pytest.raises(InputError, match="at least 32"):
        auto(eager=fake)(*pair(1, 31, 48))
    assert fake.calls == 0
