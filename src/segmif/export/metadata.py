"""What an exported file says about itself: classes, colours, how to prepare pictures, where the guide comes from."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from segmif._version import __version__
from segmif.checks import InputError, require_extra
from segmif.labelsets import LabelSet, numbered
from segmif.models import SegMiF

PREPROCESSING = (
    "infrared (B,1,H,W) and visible RGB (B,3,H,W) are float32 in [0,1]: 8-bit values divided by 255; sides of at least "
    "32 pixels, any size; mean and std are applied inside the graph"
)


SECTION = "segmif"
"""Of an OpenVINO file's rt_info."""


@dataclass(frozen=True, kw_only=True)
class Description:
    """The metadata of an exported file.

    Attributes:
        model: its name.
        segmif_version: of the package that wrote it.
        guide: the kind of guide the weights were trained with; None where the network needs none.
        guide_source: "inside" the graph, "input" if the file takes it as a third input, "none".
        label_set: names and colours of the classes; None for a fusion-only model.
        mean: of the images the encoder was trained with; applied inside.
        std: likewise.
        precision: "float32", or "int8" for a file whose convolutions were quantised.
    """

    model: str
    segmif_version: str
    guide: str | None
    guide_source: str
    label_set: LabelSet | None
    mean: tuple[float, ...]
    std: tuple[float, ...]
    precision: str = "float32"

    def to_strings(self) -> dict[str, str]:
        """Text values, lists as JSON, for the metadata of a file."""
        classes = self.label_set.classes if self.label_set else ()
        palette = self.label_set.palette if self.label_set else ()
        return {
            "segmif_version": self.segmif_version,
            "model": self.model,
            "guide": self.guide or "none",
            "guide_source": self.guide_source,
            "label_set": self.label_set.name if self.label_set else "",
            "classes": json.dumps(classes, ensure_ascii=False),
            "palette": json.dumps(palette),
            "mean": json.dumps(self.mean),
            "std": json.dumps(self.std),
            "precision": self.precision,
            "preprocessing": PREPROCESSING,
        }

    @classmethod
    def from_strings(cls, values: Mapping[str, str], *, where: str) -> Description:
        """The inverse of `to_strings`.

        Raises:
            InputError: the file was not written by `segmif export`.
        """
        try:
            classes, palette = json.loads(values["classes"]), json.loads(values["palette"])
            labels = LabelSet(
                name=values["label_set"], classes=tuple(classes), palette=tuple((r, g, b) for r, g, b in palette)
            )
            return cls(
                model=values["model"],
                segmif_version=values["segmif_version"],
                guide=None if values["guide"] == "none" else values["guide"],
                guide_source=values["guide_source"],
                label_set=labels if classes else None,
                mean=tuple(json.loads(values["mean"])),
                std=tuple(json.loads(values["std"])),
                precision=values.get("precision", "float32"),  # files of earlier versions do not say
            )
        except (KeyError, ValueError, TypeError, AssertionError) as error:
            raise InputError(f"{where}: was not written by 'segmif export'; export the model again") from error


def describe(network: SegMiF, *, name: str, guide: str | None) -> Description:
    """What a file of `network` whose graph has `guide` (see `segmif.export.graph.Graph`) shall say."""
    config = network.config
    labels = None if config.num_classes is None else config.label_set or numbered(config.num_classes)
    return Description(
        model=name,
        segmif_version=__version__,
        guide=None if guide is None else config.guide if guide == "input" else guide,
        guide_source="none" if guide is None else "input" if guide == "input" else "inside",
        label_set=labels,
        mean=config.mean,
        std=config.std,
    )


def read_description(path: str | os.PathLike[str]) -> Description:
    """The description of an exported file: ONNX (extra `onnx`) or, with the suffix .xml, OpenVINO (extra `openvino`).

    Raises:
        InputError: missing, damaged, or not one of ours.
    """
    if not Path(path).is_file():
        raise InputError(f"{path}: no such file; check the path")
    read = _openvino_strings if Path(path).suffix.lower() == ".xml" else _onnx_strings
    return Description.from_strings(read(path), where=str(path))


def _onnx_strings(path: str | os.PathLike[str]) -> dict[str, str]:
    onnx = require_extra("onnx", "onnx")
    try:
        model = onnx.load(os.fspath(path), load_external_data=False)
    except Exception as error:  # protobuf's own class, which differs among its versions
        raise InputError(f"{path}: is not a readable ONNX file; export the model again") from error
    return {entry.key: entry.value for entry in model.metadata_props}


def _openvino_strings(path: str | os.PathLike[str]) -> dict[str, str]:
    openvino = require_extra("openvino", "openvino")
    if not Path(path).with_suffix(".bin").is_file():
        raise InputError(f"{path}: its weights {Path(path).stem}.bin are not beside it; copy both files")
    try:
        model = openvino.Core().read_model(os.fspath(path))
    except Exception as error:  # RuntimeError and others, by version
        raise InputError(f"{path}: is not a readable OpenVINO model; export the model again") from error
    if not model.has_rt_info([SECTION]):
        return {}
    return {key: str(value) for key, value in model.get_rt_info([SECTION]).value.items()}
