"""Weights: records of those we ship, and adapters that bring foreign checkpoints into our layout.

An adapter is one table of renames followed by a strict load: a tensor that is missing, left over or of the wrong
shape is an error, never a silent gap.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from segmif.checks import InputError, unknown
from segmif.labelsets import LabelSet
from segmif.models import store
from segmif.models.config import MIT_PRESETS, MiTConfig, SegMiFConfig, mit_preset
from segmif.models.mit import MixTransformer
from segmif.models.segmif import SegMiF

Checkpoint = Mapping[str, Tensor] | str | os.PathLike[str]
Renames = Mapping[str, str | None]
"""Their module to ours, None to leave it out; {i} is a counted part, {j} one that counts from 0 in both."""

_SUFFIXES = (".safetensors", ".pth", ".pt", ".bin", ".ckpt")
_WEIGHTS_NAMES = (store.WEIGHTS_NAME, "pytorch_model.bin")

SHIPPED_FOLDER = Path(__file__).parents[1] / "weights"
"""One folder per model: model.safetensors, config.json, README.md."""


@dataclass(frozen=True, kw_only=True)
class ModelRecord:
    """Where shipped weights come from and what they are worth."""

    name: str
    file: str
    """Path of the weights below the package's folder of weights."""
    config: str
    """Path of the configuration, likewise."""
    data: str
    """What they were trained on."""
    licence: str
    sha256: str
    """Of the weights' file."""
    scores: Mapping[str, float] = field(default_factory=dict)
    """Measured scores by name, e.g. {"FMB mIoU": 0.41}."""


_BEST_FIRST = ("segmif-lite", "segmif-b0", "segmif-cwfid")
"""Shipped models in the order of their measured scores; the first one is the default of `segmif.load()`."""


def _read_record(name: str) -> ModelRecord:
    record = json.loads((SHIPPED_FOLDER / name / "record.json").read_text("utf-8"))
    return ModelRecord(file=f"{name}/{store.WEIGHTS_NAME}", config=f"{name}/{store.CONFIG_NAME}", **record)


SHIPPED = {name: _read_record(name) for name in _BEST_FIRST if (SHIPPED_FOLDER / name / "record.json").is_file()}


def load_shipped(name: str) -> SegMiF:
    """A network whose weights are part of the package, float32 and in eval mode.

    Raises:
        InputError: no model of that name, or its file is not the one that was shipped.
    """
    if name not in SHIPPED:
        raise unknown("model", name, SHIPPED)
    record = SHIPPED[name]
    path = SHIPPED_FOLDER / record.file
    if not path.is_file() or hashlib.sha256(path.read_bytes()).hexdigest() != record.sha256:
        raise InputError(f"{path}: is missing or not the file this version ships; install segmif again")
    return SegMiF.from_pretrained(path.parent)


