"""From two uploaded pictures to the bytes of an answer: one PNG, or a zip of everything with a report."""

from __future__ import annotations

import io as streams
import json
import re
import time
import zipfile
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, Literal

import cv2
import numpy as np
import numpy.typing as npt

from segmif import io
from segmif.app.models import Models, hex_colour
from segmif.app.uploads import safe_stem
from segmif.checks import InputError
from segmif.infer import Model, Result
from segmif.infer.attention_maps import AttentionMaps, AttentionRecorder
from segmif.metrics import fusion_metrics
from segmif.metrics.fusion.catalog import METRICS
from segmif.metrics.fusion.panel import PANEL
from segmif.models.config import GuideKind
from segmif.rig.register import align_pair
from segmif.viz import class_shares

Output = Literal["fused", "labels", "overlay", "panel", "all"]

MEANINGS = {
    "EN": "information in the fused picture, bits",
    "SD": "contrast",
    "SF": "fine detail",
    "AG": "sharpness",
    "MI": "information shared with both sources, bits",
    "SCD": "what each source added",
    "VIF": "visual information kept from both",
    "Qabf": "edges kept from both",
    "SSIM": "structure kept from both",
    "CC": "correlation with both",
}
_COLOURFUL, _GREY = 0.05, 0.01
"""Mean spread of the channels, as a share of white, above which a picture is coloured and below which it is grey."""
_BAND_WORDS = {
    "infrared": {"infrared", "ir", "thermal", "lwir", "flir"},
    "visible": {"visible", "vis", "vi", "rgb", "color", "colour"},
}


@dataclass(frozen=True, kw_only=True)
class Wish:
    """What a visitor asked for."""

    output: Output = "all"
    model: str | None = None
    guide: GuideKind | None = None
    opacity: float = 0.45
    align: bool = False
    attention: bool = True


@dataclass(frozen=True, kw_only=True)
class Upload:
    """An encoded picture and the name it came under."""

    data: bytes
    name: str


@dataclass(frozen=True, kw_only=True)
class Answer:
    """The body of a response; `summary` is the part of the report that is known without looking at the pictures."""

    body: bytes
    media_type: str
    filename: str
    summary: dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Fused:
    """A result and what else is known about how it came about."""

    result: Result
    maps: AttentionMaps | None
    summary: dict[str, Any]


def answer(models: Models, infrared: Upload, visible: Upload, wish: Wish) -> Answer:
    """Decode, fuse and encode; call it in the thread that computes.

    Raises:
        InputError: a picture is damaged or unsuitable, or the output needs labels and there are none.
    """
    fused = fuse(models.get(wish.model), infrared, visible, wish)
    stem = safe_stem(visible.name)
    if wish.output == "all":
        return Answer(
            body=bundle(fused, wish), media_type="application/zip", filename=f"{stem}_segmif.zip", summary=fused.summary
        )
    body = encode(fused.result, wish.output, opacity=wish.opacity)
    return Answer(body=body, media_type="image/png", filename=f"{stem}_{wish.output}.png", summary=fused.summary)


def fuse(model: Model, infrared: Upload, visible: Upload, wish: Wish) -> Fused:
    """One pair through a model."""
    start = time.perf_counter()
    thermal, colour = decode(infrared, "infrared"), decode(visible, "visible")
    swapped = seems_swapped(thermal, colour, infrared.name, visible.name)
    notes: list[str] = []
    if wish.align:
        thermal, colour = align_pair(thermal, colour, on_refusal=notes.append)
    # Other back ends do not call the parts of the network, so there is nothing to listen to.
    listening = wish.output == "all" and wish.attention and model.backend.name == "eager"
    recorder = AttentionRecorder(model.network) if listening else None
    with recorder or nullcontext():
        result = model.predict(thermal, colour, guide=wish.guide, name=safe_stem(visible.name))
    if swapped:
        notes.append("infrared and visible seem to be swapped")
    summary = {
        "model": model.name,
        "guide": wish.guide or model.guide_kind,
        "width": result.fused.shape[1],
        "height": result.fused.shape[0],
        "seconds": round(time.perf_counter() - start, 3),
        "notes": [*result.notes, *notes],
        "swapped": swapped,
    }
    return Fused(result=result, maps=recorder.maps if recorder else None, summary=summary)


def decode(upload: Upload, band: str) -> io.Array:
    """The picture as stored.

    Raises:
        InputError: naming the band and the reason.
    """
    try:
        return io.decode_image(upload.data)
    except InputError as error:
        raise InputError(f"{band}: {error}") from error


def encode(result: Result, output: str, *, opacity: float = 0.45) -> bytes:
    """One output as a PNG; labels as a palette picture of class ids.

    Raises:
        InputError: it needs labels and the model is fusion only.
    """
    if output == "labels" and result.labels is not None and result.label_set is not None:
        return io.encode_labels(result.labels, result.label_set.palette)
    if output == "overlay":
        return io.encode_image(np.asarray(result.overlay(opacity=opacity)))
    return io.encode_image(result.picture(output))


