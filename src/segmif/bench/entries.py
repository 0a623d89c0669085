"""What takes part in a benchmark: a classic method, a network, or a folder of pictures some program fused.

Every kind ends as something that gives the fused picture of a pair and a key that changes when the picture would:
networks run first, one after the other, and take part as the folder of what they made.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from segmif.bench.cache import code_version, digest, file_digest
from segmif.bench.methods import METHODS, fuse_luma, get_method
from segmif.checks import InputError, check_same_size, unknown
from segmif.data.base import PairSample
from segmif.data.catalog import CATALOG
from segmif.io import read_image, to_unit
from segmif.models import weights
from segmif.pairing import list_images

Array = npt.NDArray[Any]

_ENDINGS = ("", "_fused")
"""What may follow the pair's name in the name of a fused picture; `segmif fuse` writes NAME_fused.png."""


class Entry(Protocol):
    """Gives fused pictures; picklable."""

    @property
    def name(self) -> str:
        """What tables call it."""
        ...

    def key(self, pair: str, sources: str) -> str:
        """Changes when the picture of this pair would; `sources` is the key of the source files."""
        ...

    def picture(self, sample: PairSample) -> Array:
        """The fused picture, (H, W) or RGB (H, W, 3), of the pair's size.

        Raises:
            InputError: there is none.
        """
        ...


@dataclass(frozen=True, kw_only=True)
class Classic:
    """One of `segmif.bench.methods.METHODS`; luma is fused, the chroma of the visible picture kept."""

    name: str

    def key(self, pair: str, sources: str) -> str:
        """Depends on the code of the methods."""
        code = code_version(
            "segmif.bench.methods", "segmif.bench.gradient_transfer", "segmif.guide", "segmif.color", "segmif.io"
        )
        return digest("classic", self.name, code, sources)

    def picture(self, sample: PairSample) -> Array:
        """Fuse the pair; uint8 RGB."""
        infrared, visible = to_unit(sample.infrared, "infrared"), to_unit(sample.visible, "visible")
        fused: Array = np.rint(fuse_luma(get_method(self.name), infrared, visible) * 255).astype(np.uint8)
        return fused


@dataclass(frozen=True, kw_only=True)
class Folder:
    """Pictures by the name of their pair; `labels` likewise, where there are label maps too.

    `missing` says of a pair why it has no picture, if that is known.
    """

    name: str
    files: Mapping[str, Path]
    labels: Mapping[str, Path] = field(default_factory=dict)
    missing: Mapping[str, str] = field(default_factory=dict)
    where: str = ""

    @classmethod
    def of(cls, name: str, path: str | Path, pairs: list[str]) -> Folder:
        """List a folder: PAIR.png or PAIR_fused.png, and PAIR_labels.png.

        Raises:
            InputError: no such folder, or not one of the pairs has a picture there.
        """
        found = list_images(Path(path), recursive=True)
        files = {p: found[p + end] for p in pairs for end in reversed(_ENDINGS) if p + end in found}
        if not files:
            seen = ", ".join(list(found)[:3]) or "nothing"
            raise InputError(
                f"{path}: holds no picture of the {len(pairs)} pairs (it holds {seen}; the pairs are "
                f"{', '.join(pairs[:3])}...); results must have the name of their pair"
            )
        labels = {p: found[f"{p}_labels"] for p in pairs if f"{p}_labels" in found}
        return cls(name=name, files=files, labels=labels, where=str(path))

    def key(self, pair: str, sources: str) -> str:
        """Depends on the picture's bytes."""
        return digest("file", file_digest(self._file(pair)), sources)

    def picture(self, sample: PairSample) -> Array:
        """The picture as stored."""
        path = self._file(sample.name)
        picture = read_image(path)
        check_same_size(f"the fused image {path.name}", (picture.shape[0], picture.shape[1]), "its pair", sample.size)
        return picture

    def _file(self, pair: str) -> Path:
        if pair not in self.files:
            raise InputError(self.missing.get(pair, f"{self.where}: holds no picture named {pair!r}; fuse it first"))
        return self.files[pair]


@dataclass(frozen=True, kw_only=True)
class Spec:
    """What a user named: `kind` is ``"classic"``, ``"network"`` or ``"folder"``, `source` the path or model.

    `only` names the data sets it takes part in, None for all.
    """

    name: str
    kind: str
    source: str
    only: tuple[str, ...] | None = None

    def runs_on(self, dataset: str) -> bool:
        """Whether it takes part in a data set, by its name."""
        return self.only is None or dataset in self.only

    def folder(self, dataset: str) -> Path:
        """The folder of results for a data set: ``{dataset}`` stands for its name, else a sub-folder of that name."""
        if "{dataset}" in self.source:
            return Path(self.source.replace("{dataset}", dataset))
        inner = Path(self.source) / dataset
        return inner if inner.is_dir() else Path(self.source)


def parse_methods(texts: list[str]) -> list[Spec]:
    """What `--methods` names, in order and once each.

    A text is the name of a classic method, ``classic`` for all of them, the name of a shipped model, ``models`` for all
    of those, a Hub id, the path of a model or of a folder of fused pictures, or ``NAME=PATH`` to say what to call it.
    ``…@DATASET`` or ``…@ONE,OTHER`` at its end keeps it to these data sets, such as a model made for one.

    Raises:
        InputError: it is none of these, or two have one name.

    >>> [spec.kind for spec in parse_methods(["average", "SeAFusion=results/{dataset}"])]
    ['classic', 'folder']
    """
    specs: dict[str, Spec] = {}
    for text in texts:
        for spec in _parse(text):
            if specs.get(spec.name, spec) != spec:
                raise InputError(f"two methods are named {spec.name!r}; give one another name: NAME={spec.source}")
            specs[spec.name] = spec
    if not specs:
        raise InputError("no methods to compare; name some, e.g. --methods classic")
    return list(specs.values())


def _parse(text: str) -> list[Spec]:
    body, at, wanted = text.rpartition("@")
    only = tuple(wanted.split(","))
    if at and all(name in CATALOG for name in only):
        return [replace(spec, only=only) for spec in _parse(body)]
    if text == "classic":
        return [Spec(name=name, kind="classic", source=name) for name in METHODS]
    if text == "models":
        return [Spec(name=name, kind="network", source=name) for name in weights.SHIPPED]
    if text in METHODS:
        return [Spec(name=text, kind="classic", source=text)]
    name, equals, source = text.partition("=")
    source = source if equals else text
    name = name if equals else Path(text).name
    if source in weights.SHIPPED or (Path(source) / "config.json").is_file():
        return [Spec(name=name, kind="network", source=source)]
    if Path(source).is_dir() or "{dataset}" in source:
        return [Spec(name=name, kind="folder", source=source)]
    if equals:
        raise InputError(f"{source}: no such folder; give the fused pictures or the model of {name!r}")
    if text.count("/") == 1 and not text.startswith((".", "/", "~")):
        return [Spec(name=name, kind="network", source=text)]
    raise unknown("method", text, [*METHODS, *weights.SHIPPED, "classic", "models"])
