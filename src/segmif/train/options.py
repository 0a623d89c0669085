"""Recipes on the command line: every field is an option, a misspelt one is an error with a suggestion."""

from __future__ import annotations

import contextlib
import io
import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from segmif.checks import InputError, require_extra, unknown
from segmif.labelsets import label_set
from segmif.models import SegMiFConfig
from segmif.train.config import Recipe
from segmif.train.recipes import RECIPES, recipe


def override(name: str, arguments: Sequence[str]) -> Recipe:
    """The recipe `name` with the fields given as ``--field.inner value`` replaced.

    ``--model PRESET`` replaces the whole model and ``--label-set NAME`` its classes, before any single fields.

    Raises:
        InputError: no such recipe or field, or a value that does not fit.
    """
    tyro: Any = require_extra("tyro", "train")
    arguments = list(arguments)
    default = _with_model(recipe(name), arguments)
    kind = tyro.conf.AvoidSubcommands[Recipe]
    _check_names(default, arguments)
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said), contextlib.redirect_stdout(said):
            chosen: Recipe = tyro.cli(kind, default=default, args=arguments)
    except SystemExit as error:
        raise InputError(_one_line(said.getvalue())) from error
    return chosen


def describe_options(name: str) -> str:
    """Every option of a recipe with its meaning and default.

    Raises:
        InputError: no such recipe.
    """
    tyro: Any = require_extra("tyro", "train")
    default, text = recipe(name), io.StringIO()
    with contextlib.redirect_stdout(text), contextlib.suppress(SystemExit):
        tyro.cli(tyro.conf.AvoidSubcommands[Recipe], default=default, args=["--help"], prog=f"segmif train {name}")
    return text.getvalue()


def _with_model(default: Recipe, arguments: list[str]) -> Recipe:
    """Take ``--model PRESET`` and ``--label-set NAME`` out of the arguments and apply them."""
    model = default.model
    preset, classes = _taken_out("--model", arguments), _taken_out("--label-set", arguments)
    if preset is not None:
        model = SegMiFConfig.preset(preset, num_classes=model.num_classes, label_set=model.label_set)
    if classes is not None:
        chosen = label_set(classes)
        model = replace(model, label_set=chosen, num_classes=len(chosen))
    return replace(default, model=model)


def _taken_out(option: str, arguments: list[str]) -> str | None:
    if option not in arguments:
        return None
    at = arguments.index(option)
    if at + 1 == len(arguments):
        raise InputError(f"{option} needs a name, e.g. --model mit_b3 or --label-set mfnet")
    name = arguments[at + 1]
    del arguments[at : at + 2]
    return name


def describe_recipes() -> str:
    """One line per recipe: name and what it is."""
    width = max(map(len, RECIPES))
    lines = [f"  {name:<{width}}  {' '.join((make.__doc__ or '').split())}" for name, make in RECIPES.items()]
    return "\n".join(["Recipes:", *lines, "", "segmif train RECIPE --help shows every option of a recipe."])


def option_names(value: Any, prefix: str = "") -> set[str]:
    """The dotted option names of a dataclass instance, dashes for underscores, groups included."""
    names: set[str] = set()
    fields = getattr(value, "__dataclass_fields__", None)
    inner = [(name, getattr(value, name)) for name in fields] if fields else []
    if isinstance(value, tuple):
        inner = [(str(index), item) for index, item in enumerate(value) if hasattr(item, "__dataclass_fields__")]
    for name, item in inner:
        dotted = f"{prefix}{name.replace('_', '-')}"
        names |= {dotted} | option_names(item, f"{dotted}.")
    return names


def _check_names(default: Recipe, arguments: Sequence[str]) -> None:
    known = option_names(default)
    for argument in arguments:
        if not argument.startswith("--"):
            continue
        name = argument[2:].partition("=")[0].replace("_", "-")
        last = name.rpartition(".")
        positive = f"{last[0]}{last[1]}{last[2].removeprefix('no-')}"
        kind = name.partition(":")[0]
        if not {name, positive, kind} & known:
            error = unknown("option", argument.partition("=")[0], (f"--{option}" for option in known))
            shortened = str(error).partition(" (known:")[0]
            raise InputError(f"{shortened} (segmif train {default.name} --help lists all)")


def _one_line(text: str) -> str:
    """The substance of tyro's framed message."""
    lines = [line.strip("│╭╮╰╯─ \t") for line in text.splitlines()]
    message = " ".join(line for line in lines if line)
    message = re.split(r"Argument helptext|Available subcommands|For full help", message)[0]
    message = re.sub(r"[─-]{4,}", "", message)
    message = re.sub(r"^(Parsing error|Value error|Invalid choice|Unrecognized options)\b", "", message.strip())
    return " ".join(message.split()).rstrip(".") + "; --help after the recipe's name shows what fits"
