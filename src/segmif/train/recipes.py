"""The recipes: `reference`, `joint`, `fast`, `finetune`, `smoke`, those of shipped weights, and the ablations.

Any field can be changed on the command line. Data sets are named as in the catalogue; where they lie is ``data.root``.
Nothing here trains on MSRS or TNO.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from segmif.checks import unknown
from segmif.data.transforms import PRESETS, TransformConfig
from segmif.models import SegMiFConfig
from segmif.train.config import DataConfig, LossConfig, Recipe, SegmentInput, Source, StageConfig, StageKind

ASIDE = ("FLIR_070*", "FLIR_071*")
"""RoadScene training pairs kept aside for the fusion panel of every validation."""

SCORED = ("road", "building", "vegetation", "person", "car")
"""Classes of the mean IoU that chooses checkpoints: the hand-labelled MSRS pairs have enough of these."""


def real_pairs(**changes: Any) -> DataConfig:
    """RoadScene, M3FD and LLVIP pairs with hand-drawn and network-made labels, CamVid for shapes; MSRS validates."""
    mixture = DataConfig(
        sources=(
            Source(dataset="roadscene", weight=4.0, leave_out=ASIDE),
            Source(dataset="m3fd", split="all", weight=0.5, model_weight=0.2),
            Source(dataset="llvip", split="all", weight=0.3, stages=("fusion",)),
            Source(dataset="camvid", weight=1.5, stages=("segmentation",)),
        ),
        validation=Source(dataset="msrs", split="val"),
        fusion_validation=Source(dataset="roadscene", only=ASIDE),
        scored_classes=SCORED,
    )
    return replace(mixture, **changes)


def clean(crop: int) -> TransformConfig:
    """Geometry alone: the VSM-WLS targets made once for whole pictures stay right."""
    return replace(PRESETS["geometry"], crop=crop)


def blinded(crop: int) -> TransformConfig:
    """Either camera fails often, the visible one at night, so that the network must use both."""
    return replace(PRESETS["segmentation"], crop=crop)


def unblinded(crop: int) -> TransformConfig:
    """What a fusion network is to make sharp: the pictures as cameras give them, infrared often much darker."""
    views = replace(PRESETS["geometry"], crop=crop, scale=(0.65, 1.5), balance=0.0)
    return replace(views, photometric_infrared=0.8, dim_infrared=0.6, photometric_visible=0.3, night=0.4)


def reference() -> Recipe:
    """The authors' numbers on FMB: 7 rounds, crops 320 and 480, batch 2.

    Their faults are mended: shuffled, seeded, warmed up, chosen on pairs kept aside instead of the test split.
    """
    first = StageConfig(
        steps=6000, learning_rate=1e-4, divide_rate=True, warmup=200, decay_steps=20000, augment=clean(320)
    )
    segmentation = StageConfig(
        steps=10000, learning_rate=8e-5, head_factor=10.0, warmup=3000, decay_steps=160000, count_on=True,
        augment=TransformConfig(crop=480, balance=0.0, photometric_infrared=0.0),
    )  # fmt: skip
    aside = ("*0", "*5")
    return Recipe(
        name="reference",
        model=SegMiFConfig.preset("mit_b3", label_set="fmb"),
        rounds=7,
        first_fusion=first,
        fusion=replace(first, steps=4000),
        segmentation=segmentation,
        data=DataConfig(
            sources=(Source(dataset="fmb", leave_out=aside),), validation=Source(dataset="fmb", only=aside)
        ),
        validate_every=5000,
        checkpoint_every=500,
    )


def joint() -> Recipe:
    """A fusion and a segmentation warm-up on real pairs, then one optimisation of both networks end to end."""
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


_MEASURED_LOSS = LossConfig(
    target=0.0, intensity=0.1, vif=0.2, qabf=60.0, scd=12.0, scd_enough=(1.62, 1.93), mi=1.0,
    sharpness=12.0, sharpness_enough=(0.985, 1.06), contrast=5.0, contrast_enough=(0.9, 1.3), entropy=2.0,
    entropy_enough=(0.0, 7.66), halo=60.0, smooth=2.0, clipping=6.0, even=120.0, even_blend=(0.095, 0.05),
    joint_factor=0.02, round_factor=1.0, segmentation=1.0, dynamic=True, temperature=2.0,
)  # fmt: skip
"""What the field measures, up to what is enough of it, and no halos.

