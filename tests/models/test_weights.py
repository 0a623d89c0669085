"""Adapters for foreign checkpoints, against `transformers`; what is wrong with a file is said in one line."""

import hashlib
import json
import pickle
from pathlib import Path
from typing import Any

import huggingface_hub
import pytest
import safetensors.torch
import torch
from torch import Tensor, nn

from segmif.checks import InputError
from segmif.models import ModelRecord, SegMiF, convert_reference, load_segformer, load_shipped, mit_preset, weights
from tests.models.layouts import DEPTHS, nvlabs_from_hugging_face, randomise, reference_layout
from tests.models.test_segmif import pair, tiny
from tests.models.tester import random, same

transformers = pytest.importorskip("transformers")


def hugging_face(variant: str, *, segmentation: bool = False) -> Any:
    """A SegFormer of `transformers` with random weights, and NVlabs' LayerNorm constants."""
    preset = mit_preset(variant)
    config = transformers.SegformerConfig(
        depths=list(DEPTHS[variant]), hidden_sizes=list(preset.channels), num_attention_heads=[1, 2, 5, 8], num_labels=4
    )
    kind = transformers.SegformerForSemanticSegmentation if segmentation else transformers.SegformerModel
    model = randomise(kind(config).eval())
    for name, module in model.named_modules():
        if isinstance(module, nn.LayerNorm) and "patch_embeddings" not in name and "sequence_reduction" not in name:
            module.eps = 1e-6
    return model


def saved(model: Any, folder: Path) -> dict[str, Tensor]:
    """The tensors under the names in the files, which differ from those of the modules."""
    model.save_pretrained(folder)
    return safetensors.torch.load_file(folder / "model.safetensors")


@pytest.fixture(scope="module")
def b0(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Path]:
    folder = tmp_path_factory.mktemp("b0")
    model = hugging_face("mit_b0")
    model.save_pretrained(folder)
    return model, folder


def maps_of(model: Any, images: Tensor) -> list[Tensor]:
    with torch.no_grad():
        return list(model(images, output_hidden_states=True).hidden_states)


@pytest.mark.parametrize("variant", DEPTHS)
def test_segformer_b0_to_b5(variant: str) -> None:
    model = hugging_face(variant)
    encoder = load_segformer(model.state_dict())
    assert encoder.config == mit_preset(variant)
    images = random(0, 1, 3, 64, 96) - 0.5
    with torch.no_grad():
        ours = encoder(images)
    theirs = maps_of(model, images)
    assert len(ours) == len(theirs) == 4
    assert same(ours, theirs, 1e-4, relative=1e-4)


def test_every_layout_and_wrapping(b0: tuple[Any, Path], tmp_path: Path) -> None:
    model, folder = b0
    expected = load_segformer(model.state_dict()).state_dict()
    in_file = safetensors.torch.load_file(folder / "model.safetensors")
    nvlabs = nvlabs_from_hugging_face(in_file, DEPTHS["mit_b0"])
    torch.save(nvlabs, tmp_path / "mit_b0.pth")
    whole = {
        "state_dict": {f"module.backbone.{k}": v for k, v in nvlabs.items()} | {"module.decode_head.x": torch.ones(1)}
    }
    torch.save(whole, tmp_path / "segformer.b0.pth")
    sources = (
        folder,
        folder / "model.safetensors",
        in_file,
        nvlabs,
        tmp_path / "mit_b0.pth",
        tmp_path / "segformer.b0.pth",
    )
    for source in sources:
        encoder = load_segformer(source)
        assert not encoder.training
        state = encoder.state_dict()
        assert state.keys() == expected.keys()
        assert all(torch.equal(state[key], expected[key]) for key in expected)


