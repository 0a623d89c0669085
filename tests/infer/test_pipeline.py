import json
import pickle
import threading
import time
from dataclasses import replace
from pathlib import Path

import huggingface_hub
import numpy as np
import pytest
import torch

import segmif
from segmif import io
from segmif.checks import InputError, InputWarning
from segmif.infer import Limits, Model, load
from segmif.models import weights
from segmif.streams import StreamPair
from tests.infer.conftest import scene
from tests.tiny import tiny_network

# --- one pair --------------------------------------------------------------------------------------------------------


def test_a_result_has_the_promised_types_and_sizes(model):
    infrared, visible = scene(65, 83)
    result = model.predict(infrared, visible, name="odd")
    assert (result.fused.shape, result.fused.dtype) == ((65, 83, 3), np.uint8)
    assert (result.labels.shape, result.labels.dtype) == ((65, 83), np.uint8)
    assert (result.confidence.shape, result.confidence.dtype) == ((65, 83), np.float32)
    assert result.labels.max() < len(model.classes)
    assert 0 < result.confidence.min() <= result.confidence.max() <= 1
    assert model.classes[8] == "person"
    assert result.name == "odd"
    np.testing.assert_array_equal(result.infrared, infrared)
    np.testing.assert_array_equal(result.visible, visible)


def test_a_result_is_what_the_network_computes(model, network):
    """Guide, colours, clamping and rounding by hand."""
    infrared, visible = scene()
    unit = [torch.from_numpy(a).float()[None] / 255 for a in (infrared[None], visible.transpose(2, 0, 1))]
    luma = 0.299 * unit[1][:, :1] + 0.587 * unit[1][:, 1:2] + 0.114 * unit[1][:, 2:]
    from segmif.guide import vsm_wls

    guide = torch.from_numpy(vsm_wls(unit[0][0, 0].numpy(), luma[0, 0].numpy()))[None, None]
    with torch.inference_mode():
        output = network(*unit, guide)
    expected = (output.fused_rgb[0].clamp(0, 1) * 255).round().permute(1, 2, 0).numpy()
    result = model.predict(infrared, visible)
    assert np.abs(result.fused - expected).max() <= 1
    assert (result.labels == output.full_logits()[0].argmax(dim=0).numpy()).mean() > 0.999


def test_guides_change_the_result_and_the_default_is_the_weights_own(model):
    pair = scene()
    default = model.predict(*pair).fused
    np.testing.assert_array_equal(model.predict(*pair, guide="vsm_wls").fused, default)
    assert (model.predict(*pair, guide=np.zeros_like(pair[0])).fused != default).any()


def test_predict_warns_and_notes(model):
    infrared, visible = scene()
    with pytest.warns(InputWarning, match="pair: the infrared picture is all black") as caught:
        result = model.predict(infrared * 0, visible)
    assert len(result.notes) == 1
    pairs = [StreamPair(name="s", read=lambda: (infrared * 0, visible))]
    with pytest.warns(InputWarning, match="s: the infrared picture is all black") as streamed:
        list(model.stream(pairs))
    assert {w.filename for w in (*caught, *streamed)} == {__file__}, "warnings point at the caller's line"


def test_a_fusion_only_model():
    model = Model(tiny_network(label_set=None, num_classes=None), device="cpu", dtype="float32")
    result = model.predict(*scene())
    assert model.classes == ()
    assert result.labels is result.confidence is None
    assert "0 classes, float32 on cpu" in repr(model)


def test_a_fusion_only_model_on_a_large_picture():
    model = Model(tiny_network(label_set=None, num_classes=None), device="cpu", dtype="float32")
    whole = model.predict(*scene(100, 130)).fused
    model.limits = replace(model.limits, whole=1000, view=13_000, tile=64)
    result = model.predict(*scene(100, 130))
    assert result.labels is None
    assert np.abs(whole.astype(int) - result.fused).max() <= 1


def test_without_attention_no_guide_is_made(monkeypatch):
    model = Model(tiny_network(attention="none"), device="cpu", dtype="float32")
    monkeypatch.setattr("segmif.infer.pipeline.guide_maker", None)
    assert model.predict(*scene()).labels is not None


def test_classes_nobody_named_are_numbered():
    model = Model(tiny_network(label_set=None, num_classes=4), device="cpu", dtype="float32")
    assert model.classes == ("class 0", "class 1", "class 2", "class 3")
    assert model.predict(*scene()).overlay().mode == "RGB"


# --- streams ---------------------------------------------------------------------------------------------------------


def arrays(count: int, **sizes: int) -> list[StreamPair]:
    return [StreamPair(name=str(i), read=lambda i=i: scene(seed=i, **sizes), seconds=i / 10) for i in range(count)]


@pytest.mark.parametrize("batch_size", [None, 1, 3])
def test_a_stream_keeps_order_and_gives_what_predict_gives(model, batch_size):
    pairs = arrays(5)
    pairs.insert(2, StreamPair(name="other size", read=lambda: scene(48, 48)))
    results = list(model.stream(pairs, batch_size=batch_size))
    assert [r.name for r in results] == ["0", "1", "other size", "2", "3", "4"]
    assert results[-1].seconds == 0.4
    assert results[2].fused.shape == (48, 48, 3)
    for result in results[3:]:
        alone = model.predict(*scene(seed=int(result.name)))
        assert np.abs(alone.fused.astype(int) - result.fused).max() <= 1


