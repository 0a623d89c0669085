"""What a training run is: frozen dataclasses, and `plan`, which turns a recipe into its phases.

The recipes themselves are in `recipes.py`. Every field can be set on the command line (``--fusion.steps 500``).
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import UnionType
from typing import Any, Literal, get_args, get_origin, get_type_hints

from segmif.checks import InputError, unknown
from segmif.data.transforms import TransformConfig
from segmif.models import SegMiFConfig

Precision = Literal["fp32", "bf16", "fp16"]
StageKind = Literal["fusion", "segmentation", "joint"]
SegmentInput = Literal["fused", "infrared", "visible", "maximum"]


@dataclass(frozen=True, kw_only=True)
class Source:
    """One data set in the mixture.

    `dataset`, `folder` and `split` say what to open: ``open_dataset(dataset, root / folder, split)``; `folder` is the
    data set's name unless given. `weight` is its share among the sources of a stage; at 0 it is not even opened.
    `hand_weight` and `model_weight` scale the segmentation loss of samples labelled by people and by networks; 0
    means not used. `keep_zero` trains class 0 as a class instead of ignoring it. `stages` says which stages use it.
    `only` keeps names that match one of these patterns, `leave_out` drops names (after `only`). For scenes that are
    not downloaded but drawn, `synthetic` holds what follows the folder after ``segmif data make-synthetic``; a
    message shows it where the folder is missing.
    """

    dataset: str
    folder: str = ""
    split: str = "train"
    weight: float = 1.0
    hand_weight: float = 1.0
    model_weight: float = 0.5
    keep_zero: bool = False
    stages: tuple[StageKind, ...] = ("fusion", "segmentation", "joint")
    only: tuple[str, ...] = ()
    leave_out: tuple[str, ...] = ()
    synthetic: str = ""


@dataclass(frozen=True, kw_only=True)
class DataConfig:
    """Where the pairs are, what is mixed for training and what validates.

    `validation` pairs choose checkpoints and must not be a test split; `fusion_validation` pairs give the fusion
    panel (empty: the same pairs). `scored_classes` are the classes of the mean IoU that selects (empty: all present).
    `cache` keeps fusion targets between runs. `paste` names the classes whose objects `augment.paste` pastes.
    """

    root: str = "data"
    sources: tuple[Source, ...] = ()
    validation: Source | None = None
    fusion_validation: Source | None = None
    scored_classes: tuple[str, ...] = ()
    validation_limit: int = 0
    remap: tuple[tuple[int, int], ...] = ()
    cache: str = ""
    paste: tuple[str, ...] = ()
    workers: int = 1


@dataclass(frozen=True, kw_only=True)
class StageConfig:
    """One stage of a round; `steps` 0 leaves it out.

    `decay_steps` is where the polynomial reaches 0 (0: at the end of the stage); with `count_on` the schedule goes on
    through the rounds instead of starting again. `divide_rate` divides the learning rate by the number of the round.
    `head_factor` raises the rate of the segmentation head, `layer_decay` lowers that of each earlier encoder stage
    (0.7: stage 4 trains at 0.7, stage 1 at 0.24 of the rate). `factors` are further (pattern, factor) of the learning
    rate by parameter name, `freeze` patterns of what does not train.
    `clip` bounds the gradient norm (0: no bound). `augment` holds the crop.
    """

    steps: int = 0
    batch: int = 2
    accumulate: int = 1
    learning_rate: float = 1e-4
    weight_decay: float = 0.01
    warmup: int = 0
    decay_steps: int = 0
    power: float = 1.0
    count_on: bool = False
    divide_rate: bool = False
    head_factor: float = 1.0
    layer_decay: float = 1.0
    factors: tuple[tuple[str, float], ...] = ()
    freeze: tuple[str, ...] = ()
    clip: float = 1.0
    augment: TransformConfig = field(default_factory=TransformConfig)


@dataclass(frozen=True, kw_only=True)
class LossConfig:
    """Factors of the loss terms.

    Fusion = `target` · (the paper's loss against the VSM-WLS target) + `intensity` · max-intensity + `gradient` ·
    max-gradient + `source_ssim` · (1 − SSIM with both sources) + `vif` · (1 − VIF) + `qabf` · (1 − Qabf) + `scd` ·
    (what is missing of enough SCD) / 2 + `mi` · (1 − MI / all that the sources hold) + `texture` · (what is missing of
    `texture_gain` times the stronger gradient) + `halo` · (broad changes of brightness that no source shows) +
    `smooth` · (total variation of coefficients) + `clipping` · (what leaves [0, 1]) + `even` · (distance of the
    coefficients from those of `even_blend`, of the maximum and of the broad minimum, where infrared is dark), and
    `sharpness`, `contrast` and `entropy` · (what is missing of enough edges, deviation and bits). `…_enough` holds the
    numbers for dark and for bright infrared.
    Rounds after the first and joint training: w_f · fusion_factor · Fusion + w_s · `segmentation` · cross entropy,
    where fusion_factor is `round_factor` / k in round k and `joint_factor` in joint training, and (w_f, w_s) are
    dynamic (`temperature`) or 1. `class_weights` of the cross entropy by class name; others 1. With a teacher,
    `distillation` · (divergence from its logits, softened by `distillation_temperature`) is added to the cross entropy.
    """

    target: float = 1.0
    intensity: float = 0.0
    gradient: float = 0.0
    source_ssim: float = 0.0
    vif: float = 0.0
    qabf: float = 0.0
    scd: float = 0.0
    scd_enough: tuple[float, float] = (2.0, 2.0)
    mi: float = 0.0
    texture: float = 0.0
    texture_gain: float = 1.0
    halo: float = 0.0
    smooth: float = 0.0
    even: float = 0.0
    even_blend: tuple[float, float] = (0.085, 0.2)
    clipping: float = 0.0
    sharpness: float = 0.0
    sharpness_enough: tuple[float, float] = (1.0, 1.0)
    contrast: float = 0.0
    contrast_enough: tuple[float, float] = (1.0, 1.4)
    entropy: float = 0.0
    entropy_enough: tuple[float, float] = (0.0, 7.6)
    segmentation: float = 0.8
    round_factor: float = 0.4
    joint_factor: float = 1.0
    dynamic: bool = True
    temperature: float = 1000.0
    class_weights: tuple[tuple[str, float], ...] = ()
    distillation: float = 1.0
    distillation_temperature: float = 2.0


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """A whole run. `plan` says in which order its stages come.

    `start` names weights to begin from: a folder, a Hub id, a shipped model; "" begins at random. The architecture is
    then theirs; with `map_classes` the head is carried over to the recipe's label set by the names of the classes,
    `class_map` adding (theirs, ours). `encoder_start` names weights of the encoder alone. `teacher` names weights with
    the same classes whose logits are learnt wherever labels are, on every pair, also on those without labels.
    `rounds` counts (fusion, segmentation) rounds; `first_fusion` is the fusion stage of round 1, which has no
    segmentation in its loss, `fusion` that of the later ones; `segmentation_first` comes before the rounds, `joint`,
    which trains both networks at once, after them, and `last_fusion`, a fusion stage that the segmentation network
    judges, at the end. `interaction` off keeps the segmentation loss out of the fusion network. `previous_guide`
    takes the semantic features, from the second round on, from the pictures that the network of the round before
    makes; validation and the exported model use the model's own guide all the same. `segment_input` is what the
    segmentation network sees. `ema` is the decay of the averaged weights that are validated and exported.
    `validate_every` 0 validates at the end of each stage only.
    """

    name: str
    model: SegMiFConfig
    start: str = ""
    map_classes: bool = False
    class_map: tuple[tuple[str, str], ...] = ()
    encoder_start: str = ""
    teacher: str = ""
    rounds: int = 1
    segmentation_first: StageConfig = field(default_factory=StageConfig)
    first_fusion: StageConfig = field(default_factory=StageConfig)
    fusion: StageConfig = field(default_factory=StageConfig)
    segmentation: StageConfig = field(default_factory=StageConfig)
    joint: StageConfig = field(default_factory=StageConfig)
    last_fusion: StageConfig = field(default_factory=StageConfig)
    interaction: bool = True
    previous_guide: bool = False
    segment_input: SegmentInput = "fused"
    loss: LossConfig = field(default_factory=LossConfig)
    data: DataConfig = field(default_factory=DataConfig)
    seed: int = 0
    device: str = "auto"
    precision: Precision = "bf16"
    channels_last: bool = True
    compile: bool = False
    deterministic: bool = True
    ema: float = 0.999
    export: Literal["best", "last"] = "best"
    log_every: int = 10
    checkpoint_every: int = 200
    validate_every: int = 0
    pictures: int = 4
    trackers: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Phase:
    """One stage of one round, ready to run: phase `index` of the plan, 1-based round `round`.

    `last` marks the fusion stage after everything.
    """

    index: int
    kind: StageKind
    round: int
    stage: StageConfig
    schedule_offset: int = 0
    last: bool = False

    @property
    def name(self) -> str:
        """For logs and file names, e.g. ``fusion-1``."""
        return f"{self.kind}-{self.round}"


def plan(recipe: Recipe) -> list[Phase]:
    """The phases in order: per round fusion then segmentation, and joint training at the end.

    `segmentation_first`, if it has steps, comes before everything as round 0, `last_fusion` after everything.
    """
    wanted: list[tuple[StageKind, int, StageConfig]] = [("segmentation", 0, recipe.segmentation_first)]
    for number in range(1, recipe.rounds + 1):
        wanted.append(("fusion", number, recipe.first_fusion if number == 1 else recipe.fusion))
        wanted.append(("segmentation", number, recipe.segmentation))
    wanted.append(("joint", recipe.rounds + 1, recipe.joint))
    wanted.append(("fusion", recipe.rounds + 2, recipe.last_fusion))
    phases: list[Phase] = []
    for kind, number, stage in wanted:
        if stage.steps > 0:
            before = sum(phase.stage.steps for phase in phases if phase.kind == kind) if stage.count_on else 0
            last = kind == "fusion" and number > recipe.rounds
            phases.append(
                Phase(index=len(phases), kind=kind, round=number, stage=stage, schedule_offset=before, last=last)
            )
    if not phases:
        raise InputError(f"recipe {recipe.name!r} has nothing to do: give a stage steps, e.g. --joint.steps 1000")
    return phases


def option_of(phase: Phase) -> str:
    """The recipe's field that holds the settings of a phase, as on the command line."""
    if phase.last:
        return "last-fusion"
    if phase.kind == "fusion":
        return "first-fusion" if phase.round == 1 else "fusion"
    return "segmentation-first" if phase.kind == "segmentation" and phase.round == 0 else phase.kind


def to_dict(recipe: Recipe) -> dict[str, Any]:
    """The recipe as plain JSON values."""
    values = {**dataclasses.asdict(recipe), "model": recipe.model.to_dict()}
    plain: dict[str, Any] = json.loads(json.dumps(values))
    return plain


def from_dict(values: Mapping[str, Any]) -> Recipe:
    """The recipe that `to_dict` gave these values (a run's ``recipe.json``).

    Raises:
        InputError: an unknown or missing field.
    """
    recipe: Recipe = _built(Recipe, values, "recipe")
    return recipe


def _built(kind: Any, value: Any, where: str) -> Any:
    """`value` of JSON as the annotated type `kind`."""
    if kind is SegMiFConfig:
        return SegMiFConfig.from_dict(value)
    if dataclasses.is_dataclass(kind):
        hints = get_type_hints(kind)
        for name in value:
            if name not in hints:
                raise unknown(f"field of {where}", name, hints)
        try:
            return kind(**{name: _built(hints[name], inner, f"{where}.{name}") for name, inner in value.items()})  # type: ignore[operator]
        except TypeError as error:
            raise InputError(f"{where} is incomplete ({error}); use the recipe.json a run wrote") from error
    if isinstance(kind, UnionType):
        return None if value is None else _built(get_args(kind)[0], value, where)
    if get_origin(kind) is tuple:
        kinds = get_args(kind)
        repeated = len(kinds) == 2 and kinds[1] is Ellipsis
        return tuple(_built(kinds[0 if repeated else i], inner, where) for i, inner in enumerate(value))
    return value