_NVLABS: Renames = {
    "patch_embed{i}.proj": "stages.{i}.embed",
    "patch_embed{i}.norm": "stages.{i}.embed_norm",
    "norm{i}": "stages.{i}.norm",
    "block{i}.{j}.norm1": "stages.{i}.blocks.{j}.norm1",
    "block{i}.{j}.norm2": "stages.{i}.blocks.{j}.norm2",
    "block{i}.{j}.attn.q": "stages.{i}.blocks.{j}.attention.query",
    "block{i}.{j}.attn.kv": "stages.{i}.blocks.{j}.attention.key_value",
    "block{i}.{j}.attn.proj": "stages.{i}.blocks.{j}.attention.output",
    "block{i}.{j}.attn.sr": "stages.{i}.blocks.{j}.attention.reduce",
    "block{i}.{j}.attn.norm": "stages.{i}.blocks.{j}.attention.reduce_norm",
    "block{i}.{j}.mlp.fc1": "stages.{i}.blocks.{j}.mlp.expand",
    "block{i}.{j}.mlp.dwconv.dwconv": "stages.{i}.blocks.{j}.mlp.depthwise",
    "block{i}.{j}.mlp.fc2": "stages.{i}.blocks.{j}.mlp.project",
    "head": None,  # the ImageNet classifier
}
_HUGGING_FACE_FILE: Renames = {
    "encoder.patch_embeddings.{i}.proj": "stages.{i}.embed",
    "encoder.patch_embeddings.{i}.layer_norm": "stages.{i}.embed_norm",
    "encoder.layer_norm.{i}": "stages.{i}.norm",
    "encoder.block.{i}.{j}.layer_norm_1": "stages.{i}.blocks.{j}.norm1",
    "encoder.block.{i}.{j}.layer_norm_2": "stages.{i}.blocks.{j}.norm2",
    "encoder.block.{i}.{j}.attention.self.query": "stages.{i}.blocks.{j}.attention.query",
    "encoder.block.{i}.{j}.attention.self.key": "stages.{i}.blocks.{j}.attention.key",
    "encoder.block.{i}.{j}.attention.self.value": "stages.{i}.blocks.{j}.attention.value",
    "encoder.block.{i}.{j}.attention.output.dense": "stages.{i}.blocks.{j}.attention.output",
    "encoder.block.{i}.{j}.attention.self.sr": "stages.{i}.blocks.{j}.attention.reduce",
    "encoder.block.{i}.{j}.attention.self.layer_norm": "stages.{i}.blocks.{j}.attention.reduce_norm",
    "encoder.block.{i}.{j}.mlp.dense1": "stages.{i}.blocks.{j}.mlp.expand",
    "encoder.block.{i}.{j}.mlp.dwconv.dwconv": "stages.{i}.blocks.{j}.mlp.depthwise",
    "encoder.block.{i}.{j}.mlp.dense2": "stages.{i}.blocks.{j}.mlp.project",
    "classifier": None,
}
_HUGGING_FACE_MODULE: Renames = {  # the modules of transformers >= 5, whose files keep the names above
    "stages.{i}.patch_embeddings.proj": "stages.{i}.embed",
    "stages.{i}.patch_embeddings.layer_norm": "stages.{i}.embed_norm",
    "stages.{i}.layer_norm": "stages.{i}.norm",
    "stages.{i}.blocks.{j}.layernorm_before": "stages.{i}.blocks.{j}.norm1",
    "stages.{i}.blocks.{j}.layernorm_after": "stages.{i}.blocks.{j}.norm2",
    "stages.{i}.blocks.{j}.attention.q_proj": "stages.{i}.blocks.{j}.attention.query",
    "stages.{i}.blocks.{j}.attention.k_proj": "stages.{i}.blocks.{j}.attention.key",
    "stages.{i}.blocks.{j}.attention.v_proj": "stages.{i}.blocks.{j}.attention.value",
    "stages.{i}.blocks.{j}.attention.o_proj": "stages.{i}.blocks.{j}.attention.output",
    "stages.{i}.blocks.{j}.attention.sequence_reduction.sequence_reduction": ("stages.{i}.blocks.{j}.attention.reduce"),
    "stages.{i}.blocks.{j}.attention.sequence_reduction.layer_norm": "stages.{i}.blocks.{j}.attention.reduce_norm",
    "stages.{i}.blocks.{j}.mlp.fc1": "stages.{i}.blocks.{j}.mlp.expand",
    "stages.{i}.blocks.{j}.mlp.dwconv.dwconv": "stages.{i}.blocks.{j}.mlp.depthwise",
    "stages.{i}.blocks.{j}.mlp.fc2": "stages.{i}.blocks.{j}.mlp.project",
    "classifier": None,
}
_LAYOUTS = (
    # (how to know it, its names, where it counts stages from)
    ("patch_embed1.proj.weight", _NVLABS, 1),
    ("encoder.patch_embeddings.0.proj.weight", _HUGGING_FACE_FILE, 0),
    ("stages.0.patch_embeddings.proj.weight", _HUGGING_FACE_MODULE, 0),
)
_WRAPPERS = ("denoise_net.encoder.", "segformer.", "backbone.")
"""What models put before the names of their encoder; everything else in a wrapped state is a head."""

