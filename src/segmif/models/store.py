"""Weights on disk: safetensors with a `config.json` beside them; foreign files without running their code."""

from __future__ import annotations

import json
import os
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn

from segmif.checks import InputError
from segmif.io import atomic_path, read_bytes, write_json

CONFIG_NAME = "config.json"
WEIGHTS_NAME = "model.safetensors"

State = dict[str, Tensor]


def save(
    folder: str | os.PathLike[str], config: Mapping[str, Any], state: Mapping[str, Tensor], *, dtype: torch.dtype | None
) -> None:
    """Write both files, each whole or not at all; floats in `dtype` if given."""
    tensors = {
        key: (value.to(dtype) if dtype is not None and value.is_floating_point() else value).detach().cpu().contiguous()
        for key, value in state.items()
    }
    with atomic_path(Path(folder) / WEIGHTS_NAME) as temporary:
        safetensors.torch.save_file(tensors, temporary, metadata={"format": "pt"})
    write_json(Path(folder) / CONFIG_NAME, dict(config))


def read(source: str | os.PathLike[str], *, revision: str | None = None, **hub: Any) -> tuple[str, Any, State]:
    """The folder's or Hub repository's name for messages, its configuration and its tensors.

    Raises:
        InputError: there is no such folder or repository, or a file in it is missing or damaged.
    """
    config_path, weights_path = locate(source, (CONFIG_NAME, WEIGHTS_NAME), revision=revision, **hub)
    return str(source), read_config(config_path), read_state(weights_path)


def locate(
    source: str | os.PathLike[str], names: tuple[str, ...], *, revision: str | None = None, **hub: Any
) -> list[Path]:
    """Paths of the named files in a local folder or, fetched and cached, in a Hub repository "owner/name"."""
    folder = Path(source)
    if folder.is_dir():
        return [folder / name for name in names]
    if folder.exists() or str(source).count("/") != 1 or str(source).startswith((".", "/", "~")):
        raise InputError(f"{source}: no such folder; give one that holds {' and '.join(names)}, or a Hub id owner/name")
    import huggingface_hub

    try:
        return [Path(huggingface_hub.hf_hub_download(str(source), n, revision=revision, **hub)) for n in names]
    except (OSError, ValueError) as error:  # what huggingface_hub raises for absent, private or unreachable
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InputError(f"{source}: no such folder, and not to be had from the Hugging Face Hub ({reason})") from error


def read_config(path: Path) -> dict[str, Any]:
    """A JSON object from a file."""
    try:
        values = json.loads(read_bytes(path))
    except ValueError as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path}: is not valid JSON ({error}); copy or save it again") from error
    if not isinstance(values, dict):
        raise InputError(f"{path}: must hold a JSON object, got {type(values).__name__}; save it again")
    return values


def read_state(path: str | os.PathLike[str]) -> State:
    """The tensors of a checkpoint file: safetensors, or a PyTorch file that holds nothing but data.

    A PyTorch file is a pickle, which may carry code; only plain data is unpacked, anything else is refused.
    A state dict inside `state_dict` or `model` is found, and a `module.` prefix (data parallel) taken off.

    Raises:
        InputError: the file is missing, damaged, carries code, or holds no tensors.
    """
    path = Path(path)
    if path.is_dir() or not path.exists():
        read_bytes(path)  # says which, in the wording of every missing file
    try:
        if path.suffix == ".safetensors":
            state: State = safetensors.torch.load_file(path)
            return state
        content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise InputError(
            f"{path}: is damaged, or holds more than tensors, which is refused because it could run code; "
            "save the state dict alone, best as .safetensors"
        ) from error
    except Exception as error:  # on damaged files the readers raise whatever their next byte leads them to
        reason = " ".join(str(error).split())[:120]
        raise InputError(f"{path}: is not a readable checkpoint ({reason}); fetch or save it again") from error
    return plain_state(content, where=str(path))


def plain_state(content: object, *, where: str) -> State:
    """The state dict in what a checkpoint held."""
    for key in ("state_dict", "model"):
        if isinstance(content, Mapping) and isinstance(content.get(key), Mapping):
            content = content[key]
    if isinstance(content, Mapping):
        state = {str(key).removeprefix("module."): value for key, value in content.items() if isinstance(value, Tensor)}
        if state:
            return state
    raise InputError(f"{where}: holds no named tensors; expected a state dict")


def load_state(module: nn.Module, state: Mapping[str, Tensor], *, where: str) -> None:
    """Copy `state` into `module`, all of it and nothing else; floats take the module's dtype.

    Raises:
        InputError: a tensor is missing, unknown or of another shape; the message counts them and names the first.
    """
    check_state(module.state_dict(), state, where=where)
    module.load_state_dict(dict(state))


def check_state(expected: Mapping[str, Tensor], state: Mapping[str, Tensor], *, where: str) -> None:
    """Raise `InputError` unless both have the same names and shapes."""
    problems = {
        "missing": [key for key in expected if key not in state],
        "unknown": [key for key in state if key not in expected],
        "of another shape": [key for key in expected if key in state and expected[key].shape != state[key].shape],
    }
    found = [f"{len(keys)} tensors {kind} (first {keys[0]!r})" for kind, keys in problems.items() if keys]
    if found:
        raise InputError(f"{where}: does not fit this network: {', '.join(found)}; check the architecture and classes")


def check_size(parameters: int, state: Mapping[str, Tensor]) -> None:
    """Raise `InputError` if a network of at least so many parameters is larger than the tensors meant for it.

    A stranger's configuration may ask for more memory than there is: this is found before any is taken.
    """
    held = sum(value.numel() for value in state.values())
    if parameters > held:
        raise InputError(
            f"asks for a network of at least {parameters} parameters, {WEIGHTS_NAME} holds {held}; get both anew"
        )
