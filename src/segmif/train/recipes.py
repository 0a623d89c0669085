"""The recipes: `reference`, `joint`, `fast`, `smoke`, and the ablations, each a `Recipe` that can be changed field by field.

Data sources are named here by the catalogue's names; where they lie is ``data.root``. Nothing here trains on MSRS or TNO.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from segmif.checks import unknown
from segmif.data.transforms import PRESETS, TransformConfig
from segmif.models import SegMiFConfig
from segmif.train.config import DataConfig, LossConfig, Recipe, Source, StageConfig

ASIDE = ("FLIR_070*", "FLIR_071*")
"""RoadScene training pairs kept aside for the fusion panel of every validation."""

SCORED = ("road", "building", "vegetation", "person", "car")
"""Classes of the mean IoU that chooses checkpoints: the hand-labelled MSRS pairs have enough of these."""

MSRS_VALIDATION = Source(dataset="msrs", split="val")


def real_pairs(**options: object) -> DataConfig:
    """RoadScene, M3FD and LLVIP pairs with hand-drawn and network-made labels, CamVid for shapes; MSRS validates."""
    return replace(
        DataConfig(
            sources=(
                Source(dataset="roadscene", weight=4.0, leave_out=ASIDE),
                Source(dataset="m3fd", split="all", weight=0.5, model_weight=0.2),
                Source(dataset="llvip", split="all", weight=0.3, stages=("fusion",)),
                Source(dataset="camvid", weight=1.5, stages=("segmentation",)),
            ),
            validation=MSRS_VALIDATION,
            fusion_validation=Source(dataset="roadscene", only=ASIDE),
            scored_classes=SCORED,
        ),
        **options,  # type: ignore[arg-type]
    )


def clean(crop: int) -> TransformConfig:
    """Geometry alone: the VSM-WLS targets made once for whole pictures stay right."""
    return replace(PRESETS["geometry"], crop=crop)


def blinded(crop: int) -> TransformConfig:
    """Either camera fails often, the visible one at night, so that the network must use both."""
    return replace(PRESETS["segmentation"], crop=crop)


def reference() -> Recipe:
    """The authors' numbers (7 rounds, crop 320 and 480, batch 2), their faults mended: shuffled, seeded, warmed up,
    chosen on a validation split, and never against an untrained segmentation head."""
    first = StageConfig(
        steps=6000,
        batch=2,
        learning_rate=1e-4,
        warmup=200,
        decay_steps=20000,
        divide_rate=True,
        augment=clean(320),
    )
    return Recipe(
        name="reference",
        model=SegMiFConfig.preset("mit_b3", label_set="fmb"),
        rounds=7,
        first_fusion=first,
        fusion=replace(first, steps=4000),
        segmentation=StageConfig(
            steps=10000,
            augment=TransformConfig(crop=480, balance=0, photometric_infrared=0),
            batch=2,
            learning_rate=8e-5,
            head_factor=10.0,
            warmup=3000,
            decay_steps=160000,
            count_on=True,
        ),
        data=DataConfig(
            sources=(Source(dataset="fmb", leave_out=("*0", "*5")),),
            validation=Source(dataset="fmb", only=("*0", "*5")),
        ),
        validate_every=5000,
        checkpoint_every=500,
    )


def joint() -> Recipe:
    """A short fusion warm-up and a segmentation warm-up, then one optimisation of both networks end to end."""
    fusion = StageConfig(steps=400, batch=4, learning_rate=5e-4, warmup=50, augment=clean(224))
    segmentation = StageConfig(
        steps=600, batch=6, learning_rate=2e-4, head_factor=5.0, warmup=100, augment=blinded(288)
    )
    return Recipe(
        name="joint",
        model=SegMiFConfig.preset("mit_b0", label_set="fmb", guide="average"),
        first_fusion=fusion,
        segmentation=segmentation,
        joint=replace(segmentation, steps=1500, batch=3, learning_rate=1e-4),
        loss=LossConfig(target=0.0, intensity=1.0, gradient=1.0, source_ssim=0.2, segmentation=0.3),
        data=real_pairs(),
        validate_every=500,
    )


def fast() -> Recipe:
    """Minutes on a CPU: two short rounds of a narrow network on real pairs."""
    fusion = StageConfig(steps=120, batch=2, learning_rate=1e-3, warmup=20, augment=clean(160))
    segmentation = StageConfig(steps=250, batch=6, learning_rate=3e-4, head_factor=5.0, warmup=30, augment=blinded(192))
    return Recipe(
        name="fast",
        model=SegMiFConfig.preset("mit_b0", label_set="fmb", fusion_channels=32, growth=16, head_channels=128),
        rounds=2,
        first_fusion=fusion,
        fusion=replace(fusion, steps=60, learning_rate=3e-4),
        segmentation=segmentation,
        data=real_pairs(),
        ema=0.98,
    )


def smoke() -> Recipe:
    """A few steps of every stage on synthetic scenes: does it run here at all?"""
    stage = StageConfig(steps=3, augment=clean(64), batch=2, learning_rate=1e-3)
    synthetic = Source(dataset="folder", folder="synthetic", split="all")
    return Recipe(
        name="smoke",
        model=SegMiFConfig.preset(
            "mit_b0", label_set="fmb", fusion_channels=8, growth=4, attention_heads=2, head_channels=32
        ),
        rounds=2,
        first_fusion=stage,
        fusion=stage,
        segmentation=stage,
        joint=stage,
        data=DataConfig(sources=(synthetic,), validation=synthetic),
        precision="fp32",
        log_every=1,
        checkpoint_every=5,
    )


RECIPES: dict[str, Callable[[], Recipe]] = {make.__name__: make for make in (reference, joint, fast, smoke)}
"""The recipes by name; each is made when asked for."""


def recipe(name: str) -> Recipe:
    """The recipe of that name.

    Raises:
        InputError: no such recipe.
    """
    if name not in RECIPES:
        raise unknown("recipe", name, RECIPES)
    return RECIPES[name]()