_REFERENCE_SEGMENTATION: Renames = {
    **{f"denoise_net.encoder.{theirs}": f"encoder.{ours}" for theirs, ours in _NVLABS.items() if ours},
    "denoise_net.decoder.linear_c{i}.proj": "head.project.{i}",
    "denoise_net.decoder.linear_fuse.conv": "head.mix",
    "denoise_net.decoder.linear_fuse.bn": "head.norm",
    "denoise_net.decoder.linear_pred": "head.classify",
    "denoise_net.classifier": None,  # a 1×1 convolution on stage 4 that nothing reads
}
_REFERENCE_FUSION: Renames = {
    "conv1_ir": "fusion.infrared_in",
    "conv1_vis": "fusion.visible_in",
    **{
        f"DRDB{block}.{theirs}": f"fusion.{stream}.{ours}"
        for block, stream in enumerate(
            ("infrared_blocks.0", "visible_blocks.0", "infrared_blocks.1", "visible_blocks.1"), start=1
        )
        for theirs, ours in (("Dcov{i}", "dense.{i}"), ("conv", "merge"))
    },
    "conv3": "fusion.semantic_in.0",
    "conv4": "fusion.semantic_in.1",
    **{
        f"ffm.cross.{theirs}": f"fusion.attention.0.{ours}"
        for theirs, ours in (
            ("channel_proj1", "infrared.project"),
            ("channel_proj2", "visible.project"),
            ("channel_proj3", "project_semantic"),
            ("cross_attn.kv3", "moam.key_value"),
            ("cross_attn2.kv1", "infrared.soam.key_value"),
            ("cross_attn2.kv2", "visible.soam.key_value"),
            ("end_proj1", "infrared.output"),
            ("end_proj2", "visible.output"),
            ("norm1", "infrared.norm"),
            ("norm2", "visible.norm"),
        )
    },
    "conv2": "fusion.merge",
    "conv21": "fusion.narrow",
    "conv22": "fusion.output",
    "relu": "fusion.activation",
}


def convert_reference(
    *,
    fusion: Checkpoint,
    segmentation: Checkpoint,
    backbone: str = "mit_b3",
    num_classes: int = 9,
    label_set: LabelSet | str | None = None,
) -> SegMiF:
    """The network that a pair of checkpoints in the layout of SegMiF's authors describes, in eval mode.

    The result computes what those checkpoints mean: one attention module applied at both levels, the guide not
    normalised, nothing clamped. Parts that are stored but never used (`ffm2`, `classifier`) are left out.

    Args:
        fusion: the fusion network's state dict or its file.
        segmentation: the segmentation network's.
        backbone: mit_b0 ... mit_b5.
        num_classes: classes of the segmentation head.
        label_set: names and colours of the classes, or the name of such a set.

    Raises:
        InputError: no such backbone, a file that is missing, damaged or carries code, or tensors that do not fit.
    """
    mit_preset(backbone)
    config = SegMiFConfig.preset(
        backbone, num_classes=num_classes, label_set=label_set, share_attention=True, normalize_guide=False, clamp=False
    )
    network = SegMiF(config)
    own = network.state_dict()
    for part, names, checkpoint in (
        ("fusion", _REFERENCE_FUSION, fusion),
        ("segmentation", _REFERENCE_SEGMENTATION, segmentation),
    ):
        where, state = _open(checkpoint, part)
        state = {key: value for key, value in state.items() if not key.startswith("ffm2.")}
        renamed = _rename(state, names, first=1)
        expected = {key: own[key] for key in own if key.startswith("fusion.") == (part == "fusion")}
        store.check_state(expected, renamed, where=where)
        own.update(renamed)
    store.load_state(network, own, where="reference")
    return network.eval()


