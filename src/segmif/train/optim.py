"""Parameter groups: which parameters train, at which rate, with or without weight decay."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from typing import Any

import torch
from torch import nn

from segmif.checks import InputError


def parameter_groups(
    network: nn.Module,
    trainable: Sequence[str],
    *,
    learning_rate: float,
    weight_decay: float,
    factors: Sequence[tuple[str, float]] = (),
    freeze: Sequence[str] = (),
) -> list[dict[str, Any]]:
    """Groups for AdamW, and `requires_grad` set accordingly on every parameter of `network`.

    Norms, biases and PReLU slopes (everything of fewer than two dimensions) get no weight decay.

    Args:
        network: the model; parameters are named as in `named_parameters()`.
        trainable: patterns (`fnmatch`) of the parameters this phase trains, e.g. ``("fusion.*",)``.
        learning_rate: of parameters that no factor names.
        weight_decay: of parameters that take one.
        factors: (pattern, factor of the learning rate); the first that fits counts, e.g. ``("*.head.*", 10.0)``.
        freeze: patterns of parameters that stay as they are although `trainable` names them.

    Returns:
        Groups with ``params``, ``names``, ``lr``, ``weight_decay``, ordered by the names, and ``base_lr``.

    Raises:
        InputError: a pattern fits no parameter, or nothing is left to train.
    """
    names = [name for name, _ in network.named_parameters()]
    for pattern in (*trainable, *freeze, *(pattern for pattern, _ in factors)):
        if not any(fnmatchcase(name, pattern) for name in names):
            raise InputError(f"no parameter is named like {pattern!r}; some names are {', '.join(names[:3])}")
    groups: dict[tuple[float, float], dict[str, Any]] = {}
    for name, parameter in network.named_parameters():
        wanted = _fits(name, trainable) and not _fits(name, freeze)
        parameter.requires_grad_(wanted)
        if not wanted:
            continue
        factor = next((factor for pattern, factor in factors if fnmatchcase(name, pattern)), 1.0)
        decay = weight_decay if parameter.ndim > 1 else 0.0
        rate = learning_rate * factor
        group = groups.setdefault(
            (factor, decay), {"params": [], "names": [], "lr": rate, "base_lr": rate, "weight_decay": decay}
        )
        group["params"].append(parameter)
        group["names"].append(name)
    if not groups:
        raise InputError("nothing is left to train: every parameter of this phase is frozen")
    return list(groups.values())


def layer_factors(network: nn.Module, decay: float) -> tuple[tuple[str, float], ...]:
    """Layer-wise rates of the encoder: `decay` for its last stage, the square of it for the one before, and so on.

    What comes before the stages (a stem) has one factor more. Nothing for `decay` 1.

    Raises:
        InputError: the encoder has no `stages`.
    """
    if decay == 1:
        return ()
    stages = getattr(network.encoder, "stages", None)
    if stages is None:
        raise InputError("layer_decay needs an encoder with `stages`; use factors with the names of its parameters")
    count = len(stages)
    steps = [(f"encoder.stages.{index}.*", decay ** (count - index)) for index in range(count)]
    return (*steps, ("encoder.*", decay ** (count + 1))) if hasattr(network.encoder, "stem") else tuple(steps)


def trained(network: nn.Module) -> Iterator[nn.Parameter]:
    """The parameters the current phase trains."""
    return (parameter for parameter in network.parameters() if parameter.requires_grad)


def set_rate(optimizer: torch.optim.Optimizer, factor: float) -> float:
    """Set every group to `factor` times its base rate; returns the first group's rate."""
    for group in optimizer.param_groups:
        group["lr"] = group["base_lr"] * factor
    return float(optimizer.param_groups[0]["lr"])


def _fits(name: str, patterns: Sequence[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)