def bundle(fused: Fused, wish: Wish) -> bytes:
    """A zip, not packed further: the pictures of `contents` and report.json."""
    files, attention = contents(fused, wish)
    report = {**fused.summary, **account(fused.result), "attention": attention, "files": list(files)}
    files["report.json"] = json.dumps(report, indent=2, ensure_ascii=False, allow_nan=False).encode() + b"\n"
    buffer = streams.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def contents(fused: Fused, wish: Wish) -> tuple[dict[str, bytes], list[dict[str, Any]]]:
    """File name → picture of everything there is to see, and what the attention maps show."""
    result = fused.result
    files = {
        "infrared.png": io.encode_image(result.infrared),
        "visible.png": io.encode_image(result.visible),
        "fused.png": encode(result, "fused"),
    }
    if result.labels is not None:
        files["labels.png"] = encode(result, "labels")
        files["overlay.png"] = encode(result, "overlay", opacity=wish.opacity)
    files["panel.png"] = encode(result, "panel")
    described = []
    for name, entry, shares in named_maps(fused.maps) if fused.maps is not None else ():
        low, high = (float(v) for v in np.percentile(shares, (1, 99)))
        files[f"attention/{name}.jpg"] = io.encode_image(heat(shares, low, high), ".jpg", quality=90)
        numbers = {"mean": float(shares.mean()), "low": low, "high": high}
        described.append({"file": f"attention/{name}.jpg", **entry, **{k: round(v, 4) for k, v in numbers.items()}})
    return files, described


def named_maps(maps: AttentionMaps) -> list[tuple[str, dict[str, Any], npt.NDArray[np.float32]]]:
    """(file stem, what it is, shares) of every map, the most telling first."""
    entries: list[tuple[str, dict[str, Any], npt.NDArray[np.float32]]] = []
    for source, shares in (("picture", maps.picture), ("merge", maps.infrared)):
        if shares is not None:
            entries.append((f"{source}_infrared", {"level": None, "modality": "infrared", "source": source}, shares))
    for number, level in enumerate(maps.levels, 1):
        for modality, parts in (("infrared", level.infrared), ("visible", level.visible)):
            for source in ("own", "soam", "moam"):
                what = {"level": number, "modality": modality, "source": source}
                entries.append((f"level{number}_{modality}_{source}", what, getattr(parts, source)))
    return entries


def heat(shares: npt.NDArray[np.float32], low: float, high: float) -> npt.NDArray[np.uint8]:
    """A map in false colours, RGB (h, w, 3): dark at `low`, light at `high`."""
    unit = np.clip((shares - low) / max(high - low, 1e-6), 0, 1)
    coloured = cv2.applyColorMap(np.rint(unit * 255).astype(np.uint8), cv2.COLORMAP_INFERNO)
    return np.ascontiguousarray(coloured[..., ::-1]).astype(np.uint8)


def account(result: Result) -> dict[str, Any]:
    """Classes with their shares, and the metrics of this pair."""
    classes: list[dict[str, Any]] = []
    if result.labels is not None and result.label_set is not None:
        names, palette = result.label_set.classes, result.label_set.palette
        classes = [
            {"id": i, "name": names[i], "colour": hex_colour(palette[i]), "share": round(share, 6)}
            for i, share in class_shares(result.labels, result.label_set)
        ]
    values = fusion_metrics(result.fused, result.infrared, result.visible, which=list(PANEL))
    metrics = [
        {
            "name": name,
            "value": round(value, 4) if np.isfinite(value) else None,
            "better": "higher" if METRICS[name].higher_is_better else "lower",
            "meaning": MEANINGS[name],
            "equation": METRICS[name].equation,
        }
        for name, value in values.items()
    ]
    return {"classes": classes, "metrics": metrics}


def seems_swapped(infrared: io.Array, visible: io.Array, infrared_name: str = "", visible_name: str = "") -> bool:
    """Whether the two were probably given in the wrong order: by colour, or by what their names say.

    >>> grey, colour = np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3), np.uint8)
    >>> colour[..., 0] = 200
    >>> seems_swapped(colour, grey), seems_swapped(grey, colour), seems_swapped(grey, grey, "7_vis.png", "7_ir.png")
    (True, False, True)
    """
    if _colourfulness(infrared) > _COLOURFUL and _colourfulness(visible) < _GREY:
        return True
    if _colourfulness(visible) > _COLOURFUL:
        return False
    bands = _band_of(infrared_name), _band_of(visible_name)
    return bands == ("visible", "infrared")


def _colourfulness(picture: io.Array) -> float:
    """Mean spread of the channels as a share of the largest value the type or picture holds; 0 for grey."""
    if picture.ndim == 2 or not picture.size:
        return 0.0
    thinned = picture[::4, ::4].astype(np.float32)
    white = 255.0 if picture.dtype == np.uint8 else max(1e-6, float(thinned.max()))
    return float(np.ptp(thinned, axis=2).mean() / white)


def _band_of(name: str) -> str | None:
    words = set(re.split(r"[^a-z]+", PurePosixPath(name.replace("\\", "/")).stem.lower()))
    found = [band for band, known in _BAND_WORDS.items() if words & known]
    return found[0] if len(found) == 1 else None
