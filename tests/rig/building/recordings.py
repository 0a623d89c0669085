"""Recordings of the simulated rig in motion, annotated with the truth, as `segmif rig` leaves them on disk."""

from __future__ import annotations

import functools
import json
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from segmif.io import Array, write_bytes, write_image, write_labels
from segmif.labelsets import FMB
from segmif.rig.annotation.document import Document
from segmif.rig.annotation.native import encode_document
from segmif.rig.annotation.raster import shapes_of_map
from segmif.rig.record.simulate import SimulatedRig

SIZE = (96, 128)
PLACE = (50.0, 8.0)
START = 1_750_000_000.0


@functools.cache
def street(drive: int) -> SimulatedRig:
    """The rig in the street of a drive, by day and by night in turn."""
    return SimulatedRig(seed=drive, size=SIZE, seconds=60.0, time="night" if drive % 2 else "day")


@functools.cache
def _moment(drive: int, second: int) -> tuple[Array, Array, Array]:
    rig = street(drive)
    return rig.view("infrared", float(second)), rig.view("visible", float(second)), rig.labels(float(second))


def recording(
    root: Path, *, drives: int = 4, pairs: int = 2, shift: int = 0, polygons: bool = False, manifest: bool = True
) -> Path:
    """`drives` streets filmed for `pairs` seconds each, two hours apart, infrared `shift` pixels to the right."""
    lines = []
    for drive in range(drives):
        for second in range(pairs):
            name = f"{drive * pairs + second + 1:06d}"
            infrared, visible, labels = _moment(drive, second)
            write_image(root / "Infrared" / f"{name}.png", np.roll(infrared, shift, axis=1))
            write_image(root / "Visible" / f"{name}.png", visible)
            if polygons:
                shapes = tuple(shapes_of_map(labels))
                document = Document(image=f"{name}.png", width=SIZE[1], height=SIZE[0], shapes=shapes)
                write_bytes(root / "annotations" / f"{name}.json", encode_document(document, FMB))
            else:
                write_labels(root / "label" / f"{name}.png", labels, FMB.palette)
            files = {band: f"{band.capitalize()}/{name}.png" for band in ("infrared", "visible")}
            place = dict(zip(("latitude", "longitude"), PLACE, strict=True))
            moment = datetime.fromtimestamp(START + 7200 * drive + second, UTC).isoformat().replace("+00:00", "Z")
            times = {"infrared_time": moment, "visible_time": moment}
            lines.append(json.dumps({"name": name, **files, **times, **place}))
    if manifest:
        (root / "manifest.jsonl").write_text("".join(f"{line}\n" for line in lines))
    return root