def load_segformer(source: Checkpoint) -> MixTransformer:
    """A Mix Transformer, B0 to B5, with the encoder weights of a SegFormer; heads are left out.

    Reads the layouts of NVlabs (`mit_b0.pth`, or a whole segmentation model) and of Hugging Face `transformers`. Its
    LayerNorm constants are NVlabs', as in the paper; `transformers` has 1e-5 where they have 1e-6.

    Args:
        source: a checkpoint file, a folder or Hub id with `model.safetensors` or `pytorch_model.bin`, or a state dict.

    ```python
    network = SegMiF(SegMiFConfig(num_classes=9), encoder=load_segformer("nvidia/mit-b0"))
    ```

    Raises:
        InputError: the file is missing, damaged or carries code, or is no Mix Transformer we know.
    """
    where, state = _open(source, "segformer")
    for prefix in _WRAPPERS:
        if any(key.startswith(prefix) for key in state):
            state = {key.removeprefix(prefix): value for key, value in state.items() if key.startswith(prefix)}
    for sign, names, first in _LAYOUTS:
        if sign in state:
            renamed = _join_keys_and_values(_rename(state, names, first=first))
            encoder = MixTransformer(_variant(renamed, where))
            store.load_state(encoder, renamed, where=where)
            return encoder.eval()
    raise InputError(
        f"{where}: is no SegFormer checkpoint in a layout we know (NVlabs, Hugging Face): it holds "
        f"{next(iter(state))!r} and no patch embedding of stage 1"
    )


def _open(source: Checkpoint, name: str) -> tuple[str, store.State]:
    """A name for messages, and the tensors of a state dict, a file, a folder or a Hub repository."""
    if isinstance(source, Mapping):
        return f"the {name} state dict", store.plain_state(source, where=f"the {name} state dict")
    path = Path(source)
    if path.is_dir() or not (path.is_file() or path.suffix in _SUFFIXES):
        path = _weights_in(source)
    return str(source), store.read_state(path)


def _weights_in(source: str | os.PathLike[str]) -> Path:
    """The weights' file of a folder or Hub repository; those from before safetensors have another."""
    folder = Path(source)
    if folder.is_dir():
        return next((p for name in _WEIGHTS_NAMES if (p := folder / name).is_file()), folder / store.WEIGHTS_NAME)
    new, old = _WEIGHTS_NAMES
    try:
        return store.locate(source, (new,))[0]
    except InputError:
        return store.locate(source, (old,))[0]


def _rename(state: Mapping[str, Tensor], names: Renames, *, first: int) -> store.State:
    """`state` under our names; keys no name matches stay as they are, for the strict load to complain about."""
    patterns = [(_pattern(theirs), ours) for theirs, ours in names.items()]
    renamed = {}
    for key, value in state.items():
        module, _, leaf = key.rpartition(".")
        found = next(((m, ours) for pattern, ours in patterns if (m := pattern.fullmatch(module))), None)
        if found is None:
            renamed[key] = value
        elif found[1] is not None:
            groups = found[0].groupdict()
            ours = found[1].format(i=int(groups.get("i") or 0) - first, j=groups.get("j"))
            renamed[f"{ours}.{leaf}"] = value
    return renamed


def _pattern(template: str) -> re.Pattern[str]:
    escaped = re.escape(template)
    return re.compile(escaped.replace(r"\{i\}", r"(?P<i>\d+)").replace(r"\{j\}", r"(?P<j>\d+)"))


def _join_keys_and_values(state: store.State) -> store.State:
    """Hugging Face's separate linears for keys and values as our one; keys first."""
    joined = dict(state)
    for key in state:
        if ".attention.key." in key and (partner := key.replace(".key.", ".value.")) in state:
            joined[key.replace(".key.", ".key_value.")] = torch.cat((joined.pop(key), joined.pop(partner)))
    return joined


def _variant(state: Mapping[str, Tensor], where: str) -> MiTConfig:
    """Which of B0 to B5 has these widths and depths."""
    embeddings = (state.get(f"stages.{i}.embed.weight") for i in range(4))
    channels = tuple(len(weight) for weight in embeddings if weight is not None)
    blocks = {match.groups() for key in state if (match := re.match(r"stages\.(\d)\.blocks\.(\d+)\.", key))}
    depths = tuple(sum(stage == str(i) for stage, _ in blocks) for i in range(4))
    for config in MIT_PRESETS.values():
        if (config.channels, config.depths) == (channels, depths):
            return config
    raise InputError(f"{where}: widths {channels} with depths {depths} are none of mit_b0 ... mit_b5; fetch it again")
