"""Networks in a benchmark: each fuses all pairs once; what it makes is kept, and only pairs that changed run again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from segmif.bench.cache import code_version, digest
from segmif.bench.entries import Folder, Spec
from segmif.bench.sources import Pairs
from segmif.checks import InputError
from segmif.infer import Model, Result, load
from segmif.io import write_image, write_labels
from segmif.labelsets import LabelSet


@dataclass(frozen=True, kw_only=True)
class Network:
    """A model, the key of everything its pictures depend on besides the pair, and the classes of its label maps.

    `model` is None once it has done its work, `label_set` for a fusion-only one.
    """

    name: str
    model: Model | None
    identity: str
    label_set: LabelSet | None

    def without_model(self) -> Network:
        """The same, its memory given back."""
        return replace(self, model=None)


def load_network(spec: Spec, *, device: str = "auto", dtype: str = "auto") -> Network:
    """Load what a `Spec` of kind ``"network"`` names; errors as `segmif.load`."""
    model = load(spec.source, device=device, dtype=dtype)
    code = code_version("segmif.models", "segmif.infer", "segmif.guide", "segmif.color", "segmif.io")
    parts = [code, repr(model.network.config), str(model.engine.dtype), model.engine.device.type]
    for name, tensor in model.network.state_dict().items():
        parts += [name, digest(tensor.detach().cpu().reshape(-1).view(torch.uint8).numpy().tobytes())]
    return Network(name=spec.name, model=model, identity=digest("network", *parts), label_set=model.label_set)


def pictures_of(network: Network, pairs: Pairs, folder: Path, *, advance: Callable[[], None] = lambda: None) -> Folder:
    """Fuse the pairs that `folder` does not hold yet, and give all as an entry.

    A pair that cannot be fused is left out; the entry says why.

    Raises:
        InputError: `folder` cannot be written.
    """
    files: dict[str, Path] = {}
    labels: dict[str, Path] = {}
    missing: dict[str, str] = {}
    for index, name in enumerate(pairs.samples.names):
        try:
            path = folder / f"{digest(network.identity, pairs.sources(index))}.png"
            labels_path = path.with_name(f"{path.stem}_labels.png") if network.label_set else None
            result = None
            if not all(p is None or p.exists() for p in (path, labels_path)):
                sample = pairs.samples[index]
                assert network.model is not None
                result = network.model.predict(sample.infrared, sample.visible)
        except InputError as error:
            missing[name] = str(error)
        else:
            if result is not None:
                _write(result, path, labels_path)
            files[name] = path
            if labels_path is not None:
                labels[name] = labels_path
        advance()
    return Folder(name=network.name, files=files, labels=labels, missing=missing, where=network.name)


def _write(result: Result, path: Path, labels_path: Path | None) -> None:
    if labels_path is not None and result.labels is not None and result.label_set is not None:
        write_labels(labels_path, result.labels, result.label_set.palette)
    write_image(path, result.fused)