Edges (Qabf) and likeness to the sources pull one way, contrast and sharpness the other: which pictures come out is
decided by how much of the second is asked for. Where infrared is dark the blend is held to one for all places. In
joint training all of it counts little, or the common bound of the gradient would leave nothing to the segmentation.
"""


_RARE = (
    ("sky", 0.6), ("vegetation", 1.3), ("person", 1.5), ("truck", 3.0), ("bus", 2.0), ("bicycle", 2.0),
    ("motorcycle", 1.5),
)  # fmt: skip
"""Factors of the cross entropy."""


def seeing(crop: int) -> TransformConfig:
    """What the shipped models learn labels from: either camera fails, the visible one at night.

    Infrared pictures are darkened hard and often: RoadScene's are bright, those of other cameras nearly black.
    """
    views = replace(blinded(crop), scale=(0.6, 2.0), photometric_infrared=0.8, night=0.35, glare=0.1)
    return replace(views, misalign=0.3, drop=0.03, paste=0.2)


_SCENES = "-n 400 --size 480x360 --test-share 0"
_TRUCKS = "-n 200 --seed 50000 --having truck:0.1 --having bus:0.2 --size 480x360 --test-share 0"
_LORRIES = "-n 100 --seed 90000 --having truck:0.3 --size 480x360 --test-share 0"
"""What `segmif data make-synthetic FOLDER` needs to draw the synthetic sources."""


def _with_synthetic() -> DataConfig:
    """Real pairs, and synthetic scenes for what they show rarely, trucks and buses.

    CamVid counts little: its cars include lorries. Trucks, buses and two-wheelers are also pasted into other pairs:
    without them a bicycle is taken for its rider.
    """
    real = real_pairs()
    others = tuple(source for source in real.sources if source.dataset != "camvid")
    for_labels: tuple[StageKind, ...] = ("segmentation", "joint")
    scenes = Source(dataset="fmb", folder="synthetic", synthetic=_SCENES, hand_weight=0.7, stages=for_labels)
    more = (
        Source(dataset="roadscene", only=("FLIR_04735", "FLIR_00578"), weight=0.3, stages=for_labels),
        Source(dataset="camvid", weight=0.4, hand_weight=0.7, stages=for_labels),
        replace(scenes, weight=0.6),
        replace(scenes, weight=0.15, stages=("fusion",)),
        replace(scenes, folder="trucks", synthetic=_TRUCKS, weight=0.4),
        replace(scenes, folder="lorries", synthetic=_LORRIES),
    )
    return replace(real, sources=(*others, *more), paste=("truck", "bus", "bicycle", "motorcycle"))


def segmif_b0() -> Recipe:
    """The shipped `segmif-b0`: the paper's cascade with a Mix Transformer B0, taught by `segmif-lite`; hours on a CPU.

    No ImageNet weights of this encoder are free, so beside the labels it learns what the better network says of every
    view, also of pairs without labels. Segmentation on pixel-wise maxima comes first, then fusion with its semantic
    features and the segmentation network as a judge (the shipped fusion network learned without one). No joint stage:
    170 steps of one lowered the mean IoU on half of MSRS val from 0.78 to 0.69 (EfficientNet-Lite0).
    """
    data = _with_synthetic()
    taught: tuple[StageKind, ...] = ("fusion", "segmentation")
    sources = tuple(replace(s, stages=taught) if s.dataset == "llvip" else s for s in data.sources)
    return Recipe(
        name="segmif-b0",
        model=SegMiFConfig.preset("segmif-b0", guide="average"),
        teacher="segmif-lite",
        rounds=0,
        segmentation_first=StageConfig(
            steps=3000, batch=8, learning_rate=6e-4, warmup=100, augment=seeing(256)
        ),
        last_fusion=StageConfig(
            steps=900, batch=4, learning_rate=6e-4, warmup=50, augment=replace(unblinded(160), scale=(0.5, 1.6))
        ),
        loss=replace(_MEASURED_LOSS, class_weights=_RARE, distillation=2.0),
        data=replace(data, sources=sources),
        ema=0.995,
        export="last",
    )  # fmt: skip


def _interactive(name: str, steps: int) -> Recipe:
    """Encoder, blend and head together: the shared layout is cheap enough to train all of it at every step.

    At the end the fusion network learns alone from views without blur, noise or parallax, which would blunt it, and
    the segmentation network judges. See `seeing` and `_with_synthetic` for views and data.
    """
    return Recipe(
        name=name,
        model=SegMiFConfig.preset(name),
        encoder_start="imagenet",
        rounds=0,
        joint=StageConfig(
            steps=steps, batch=8, learning_rate=3e-4, head_factor=5.0, factors=(("fusion.*", 3.0),), warmup=50,
            augment=seeing(320),
        ),
        last_fusion=StageConfig(
            steps=steps * 2 // 5, batch=8, learning_rate=1e-3, warmup=10, augment=unblinded(256)
        ),
        loss=replace(_MEASURED_LOSS, class_weights=_RARE),
        data=_with_synthetic(),
        ema=0.99,
        export="last",
    )  # fmt: skip


def segmif_lite() -> Recipe:
    """The shipped `segmif-lite`: EfficientNet-Lite0, one pass for both tasks; under an hour on one core."""
    return _interactive("segmif-lite", 1000)


def segmif_e2() -> Recipe:
    """As `segmif-lite`, with the larger EfficientNet-Lite2; no such weights are shipped."""
    return _interactive("segmif-e2", 1000)


def segmif_cwfid() -> Recipe:
    """The shipped `segmif-cwfid`: crop and weed from a red and a near infrared band; half an hour on one core.

    Four training pictures are kept aside to validate; the official test split is not looked at.
    """
    base = _interactive("segmif-cwfid", 700)
    aside = ("05[6789]",)
    fields = Source(dataset="cwfid", keep_zero=True, leave_out=aside)
    kept = replace(fields, leave_out=(), only=aside)
    near = replace(
        blinded(320), scale=(0.45, 1.2), night=0.0, glare=0.0, fog=0.0, rain=0.0, misalign=0.2, misalign_pixels=2.0
    )
    return replace(
        base,
        joint=replace(base.joint, augment=near),
        last_fusion=StageConfig(),
        loss=replace(base.loss, class_weights=(("crop", 3.0), ("weed", 1.5))),
        data=DataConfig(sources=(fields,), validation=kept, fusion_validation=kept),
    )


def fast() -> Recipe:
    """Minutes on a CPU: two short rounds of a narrow network on real pairs."""
    fusion = StageConfig(steps=120, batch=2, learning_rate=1e-3, warmup=20, augment=clean(160))
    segmentation = StageConfig(steps=250, batch=6, learning_rate=3e-4, head_factor=5.0, warmup=30, augment=blinded(192))
    return Recipe(
        name="fast",
        model=SegMiFConfig.preset(
            "mit_b0", label_set="fmb", fusion_channels=32, growth=16, head_channels=128, guide="average"
        ),
        rounds=2,
        first_fusion=fusion,
        fusion=replace(fusion, steps=60, learning_rate=3e-4),
        segmentation=segmentation,
        data=real_pairs(),
        ema=0.98,
    )


def finetune() -> Recipe:
    """Your own pairs, 50 are enough: joint training of shipped weights, the first encoder stage frozen.

    Expects folders infrared, visible and label with train.txt and val.txt in data.root (`segmif data split`).
    """
    return Recipe(
        name="finetune",
        model=SegMiFConfig.preset("segmif-lite"),
        start="segmif-lite",
        map_classes=True,
        rounds=0,
        joint=StageConfig(
            steps=400, batch=4, learning_rate=2e-4, head_factor=5.0, layer_decay=0.8, warmup=20,
            freeze=("encoder.stem.*", "encoder.stages.0.*"), augment=blinded(224),
        ),
        loss=_MEASURED_LOSS,
        data=DataConfig(
            sources=(Source(dataset="folder", folder="."),),
            validation=Source(dataset="folder", folder=".", split="val"),
        ),
        ema=0.98,
        validate_every=100,
    )  # fmt: skip


def smoke() -> Recipe:
    """A few steps of every stage on synthetic scenes: does training run here at all?

    Make them with `segmif data make-synthetic DIR/synthetic -n 8 --size 96x96`, then `--data.root DIR`.
    """
    stage = StageConfig(steps=3, learning_rate=1e-3, augment=clean(64))
    scenes = Source(dataset="fmb", folder="synthetic", synthetic="-n 8 --size 96x96", leave_out=("*0",))
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
        data=DataConfig(sources=(scenes,), validation=replace(scenes, leave_out=(), only=("*0",)), workers=0),
        precision="fp32",
        log_every=1,
        checkpoint_every=5,
    )


def _study() -> Recipe:
    """What the ablations change one thing of: `segmif-lite` with a tenth of its steps, on smaller crops."""
    base = _interactive("segmif-lite", 120)
    views = replace(base.joint.augment, crop=224)
    joint = replace(base.joint, batch=6, warmup=10, augment=views)
    return replace(base, joint=joint, last_fusion=StageConfig(), ema=0.97, pictures=0)


_FUSION_ONLY: dict[str, Any] = {"num_classes": None, "label_set": None}

ABLATIONS: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "ablation-hia": ("Both attentions, dynamic weights, interaction: what the others compare with.", {}, {}),
    "ablation-moam": ("Modality-oriented attention alone.", {"attention": "moam"}, {}),
    "ablation-soam": ("Semantic-oriented attention alone.", {"attention": "soam"}, {}),
    "ablation-no-attention": ("No semantic features in the fusion network.", {"attention": "none"}, {}),
    "ablation-guide-visible": ("Semantic features of the visible picture.", {"guide": "visible"}, {}),
    "ablation-guide-average": ("Semantic features of the average of both.", {"guide": "average"}, {}),
    "ablation-fixed-weights": ("Both task weights stay 1.", {}, {"loss": replace(_study().loss, dynamic=False)}),
    "ablation-no-interaction": ("No segmentation loss in the fusion network.", {}, {"interaction": False}),
    "ablation-fusion-only": (
        "Fusion without any segmentation network.",
        {**_FUSION_ONLY, "attention": "none"},
        {"interaction": False, "joint": StageConfig(), "rounds": 1, "first_fusion": _study().joint},
    ),
    "ablation-only-infrared": ("Segmentation of the infrared picture.", {}, {"segment_input": "infrared"}),
    "ablation-only-visible": ("Segmentation of the visible picture.", {}, {"segment_input": "visible"}),
    "ablation-maximum": ("Segmentation of the pixel-wise maximum.", {}, {"segment_input": "maximum"}),
}
"""What it is, what it changes in the model, what elsewhere."""


def _ablation(name: str) -> Callable[[], Recipe]:
    text, model, changes = ABLATIONS[name]

    def make() -> Recipe:
        base = _study()
        config = replace(base.model, **model)
        return replace(base, **{"name": name, "model": config, **changes})

    make.__doc__ = f"Two minutes on one core, one thing changed. {text}"
    return make


CAMERAS: dict[str, tuple[str, SegmentInput]] = {
    "camera-both": ("Both cameras: what the others compare with.", "fused"),
    "camera-infrared": ("The infrared picture alone.", "infrared"),
    "camera-visible": ("The visible picture alone.", "visible"),
    "camera-maximum": ("The pixel-wise maximum in the colours of the visible picture.", "maximum"),
}
"""What it is, and what the network sees."""


def _camera(name: str) -> Callable[[], Recipe]:
    text, sees = CAMERAS[name]

    def make() -> Recipe:
        base = _interactive("segmif-lite", 0)
        stage = StageConfig(
            steps=1500, batch=6, learning_rate=3e-4, head_factor=5.0, warmup=30, augment=replace(seeing(224), drop=0.0)
        )
        return replace(base, name=name, segment_input=sees, segmentation_first=stage, pictures=0)

    make.__doc__ = f"What a second camera is worth: labels alone, twenty minutes on one core. {text}"
    return make


RECIPES: dict[str, Callable[[], Recipe]] = {
    **{make.__name__: make for make in (reference, joint, fast, finetune, smoke)},
    "segmif-b0": segmif_b0,
    "segmif-lite": segmif_lite,
    "segmif-e2": segmif_e2,
    "segmif-cwfid": segmif_cwfid,
    **{name: _ablation(name) for name in ABLATIONS},
    **{name: _camera(name) for name in CAMERAS},
}
"""The recipes by name; each is made when asked for."""


def recipe(name: str) -> Recipe:
    """The recipe of that name.

    Raises:
        InputError: no such recipe.

    >>> recipe("reference").rounds
    7
    """
    if name not in RECIPES:
        raise unknown("recipe", name, RECIPES)
    return RECIPES[name]()