def test_a_stream_of_files(model, tmp_path):
    for i in range(3):
        for band, picture in zip(("ir", "vis"), scene(seed=i), strict=True):
            io.write_image(tmp_path / band / f"{i}.png", picture)
    results = model.stream(segmif.open_pairs(tmp_path / "ir", tmp_path / "vis"))
    assert [r.name for r in results] == ["0", "1", "2"]


def test_large_pictures_in_a_batch_go_one_by_one(model):
    model.limits = Limits(whole=1000, view=64 * 80, segment=64 * 80, tile=48)
    results = list(model.stream(arrays(2), batch_size=2))
    assert [r.name for r in results] == ["0", "1"]


def broken() -> tuple[np.ndarray, np.ndarray]:
    raise InputError("cannot be read")


def test_a_bad_pair_stops_the_stream_or_is_reported(model):
    pairs = arrays(3)
    pairs.insert(1, StreamPair(name="bad", read=broken))
    stream = model.stream(pairs)
    assert next(stream).name == "0"
    with pytest.raises(InputError, match="cannot be read"):
        next(stream)
    failed = []
    names = [r.name for r in model.stream(pairs, batch_size=2, on_error=lambda n, e: failed.append((n, str(e))))]
    assert names == ["0", "1", "2"]
    assert failed == [("bad", "cannot be read")]


def test_a_stream_reads_only_a_few_pairs_ahead(model):
    """Ten thousand pairs must not be in memory at once, nor even be listed."""
    asked, read = [], []

    def endless():
        for i in range(10_000):
            asked.append(i)
            yield StreamPair(name=str(i), read=lambda i=i: read.append(i) or scene(32, 32))

    stream = model.stream(endless(), workers=2)
    for _ in range(5):
        next(stream)
    stream.close()
    assert len(asked) <= 5 + 6
    assert len(read) <= len(asked)
    deadline = time.monotonic() + 5
    while any(t.name.startswith("segmif-read") for t in threading.enumerate()) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not any(t.name.startswith("segmif-read") for t in threading.enumerate())


def test_reading_overlaps_with_fusing(model):
    """While a result is in the caller's hands, the next pairs are being read."""
    read = threading.Event()

    def second() -> tuple[np.ndarray, np.ndarray]:
        read.set()
        return scene()

    stream = model.stream([StreamPair(name="0", read=scene), StreamPair(name="1", read=second)])
    next(stream)
    assert read.wait(timeout=5)
    stream.close()


# --- loading ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path, network) -> Path:
    network.save_pretrained(tmp_path / "tiny-model")
    return tmp_path / "tiny-model"


def test_a_model_from_a_folder_or_its_weights_file(folder, model):
    expected = model.predict(*scene()).fused
    for source in (folder, str(folder), folder / "model.safetensors"):
        loaded = load(source, device="cpu", dtype="float32")
        np.testing.assert_array_equal(loaded.predict(*scene()).fused, expected)
    assert load(folder, device="cpu").name == "tiny-model"


def test_the_first_shipped_model_is_the_default(folder, monkeypatch):
    record = weights.ModelRecord(
        name="segmif-tiny", file="tiny-model/model.safetensors", config="tiny-model/config.json", data="-", licence="-",
        sha256=weights.hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest(),
    )  # fmt: skip
    monkeypatch.setattr(weights, "SHIPPED", {"segmif-tiny": record})
    monkeypatch.setattr(weights, "SHIPPED_FOLDER", folder.parent)
    assert load(device="cpu").name == load("segmif-tiny", device="cpu").name == "segmif-tiny"
    with pytest.raises(InputError, match="unknown model 'segmif-tinny': did you mean 'segmif-tiny'"):
        load("segmif-tinny")


def test_a_version_without_weights_says_so(monkeypatch):
    monkeypatch.setattr(weights, "SHIPPED", {})
    with pytest.raises(InputError, match="ships no weights"):
        load()


def test_a_hub_id(folder, monkeypatch):
    """A fake hub that serves the folder."""
    asked = []

    def download(repository: str, name: str, **_: object) -> str:
        asked.append((repository, name))
        return str(folder / name)

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
    assert load("someone/their-model", device="cpu").name == "their-model"
    assert {repository for repository, _ in asked} == {"someone/their-model"}


class Trap:
    """Unpickling this writes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return Path.write_text, (self.path, "code ran")


@pytest.mark.parametrize("name", ["model.pth", "model.pt", "model.pkl", "model.safetensors"])
def test_a_strangers_pickle_runs_no_code(tmp_path, name):
    (tmp_path / name).write_bytes(pickle.dumps(Trap(tmp_path / "proof")))
    (tmp_path / "config.json").write_text(json.dumps(tiny_network().config.to_dict()))
    for source in (tmp_path / name, tmp_path):
        with pytest.raises(InputError):
            load(source, device="cpu")
    assert not (tmp_path / "proof").exists()


def test_a_missing_folder(tmp_path):
    with pytest.raises(InputError, match="no such folder"):
        load(tmp_path / "missing")
