"""Sources and batches: filters, label weights and ids, targets, simulated infrared, and what is refused."""

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from segmif.checks import InputError
from segmif.color import luma
from segmif.data.transforms import TransformConfig
from segmif.guide import vsm_wls
from segmif.io import to_unit, write_image, write_labels
from segmif.labelsets import FMB
from segmif.train.config import DataConfig, Phase, Recipe, Source, StageConfig, plan
from segmif.train.distributed import Workers
from segmif.train.mixture import Mixture
from segmif.train.recipes import clean
from segmif.train.sources import OpenSource, open_source, target_store
from segmif.train.validation import Validation
from tests.train.conftest import MakeRecipe

RANDOM = np.random.default_rng(0)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A data root with a folder `own` of four pairs of 64x48; the last has no label, a.png holds ids 0, 1, 9, 255."""
    labels = np.zeros((48, 64), np.uint8)
    labels[:, 16:32], labels[:, 32:48], labels[:, 48:] = 1, 9, 255
    for index, name in enumerate("abcd"):
        image = RANDOM.integers(0, 255, (48, 64, 3), np.uint8)
        write_image(tmp_path / "own" / "visible" / f"{name}.png", image)
        write_image(tmp_path / "own" / "infrared" / f"{name}.png", image[..., 0])
        if index < 3:
            write_labels(tmp_path / "own" / "label" / f"{name}.png", labels, FMB.palette)
    return tmp_path


def _own(tiny: MakeRecipe, folder: Path, source: Source | None = None, **data: object) -> Recipe:
    source = source or Source(dataset="folder", folder="own", split="all")
    values = {"root": str(folder), "sources": (source,), "cache": str(folder / "cache"), "workers": 0, **data}
    return tiny(data=DataConfig(**values))  # type: ignore[arg-type]


def _phase(recipe: Recipe, kind: str = "segmentation", **stage: object) -> Phase:
    settings = StageConfig(**{"steps": 4, "augment": clean(32), **stage})  # type: ignore[arg-type]
    return Phase(index=0, kind=kind, round=1, stage=settings)  # type: ignore[arg-type]


def test_names_are_filtered(tiny: MakeRecipe, folder: Path) -> None:
    source = Source(dataset="folder", folder="own", split="all", only=("[a-c]",), leave_out=("b",))
    samples, kept = open_source(source, _own(tiny, folder).data)
    assert [samples.names[i] for i in kept] == ["a", "c"]
    with pytest.raises(InputError, match=r"has 4 pairs but `only`/`leave_out` drop them all"):
        open_source(replace(source, leave_out=("*",)), _own(tiny, folder).data)


def test_class_0_is_ignored_unless_kept_and_ids_are_remapped(tiny: MakeRecipe, folder: Path) -> None:
    def ids(recipe: Recipe) -> list[int]:
        sample, weight = OpenSource(recipe.data.sources[0], recipe).sample(0, RANDOM, with_target=False)
        assert weight == 1
        assert sample.labels is not None
        return sample.labels[0, ::16].tolist()

    assert ids(_own(tiny, folder)) == [255, 1, 9, 255]
    keep = Source(dataset="folder", folder="own", split="all", keep_zero=True)
    assert ids(_own(tiny, folder, keep, remap=((9, 3), (1, 255)))) == [0, 255, 3, 255]


def test_unlabelled_and_unwanted_labels_weigh_nothing(tiny: MakeRecipe, folder: Path) -> None:
    recipe = _own(tiny, folder)
    sample, weight = OpenSource(recipe.data.sources[0], recipe).sample(3, RANDOM, with_target=False)
    assert (sample.labels, weight) == (None, 0.0)
    source = replace(recipe.data.sources[0], hand_weight=0.0)
    assert OpenSource(source, recipe).sample(0, RANDOM, with_target=False)[1] == 0.0


def test_target_is_made_once_kept_and_cut_with_the_pair(tiny: MakeRecipe, folder: Path) -> None:
    recipe = _own(tiny, folder)
    source = OpenSource(recipe.data.sources[0], recipe)
    sample, _ = source.sample(0, RANDOM, with_target=True)
    expected = vsm_wls(to_unit(sample.infrared, "infrared"), luma(to_unit(sample.visible, "visible")))
    assert sample.target is not None
    assert np.abs(sample.target / 255 - expected).max() <= 0.51 / 255
    [file] = list((folder / "cache").iterdir())
    stamp = file.stat().st_mtime_ns
    source.sample(0, RANDOM, with_target=True)
    assert file.stat().st_mtime_ns == stamp


def test_target_of_a_changed_view_is_made_anew(tiny: MakeRecipe, folder: Path) -> None:
    recipe = _own(tiny, folder)
    night = TransformConfig(crop=32, night=1.0, photometric_visible=0, photometric_infrared=0, balance=0)
    batch = next(Mixture(recipe).batches(_phase(recipe, "fusion", augment=night, batch=1), Workers()))
    assert batch.target is not None
    visible = luma(np.ascontiguousarray(batch.visible[0].numpy().transpose(1, 2, 0)))
    assert np.array_equal(batch.target[0, 0].numpy(), vsm_wls(batch.infrared[0, 0].numpy(), visible))


def test_batches_have_the_promised_shapes(tiny: MakeRecipe, folder: Path) -> None:
    recipe = _own(tiny, folder)
    batch = next(Mixture(recipe).batches(_phase(recipe, batch=4), Workers()))
    moved = batch.to(torch.device("cpu"), channels_last=True)
    assert moved.visible.is_contiguous(memory_format=torch.channels_last)
    assert batch.visible.shape == (4, 3, 32, 32)
    assert batch.infrared.shape == batch.target.shape == (4, 1, 32, 32)  # type: ignore[union-attr]
    assert batch.labels.shape == (4, 32, 32)
    assert sorted(batch.names) == [f"folder/{name}" for name in "abcd"]
    assert sorted(batch.label_weight.tolist()) == [0, 1, 1, 1]
    unlabelled = batch.labels[batch.names.index("folder/d")]
    assert (unlabelled == 255).all()


def test_two_workers_share_the_samples_of_one(tiny: MakeRecipe, folder: Path) -> None:
    recipe = _own(tiny, folder)
    alone = [batch.names for batch in Mixture(recipe).batches(_phase(recipe, batch=2), Workers())]
    shares = [
        [b.names for b in Mixture(recipe).batches(_phase(recipe, batch=1), Workers(rank=rank, count=2))]
        for rank in range(2)
    ]
    assert alone == [[*first, *second] for first, second in zip(*shares, strict=True)]


def test_visible_only_data_get_an_infrared_by_class(tiny: MakeRecipe, tmp_path: Path) -> None:
    labels = np.full((48, 64), 7, np.uint8)
    labels[10:40, 20:40] = 8
    for split in ("train", "test"):
        write_image(tmp_path / "camvid" / split / "visible" / "a.png", np.full((48, 64, 3), 128, np.uint8))
        write_labels(tmp_path / "camvid" / split / "label" / "a.png", labels, FMB.palette)
    source = Source(dataset="camvid")
    recipe = _own(tiny, tmp_path, source)
    sample, _ = OpenSource(source, recipe).sample(0, np.random.default_rng(1), with_target=True)
    person, sky = sample.infrared[15:35, 25:35].mean(), sample.infrared[:5].mean()
    assert person > sky + 60
    assert sample.target is None
    batch = next(Mixture(recipe).batches(_phase(recipe, batch=1), Workers()))
    assert batch.target is not None


def test_id_without_a_class_names_file_and_pixel(tiny: MakeRecipe, folder: Path) -> None:
    recipe = _own(tiny, folder)
    recipe = replace(recipe, model=replace(recipe.model, num_classes=9, label_set=None))
    with pytest.raises(InputError, match=r"label of a \(folder\) holds id 9 at x=32 y=0, but the model has 9 classes"):
        Mixture(recipe).prepare([_phase(recipe)], print)
    with pytest.raises(InputError, match="holds id 9"):
        list(Mixture(recipe).batches(_phase(recipe), Workers()))


def test_crop_larger_than_the_pictures(tiny: MakeRecipe, folder: Path) -> None:
    recipe = _own(tiny, folder)
    with pytest.raises(InputError, match=r"crop of 97 exceeds a of folder \(64x48, .*--segmentation.augment.crop"):
        Mixture(recipe).prepare([_phase(recipe, augment=clean(97))], print)


def test_stage_without_a_source_and_recipe_without_data(tiny: MakeRecipe, folder: Path) -> None:
    source = Source(dataset="folder", folder="own", split="all", stages=("fusion",))
    recipe = _own(tiny, folder, source)
    with pytest.raises(InputError, match="no source is for the segmentation stage"):
        Mixture(recipe).prepare([_phase(recipe)], print)
    with pytest.raises(InputError, match="names no data sources"):
        Mixture(replace(recipe, data=replace(recipe.data, sources=())))


def test_objects_to_paste_are_collected_from_pairs_with_infrared(tiny: MakeRecipe, tmp_path: Path) -> None:
    labels = np.ones((60, 80), np.uint8)
    labels[:, 30:] = 10
    image = RANDOM.integers(0, 255, (60, 80, 3), np.uint8)
    write_image(tmp_path / "own" / "visible" / "a.png", image)
    write_image(tmp_path / "own" / "infrared" / "a.png", image[..., 0])
    write_labels(tmp_path / "own" / "label" / "a.png", labels, FMB.palette)
    recipe = _own(tiny, tmp_path, paste=("truck", "bus"))
    mixture = Mixture(recipe)
    phase = _phase(recipe, augment=replace(clean(32), paste=1.0))
    cutouts = mixture.cutouts(phase)
    assert cutouts is not None
    assert [[one.mask.shape for one in group] for group in cutouts.groups] == [[(60, 50)]]
    mixture.prepare([phase], lambda text: None)
    for batch in mixture.batches(phase, Workers()):
        assert set(batch.labels.unique().tolist()) <= {1, 10, 255}
    assert mixture.cutouts(_phase(recipe)) is None
    assert Mixture(_own(tiny, tmp_path)).cutouts(phase) is None


def test_what_cannot_be_pasted_is_said_before_the_first_step(tiny: MakeRecipe, folder: Path) -> None:
    recipe = _own(tiny, folder, paste=("car",))
    phase = _phase(recipe, augment=replace(clean(32), paste=0.5))
    with pytest.raises(InputError, match="no training pair shows car large enough to paste"):
        Mixture(recipe).prepare([phase], lambda text: None)
    misspelt = _own(tiny, folder, paste=("trukc",))
    with pytest.raises(InputError, match=r"class to paste 'trukc'.*truck"):
        Mixture(misspelt).prepare([phase], lambda text: None)


def test_data_root_that_is_not_there(tiny: MakeRecipe, folder: Path) -> None:
    with pytest.raises(InputError, match=r"nowhere: no such folder; say where the data sets are with --data\.root"):
        Mixture(_own(tiny, folder, root=str(folder / "nowhere")))


def test_missing_source_says_how_to_get_it_or_do_without(tiny: MakeRecipe, folder: Path) -> None:
    own = Source(dataset="folder", folder="own", split="all")
    drawn = Source(dataset="fmb", folder="lorries", synthetic="-n 9 --having truck:0.3")
    data = _own(tiny, folder).data
    with pytest.raises(
        InputError, match=r"make it by `segmif data make-synthetic \S+lorries -n 9 --having truck:0\.3`"
    ):
        Mixture(_own(tiny, folder, sources=(own, drawn)))
    with pytest.raises(InputError, match=r"or leave this source out with --data\.sources\.1\.weight 0"):
        Mixture(_own(tiny, folder, sources=(own, drawn)))
    assert len(Mixture(_own(tiny, folder, sources=(own, replace(drawn, weight=0.0)))).sources) == 1
    elsewhere = Source(dataset="msrs", split="val")
    for name in ("validation", "fusion_validation"):
        option = name.replace("_", "-")
        with pytest.raises(
            InputError, match=rf"msrs is wanted there .* set --data\.{option}\.folder, .* --data\.{option}\.dataset"
        ):
            open_source(elsewhere, replace(data, **{name: elsewhere}))  # type: ignore[arg-type]


def test_test_pairs_are_not_trained_on(tiny: MakeRecipe, scenes: Path) -> None:
    source = Source(dataset="fmb", folder="synthetic", split="all")
    recipe = _own(tiny, scenes, source, cache=str(scenes / "cache"))
    with pytest.raises(InputError, match="belongs to its test split"):
        Mixture(recipe).prepare(plan(recipe)[1:2], print)


def test_validation_is_neither_a_test_split_nor_trained_on(tiny: MakeRecipe, scenes: Path) -> None:
    recipe = tiny()
    for validation, message in (
        (Source(dataset="fmb", folder="synthetic", split="test"), "choosing on a test split spoils it"),
        (Source(dataset="fmb", folder="synthetic"), "are both trained on and validated on"),
    ):
        with pytest.raises(InputError, match=message):
            Validation(replace(recipe, data=replace(recipe.data, validation=validation)))


def test_cache_lies_where_the_user_keeps_caches(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(os.environ, "XDG_CACHE_HOME", str(tmp_path))
    assert target_store(DataConfig()).folder == tmp_path / "segmif" / "targets"