def test_hub_repositories_old_and_new(b0: tuple[Any, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model, folder = b0
    torch.save(model.state_dict(), tmp_path / "pytorch_model.bin")
    hub = {"someone/new-v1.0": folder, "someone/old-v1.0": tmp_path}

    def download(repo_id: str, filename: str, **options: Any) -> str:
        path = hub[repo_id] / filename
        if not path.exists():
            raise FileNotFoundError(f"{repo_id} has no {filename}")
        return str(path)

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
    expected = load_segformer(model.state_dict()).state_dict()
    for source in (*hub, tmp_path):
        state = load_segformer(source).state_dict()
        assert all(torch.equal(state[key], expected[key]) for key in expected)
    hub["someone/empty"] = tmp_path / "nothing"
    with pytest.raises(InputError, match=r"someone/empty: no such folder, and not to be had .*pytorch_model\.bin"):
        load_segformer("someone/empty")
    with pytest.raises(InputError, match=r"model\.safetensors: no such file"):
        load_segformer(tmp_path.parent)


def test_a_segmentation_model_gives_its_encoder(tmp_path: Path) -> None:
    model = hugging_face("mit_b0", segmentation=True)
    expected = load_segformer(model.segformer.state_dict()).state_dict()
    for source in (model.state_dict(), saved(model, tmp_path)):
        state = load_segformer(source).state_dict()
        assert all(torch.equal(state[key], expected[key]) for key in expected)


def test_reference_checkpoints_against_transformers(tmp_path: Path) -> None:
    """The segmentation half of the authors' layout is a SegFormer: the same tensors in `transformers` agree."""
    model = hugging_face("mit_b0", segmentation=True)
    in_file = saved(model, tmp_path)
    nvlabs = nvlabs_from_hugging_face(
        {k.removeprefix("segformer."): v for k, v in in_file.items() if k.startswith("segformer.")}, DEPTHS["mit_b0"]
    )
    fusion, segmentation = reference_layout(nvlabs, 4)
    for theirs, ours in (
        *((f"linear_c.{i}.proj", f"linear_c{i + 1}.proj") for i in range(4)),
        ("linear_fuse", "linear_fuse.conv"),
        ("batch_norm", "linear_fuse.bn"),
        ("classifier", "linear_pred"),
    ):
        for key in [k for k in in_file if k.startswith(f"decode_head.{theirs}.")]:
            segmentation[f"denoise_net.decoder.{ours}.{key.rpartition('.')[2]}"] = in_file[key]
    network = convert_reference(fusion=fusion, segmentation=segmentation, backbone="mit_b0", num_classes=4)
    images = random(0, 1, 3, 64, 96)
    with torch.no_grad():
        theirs = model((images - network.mean) / network.std).logits
        assert same([network.segment(images)], [theirs], 1e-4, relative=1e-4)


@pytest.fixture(scope="module")
def reference(b0: tuple[Any, Path]) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    in_file = safetensors.torch.load_file(b0[1] / "model.safetensors")
    return reference_layout(nvlabs_from_hugging_face(in_file, DEPTHS["mit_b0"]), 9)


def converted(fusion: Any, segmentation: Any, **options: Any) -> SegMiF:
    return convert_reference(fusion=fusion, segmentation=segmentation, **{"backbone": "mit_b0", **options})


def test_convert_reference_from_states_and_files(
    reference: tuple[dict[str, Tensor], dict[str, Tensor]], tmp_path: Path
) -> None:
    fusion, segmentation = reference
    network = converted(fusion, segmentation, label_set="mfnet")
    config = network.config
    assert (config.share_attention, config.normalize_guide, config.clamp) == (True, False, False)
    assert (config.num_classes, len(config.label_set or ()), network.training) == (9, 9, False)
    own = network.state_dict()
    for theirs, ours in (  # one of each kind; the golden run checks them all by what they compute
        ("DRDB3.Dcov2.weight", "fusion.infrared_blocks.1.dense.1.weight"),
        ("DRDB2.conv.bias", "fusion.visible_blocks.0.merge.bias"),
        ("ffm.cross.cross_attn2.kv2.weight", "fusion.attention.0.visible.soam.key_value.weight"),
        ("relu.weight", "fusion.activation.weight"),
    ):
        assert torch.equal(fusion[theirs], own[ours])
    torch.save(fusion, tmp_path / "fusion.pth")
    torch.save({"state_dict": segmentation}, tmp_path / "segmentation.pth")
    again = converted(tmp_path / "fusion.pth", str(tmp_path / "segmentation.pth")).state_dict()
    assert all(torch.equal(own[key], again[key]) for key in own)
    unused = {k: v for k, v in fusion.items() if not k.startswith("ffm2")}
    assert converted(unused, segmentation).state_dict().keys() == own.keys()


class Bomb:
    """Unpickled, it makes a file; nothing of ours may do so."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> Any:
        return (Path.touch, (self.target,))


def test_a_stranger_s_pickle_never_runs(tmp_path: Path, reference: tuple[dict[str, Tensor], Any]) -> None:
    target = tmp_path / "ran"
    torch.save({"state_dict": {"a": torch.ones(1)}, "meta": Bomb(target)}, tmp_path / "new.pth")
    torch.save({"meta": Bomb(target)}, tmp_path / "old.pth", _use_new_zipfile_serialization=False)
    (tmp_path / "raw.pth").write_bytes(pickle.dumps(Bomb(target)))
    for name in ("new.pth", "old.pth", "raw.pth"):
        for load in (load_segformer, lambda path: converted(path, reference[1])):
            with pytest.raises(InputError, match="refused because it could run code") as caught:
                load(tmp_path / name)
            assert "\n" not in str(caught.value)
    assert not target.exists()
    pickle.loads((tmp_path / "raw.pth").read_bytes())
    assert target.exists(), "the bomb works, so the test means something"


def test_damaged_files(tmp_path: Path) -> None:
    state = {"patch_embed1.proj.weight": torch.ones(32, 3, 7, 7)}
    torch.save(state, tmp_path / "good.pth")
    safetensors.torch.save_file(state, tmp_path / "good.safetensors")
    for suffix in (".pth", ".safetensors"):
        whole = (tmp_path / f"good{suffix}").read_bytes()
        (tmp_path / f"cut{suffix}").write_bytes(whole[: len(whole) // 2])
        (tmp_path / f"empty{suffix}").write_bytes(b"")
        (tmp_path / f"text{suffix}").write_text("<html>404 Not Found</html>\n" * 20)
        (tmp_path / f"zeros{suffix}").write_bytes(bytes(4096))
    for name in ("cut", "empty", "text", "zeros", "missing"):
        for suffix in (".pth", ".safetensors"):
            with pytest.raises(InputError) as caught:
                load_segformer(tmp_path / f"{name}{suffix}")
            assert "\n" not in str(caught.value)
            assert f"{name}{suffix}" in str(caught.value)


def without(state: dict[str, Tensor], key: str) -> dict[str, Tensor]:
    return {k: v for k, v in state.items() if k != key}


def test_checkpoints_that_do_not_fit(reference: tuple[dict[str, Tensor], dict[str, Tensor]], tmp_path: Path) -> None:
    fusion, segmentation = reference
    with pytest.raises(InputError, match=r"the fusion state dict: .* 1 tensors missing \(first 'fusion.narrow.bias'\)"):
        converted(without(fusion, "conv21.bias"), segmentation)
    with pytest.raises(InputError, match=r"1 tensors unknown \(first 'conv99.bias'\)"):
        converted(fusion | {"conv99.bias": torch.ones(1)}, segmentation)
    with pytest.raises(InputError, match=r"the segmentation state dict: .* of another shape"):
        converted(fusion, segmentation, num_classes=15)
    with pytest.raises(InputError, match="tensors missing"):
        converted(segmentation, fusion)
    with pytest.raises(InputError, match="unknown encoder 'resnet'"):
        converted(fusion, segmentation, backbone="resnet")
    with pytest.raises(InputError, match="holds no named tensors"):
        converted({}, segmentation)
    torch.save([1, 2], tmp_path / "list.pth")
    with pytest.raises(InputError, match=r"list\.pth: holds no named tensors"):
        converted(tmp_path / "list.pth", segmentation)


def test_no_segformer(b0: tuple[Any, Path]) -> None:
    with pytest.raises(InputError, match="is no SegFormer checkpoint in a layout we know"):
        load_segformer({"conv.weight": torch.ones(1)})
    state = safetensors.torch.load_file(b0[1] / "model.safetensors")
    with pytest.raises(InputError, match=r"depths \(2, 2, 2, 1\) are none of mit_b0"):
        load_segformer({k: v for k, v in state.items() if not k.startswith("encoder.block.3.1.")})
    with pytest.raises(InputError, match=r"1 tensors missing \(first 'stages.0.norm.bias'\)"):
        load_segformer(without(state, "encoder.layer_norm.0.bias"))
    with pytest.raises(InputError, match=r"tensors missing \(first 'stages.1.blocks.0.attention.key_value.weight'\)"):
        load_segformer(without(state, "encoder.block.1.0.attention.self.value.weight"))


def test_shipped_models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    network = SegMiF(tiny()).eval()
    network.save_pretrained(tmp_path / "tiny")
    digest = hashlib.sha256((tmp_path / "tiny" / "model.safetensors").read_bytes()).hexdigest()
    record = ModelRecord(
        name="tiny", file="tiny/model.safetensors", config="tiny/config.json", data="none", licence="Apache-2.0",
        sha256=digest, scores={"mIoU": 0.1},
    )  # fmt: skip
    monkeypatch.setattr(weights, "SHIPPED", {"tiny": record})
    monkeypatch.setattr(weights, "SHIPPED_FOLDER", tmp_path)
    assert torch.equal(load_shipped("tiny")(*pair()).fused_rgb, network(*pair()).fused_rgb)
    with pytest.raises(InputError, match="unknown model 'tyni': did you mean 'tiny'"):
        load_shipped("tyni")
    with (tmp_path / "tiny" / "model.safetensors").open("ab") as file:
        file.write(b"x")
    with pytest.raises(InputError, match="not the file this version ships"):
        load_shipped("tiny")


def test_records_lie_beside_the_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    values = {"name": "tiny", "data": "none", "licence": "Apache-2.0", "sha256": "0" * 64, "scores": {"mIoU": 0.1}}
    (tmp_path / "tiny").mkdir()
    (tmp_path / "tiny" / "record.json").write_text(json.dumps(values))
    monkeypatch.setattr(weights, "SHIPPED_FOLDER", tmp_path)
    record = weights._read_record("tiny")
    assert (record.file, record.config) == ("tiny/model.safetensors", "tiny/config.json")
    assert (record.sha256, record.scores) == (values["sha256"], values["scores"])


def test_records_of_shipped_weights_are_true() -> None:
    for name, record in weights.SHIPPED.items():
        assert record.name == name
        load_shipped(name)
