"""A sample as a few named byte strings and back: what tar shards hold."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from segmif.checks import InputError
from segmif.data.base import Boxes, PairSample
from segmif.data.labels import stored_values
from segmif.io import Array, decode_image, encode_image, encode_labels
from segmif.labelsets import LABEL_SETS, LabelSet


def sample_to_parts(sample: PairSample, classes: LabelSet | None) -> dict[str, bytes]:
    """The parts of a sample, lossless (pictures must be uint8 or uint16).

    ``infrared.png``, ``visible.png``, ``meta.json``, and where there are ``label.png``, ``target.png``, ``boxes.json``.
    """
    meta = {"name": sample.name, "classes": classes.name if classes else None, **sample.meta}
    parts = {
        "infrared.png": encode_image(sample.infrared),
        "visible.png": encode_image(sample.visible),
        "meta.json": json.dumps(meta).encode(),
    }
    if sample.labels is not None:
        parts["label.png"] = encode_labels(sample.labels, classes.palette if classes else ())
    if sample.target is not None:
        parts["target.png"] = encode_image(sample.target)
    if sample.boxes is not None:
        parts["boxes.json"] = json.dumps(boxes_to_json(sample.boxes)).encode()
    return parts


def pictures_from_parts(parts: Mapping[str, bytes], *, where: str) -> tuple[Array, Array]:
    """The (infrared, visible) pictures of `sample_to_parts` alone; of any format we read.

    Raises:
        InputError: one is missing or damaged.
    """
    roles = _roles(parts, where)
    try:
        return decode_image(roles["infrared"]), decode_image(roles["visible"])
    except InputError as error:
        raise InputError(f"{where}: {error}") from error


def _roles(parts: Mapping[str, bytes], where: str) -> dict[str, bytes]:
    """The parts by what they are: ``infrared.png`` is the infrared picture."""
    roles = {name.partition(".")[0]: data for name, data in parts.items()}
    for role in ("infrared", "visible"):
        if role not in roles:
            raise InputError(f"{where}: has no {role} picture, only {', '.join(sorted(parts))}; write the shard again")
    return roles


def sample_from_parts(parts: Mapping[str, bytes], *, where: str) -> PairSample:
    """The sample of `sample_to_parts`; pictures may be of any format we read.

    Raises:
        InputError: a part is missing or damaged.
    """
    roles = _roles(parts, where)
    try:
        meta = json.loads(roles.get("meta", b"{}"))
        return PairSample(
            name=str(meta.pop("name", where)),
            infrared=decode_image(roles["infrared"]),
            visible=decode_image(roles["visible"]),
            labels=stored_values(roles["label"]).astype(np.uint8) if "label" in roles else None,
            boxes=boxes_from_json(json.loads(roles["boxes"])) if "boxes" in roles else None,
            target=decode_image(roles["target"]) if "target" in roles else None,
            meta=meta,
        )
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:  # an InputError is a ValueError
        raise InputError(f"{where}: is damaged ({error}); write the shard again") from error


def classes_of(meta: Mapping[str, Any]) -> LabelSet | None:
    """The label set a sample's meta names, if we know it."""
    return LABEL_SETS.get(str(meta.get("classes")))


def boxes_to_json(boxes: Boxes) -> dict[str, Any]:
    """Plain lists."""
    return {
        "xyxy": boxes.xyxy.tolist(),
        "class_ids": boxes.class_ids.tolist(),
        "ignore": boxes.ignore.tolist(),
    }


def boxes_from_json(value: Mapping[str, Any]) -> Boxes:
    """The boxes of `boxes_to_json`."""
    return Boxes(
        xyxy=np.array(value["xyxy"], np.float32).reshape(-1, 4),
        class_ids=np.array(value["class_ids"], np.int64),
        ignore=np.array(value["ignore"], np.bool_),
    )
