"""Recordings of the simulated rig in motion, annotated with the truth, as `segmif rig` leaves them on disk."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from segmif.io import write_bytes, write_image, write_labels
from segmif.labelsets import FMB
from segmif.rig.annotation.document import Document
from segmif.rig.annotation.native import encode_document
from segmif.rig.annotation.raster import shapes_of_map
from segmif.rig.record.simulate import SimulatedRig

SIZE = (96, 128)
PLACE = (50.0, 8.0)
START = 1_750_000_000.0


def recording(
    root: Path, *, drives: int = 4, pairs: int = 2, shift: int = 0, polygons: bool = False, manifest: bool = True
) -> Path:
    """`drives` streets filmed for `pairs` seconds each, two hours apart, infrared `shift` pixels to the right."""
    lines = []
    for drive in range(drives):
        rig = SimulatedRig(seed=drive, size=SIZE, seconds=60.0, time="night" if drive % 2 else "day")
        for second in range(pairs):
            name = f"{drive * pairs + second + 1:06d}"
            infrared, labels = rig.view("infrared", float(second)), rig.labels(float(second))
            write_image(root / "Infrared" / f"{name}.png", np.roll(infrared, shift, axis=1))
            write_image(root / "Visible" / f"{name}.png", rig.view("visible", float(second)))
            if polygons:
                shapes = tuple(shapes_of_map(labels))
                document = Document(image=f"{name}.png", width=SIZE[1], height=SIZE[0], shapes=shapes)
                write_bytes(root / "annotations" / f"{name}.json", encode_document(document, FMB))
            else:
                write_labels(root / "label" / f"{name}.png", labels, FMB.palette)
            files = {band: f"{band.capitalize()}/{name}.png" for band in ("infrared", "visible")}
            place = dict(zip(("latitude", "longitude"), PLACE, strict=True))
            lines.append(json.dumps({"name": name, **files, "utc": START + 7200 * drive + second, **place}))
    if manifest:
        (root / "manifest.jsonl").write_text("".join(f"{line}\n" for line in lines))
    return root
