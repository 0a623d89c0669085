"""Saving and loading: folders, the Hub, and what is wrong with them in one line."""

import json
from pathlib import Path
from typing import Any

import huggingface_hub
import pytest
import safetensors.torch
import torch
from huggingface_hub.errors import RepositoryNotFoundError

from segmif.checks import InputError
from segmif.labelsets import FMB
from segmif.models import SegMiF
from tests.models.test_segmif import build, pair, tiny


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    build().save_pretrained(tmp_path / "network")
    return tmp_path / "network"


@pytest.mark.parametrize("changes", [{}, {"attention": "soam"}, {"num_classes": None}, {"share_attention": True}])
def test_round_trip(tmp_path: Path, changes: dict[str, Any]) -> None:
    network = build(**changes)
    network.save_pretrained(tmp_path / "a" / "new" / "folder")
    again = SegMiF.from_pretrained(tmp_path / "a" / "new" / "folder")
    assert again.config == network.config
    assert not again.training
    assert torch.equal(again(*pair()).fused_rgb, network(*pair()).fused_rgb)
    assert sorted(p.name for p in (tmp_path / "a" / "new" / "folder").iterdir()) == ["config.json", "model.safetensors"]


def test_labels_travel_with_the_weights(tmp_path: Path) -> None:
    SegMiF(tiny(label_set=FMB, num_classes=15, guide="visible")).save_pretrained(tmp_path)
    config = SegMiF.from_pretrained(tmp_path).config
    assert (config.label_set, config.guide) == (FMB, "visible")


def test_half_precision_on_disk(tmp_path: Path) -> None:
    network = build()
    network.save_pretrained(tmp_path / "full")
    network.save_pretrained(tmp_path / "half", dtype=torch.float16)
    sizes = [(tmp_path / name / "model.safetensors").stat().st_size for name in ("full", "half")]
    assert sizes[1] < 0.6 * sizes[0]
    stored = safetensors.torch.load_file(tmp_path / "half" / "model.safetensors")
    assert stored["head.norm.num_batches_tracked"].dtype == torch.int64
    again = SegMiF.from_pretrained(tmp_path / "half")
    assert all(p.dtype == torch.float32 for p in again.parameters())
    torch.testing.assert_close(again(*pair()).fused_luma, network(*pair()).fused_luma, atol=1e-2, rtol=0)


def test_convolutions_stay_channels_last_after_loading(folder: Path) -> None:
    weight = SegMiF.from_pretrained(folder).fusion.merge.weight
    assert weight.is_contiguous(memory_format=torch.channels_last)


def spoil(folder: Path, **changes: Any) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format_version": 7}, r"config\.json: format_version must be 1"),
        ({"atention": "hia"}, "unknown key of SegMiFConfig 'atention': did you mean 'attention'"),
        ({"num_classes": 6}, r"model\.safetensors: does not fit this network: 2 tensors of another shape"),
        ({"attention": "none"}, r"tensors unknown \(first 'fusion.attention"),
    ],
)
def test_configurations_that_do_not_fit(folder: Path, changes: dict[str, Any], message: str) -> None:
    spoil(folder, **changes)
    with pytest.raises(InputError, match=message) as caught:
        SegMiF.from_pretrained(folder)
    assert str(folder) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_damaged_folders(folder: Path, tmp_path: Path) -> None:
    weights, config = folder / "model.safetensors", folder / "config.json"
    whole = weights.read_bytes()
    weights.write_bytes(whole[:-100])
    with pytest.raises(InputError, match=r"model\.safetensors: is not a readable checkpoint"):
        SegMiF.from_pretrained(folder)
    weights.unlink()
    with pytest.raises(InputError, match=r"model\.safetensors: no such file"):
        SegMiF.from_pretrained(folder)
    weights.mkdir()
    with pytest.raises(InputError, match="is a folder"):
        SegMiF.from_pretrained(folder)
    for text, message in (("{", "is not valid JSON"), ("[]", "must hold a JSON object, got list"), ("", "is empty")):
        config.write_text(text)
        with pytest.raises(InputError, match=message):
            SegMiF.from_pretrained(folder)
    config.unlink()
    with pytest.raises(InputError, match=r"config\.json: no such file"):
        SegMiF.from_pretrained(folder)
    for absent in (tmp_path / "nowhere", "./nowhere", "nowhere", config.with_name("model.safetensors") / "x"):
        with pytest.raises(InputError, match="no such folder"):
            SegMiF.from_pretrained(absent)


def test_a_failed_write_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(InputError, match="cannot be written"):
        build().save_pretrained(tmp_path / "file")
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_hub(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def download(repo_id: str, filename: str, **options: Any) -> str:
        asked.append((repo_id, filename, options))
        return str(folder / filename)

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
    network = SegMiF.from_pretrained("someone/segmif", revision="v2", token="secret")
    assert torch.equal(network(*pair()).fused_rgb, build()(*pair()).fused_rgb)
    options = {"revision": "v2", "token": "secret"}
    assert asked == [("someone/segmif", name, options) for name in ("config.json", "model.safetensors")]


def test_hub_errors_are_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    class Response:
        headers: dict[str, str] = {}  # noqa: RUF012
        request = None
        status_code = 404

    def download(*args: Any, **options: Any) -> str:
        raise RepositoryNotFoundError("404 Client Error.\nRepository Not Found", response=Response())  # type: ignore[arg-type]

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
    with pytest.raises(InputError, match=r"not to be had from the Hugging Face Hub .*Repository Not Found") as caught:
        SegMiF.from_pretrained("someone/nothing")
    assert "\n" not in str(caught.value)


def test_hub_offline() -> None:
    """The real client, which the test-suite keeps offline, finds nothing in its cache."""
    with pytest.raises(InputError, match="someone/never-fetched-segmif: no such folder, and not to be had"):
        SegMiF.from_pretrained("someone/never-fetched-segmif")
